"""Gradients through rectifiers under other rules, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.relu_rules import relu_rule

X = torch.tensor([-2.0, -0.5, 0.5, 2.0, 7.0])
SIGNS = (1.0, -1.0)

RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu by place": lambda x: F.relu(x, True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "clamp": lambda x: x.clamp(min=0),
    "clamp by place": lambda x: x.clamp(0),
    "torch.clamp": lambda x: torch.clamp(x, min=0.0),
    "torch.clamp by name": lambda x: torch.clamp(input=x, min=0.0),
    "clamp_": lambda x: x.clamp_(min=0),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "clamp_min_": lambda x: x.clamp_min_(0),
    "clip": lambda x: x.clip(min=0),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "threshold_": lambda x: torch.threshold_(x, 0.0, 0.0),
    "nn.Threshold": nn.Threshold(0.0, 0.0),
}

OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU6": nn.ReLU6(),
    "ReLU6 in place": nn.ReLU6(inplace=True),
    "clamp to 6": lambda x: x.clamp(0, 6),
    "SiLU": nn.SiLU(),
    "SiLU in place": nn.SiLU(inplace=True),
    "GELU": nn.GELU(),
    "GELU by tanh": nn.GELU(approximate="tanh"),
    "LeakyReLU": nn.LeakyReLU(0.2),
    "LeakyReLU in place": nn.LeakyReLU(0.2, inplace=True),
    "F.leaky_relu_": lambda x: F.leaky_relu_(x, 0.2),
    "ELU": nn.ELU(inplace=True),
    "SELU": nn.SELU(),
    "CELU": nn.CELU(inplace=True),
    "Mish": nn.Mish(),
    "Hardswish": nn.Hardswish(inplace=True),
    "Softplus": nn.Softplus(),
    "PReLU": nn.PReLU(),
}
ALONE: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
    "clamp to 1": lambda x: x.clamp(-1, 1),
    "clamp from above": lambda x: x.clamp(max=1),
}


def passed(function: Callable[[Tensor], Tensor], arriving: Tensor, rule: str | None) -> tuple[Tensor, Tensor]:
    """The function's value, and the gradient that it sends on."""
    leaf = X.clone().requires_grad_()
    if rule is None:
        value = function(leaf * 1.0)
    else:
        with relu_rule(rule):
            value = function(leaf * 1.0)
    value.backward(arriving)
    return value.detach(), leaf.grad


@pytest.mark.parametrize("name", RELUS)
@pytest.mark.parametrize("sign", SIGNS)
def test_rectifier(name: str, sign: float) -> None:
    arriving = sign * torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])
    value, guided = passed(RELUS[name], arriving, "guided")
    assert torch.equal(value, X.relu())
    assert torch.equal(guided, arriving * (X > 0) * (arriving > 0))
    value, mirrored = passed(RELUS[name], arriving, "deconvnet")
    assert torch.equal(value, X.relu())
    assert torch.equal(mirrored, arriving * (arriving > 0))
    assert torch.equal(passed(RELUS[name], arriving, None)[1], arriving * (X > 0))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("sign", SIGNS)
def test_other_activations(name: str, sign: float) -> None:
    arriving = sign * torch.tensor([1.0, 1.0, 3.0, -4.0, 5.0])
    wanted, plain = passed(OTHERS[name], arriving, None)
    value, guided = passed(OTHERS[name], arriving, "guided")
    assert torch.equal(value, wanted)
    torch.testing.assert_close(guided, plain.clamp(min=0))
    value, mirrored = passed(OTHERS[name], arriving, "deconvnet")
    assert torch.equal(value, wanted) and torch.equal(mirrored, arriving.clamp(min=0))


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_what_is_no_rectifier_keeps_its_gradient(name: str, rule: str) -> None:
    arriving = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])
    assert torch.equal(passed(ALONE[name], arriving, rule)[1], passed(ALONE[name], arriving, None)[1])


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("function", [nn.SiLU(), nn.GELU(), nn.LeakyReLU(inplace=True)])
def test_the_result_may_be_overwritten(rule: str, function: nn.Module) -> None:
    """As by a sum in place behind the activation, where plain gradients allow it."""
    leaf = X.clone().requires_grad_()
    with relu_rule(rule):
        after = function(leaf * 1.0)
        after += 1.0
        (after * 2).sum().backward()
    wanted = passed(function, torch.full((5,), 2.0), rule)[1]
    torch.testing.assert_close(leaf.grad, wanted)


def test_the_rule_ends_with_its_block_and_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="stop"), relu_rule("guided"):
        raise ValueError("stop")
    arriving = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])
    assert torch.equal(passed(F.relu, arriving, None)[1], arriving * (X > 0))
    with pytest.raises(ValueError, match="no rule 'deconv'; there is guided, deconvnet"):
        relu_rule("deconv")
