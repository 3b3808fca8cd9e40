"""Looking into networks: what is recorded, and that the gradients are right."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.hooks import find_layer, layers, mapped, recorded, tensors_in, untouched
from tests.explain.networks import Written, image


class Branching(nn.Module):
    """A module used three times, an output that goes to two places, and one that is overwritten."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.bundle = Bundle()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        total = maps + self.shared(maps)
        for _ in range(2):
            total = total + self.shared(F.relu(total))
        pair = self.bundle(total)
        return (pair.maps.relu_() * pair.twice).sum(dim=(2, 3))


class Pair(NamedTuple):
    maps: Tensor
    twice: Tensor
    count: int


class Bundle(nn.Module):
    def forward(self, maps: Tensor) -> Pair:
        return Pair(maps * 1, maps * 2, 2)


def test_activations_are_those_at_the_modules_end() -> None:
    network = Written("in place").eval()
    with recorded(network, ["convs.2", "relus.2"]) as record, torch.no_grad():
        network(image(32))
    (before,), (after,) = record.activations["convs.2"][-1], record.activations["relus.2"][-1]
    assert before.min() < 0 <= after.min()
    assert len(record.activations["relus.2"]) == 1


def test_reused_modules_are_kept_call_by_call() -> None:
    network = Branching()
    with recorded(network, ["shared"], gradients=True) as record:
        score = network(image(16))[0, 1]
    calls = [call[0] for call in record.activations["shared"]]
    assert len(calls) == 3
    score.backward()
    for (own,), (noted,) in zip(record.activations["shared"], record.gradients["shared"], strict=True):
        assert noted is not None and noted.shape == own.shape and noted.abs().sum() > 0
    # The last call's result is added once: d score / d of it, from the formula of `forward`.
    total = (calls[0] + network.stem(image(16))).detach()
    for call in calls[1:]:
        total = total + call.detach()
    wanted = torch.zeros_like(total)
    wanted[:, 1] = 4 * total[:, 1].clamp(min=0)  # of relu(t) * 2 t
    torch.testing.assert_close(record.gradients["shared"][-1][0], wanted)


def test_gradients_are_those_of_the_whole_graph_though_it_begins_at_the_layer() -> None:
    network = Branching()
    images = image(16).requires_grad_()
    stem = network.stem(images)
    stem.retain_grad()
    network.stem.forward = lambda _: stem  # type: ignore[method-assign]
    network(images)[0, 1].backward()
    wanted = stem.grad
    network = Branching()
    with untouched(network), recorded(network, ["stem"], gradients=True) as record:
        score = network(image(16))[0, 1]
        (own,) = record.activations["stem"][-1]
        assert own.is_leaf and own.grad_fn is None  # nothing before it is kept
        (found,) = torch.autograd.grad(score, own)
    torch.testing.assert_close(found, wanted)


def test_named_tuples_come_through_whole() -> None:
    network = Branching()
    with recorded(network, ["bundle"], gradients=True) as record:
        score = network(image(16))[0, 0]
        score.backward()
    maps, twice = record.activations["bundle"][-1]
    torch.testing.assert_close(twice, 2 * maps)
    gradient, other = record.gradients["bundle"][-1]
    torch.testing.assert_close(gradient[:, 0], (twice * (maps > 0))[:, 0])
    torch.testing.assert_close(other[:, 0], maps.relu()[:, 0])


def test_nothing_is_kept_of_calls_without_gradients() -> None:
    network = Branching()
    with recorded(network, ["stem"], gradients=True) as record, torch.no_grad():
        network(image(16))
    assert record.activations["stem"] == []


def test_hooks_go_and_the_callers_stay() -> None:
    network, called = Branching(), []
    handle = network.stem.register_forward_hook(lambda *_: called.append(1))
    with pytest.raises(KeyError), recorded(network, ["stem", "shared"]):
        raise KeyError
    assert len(network.stem._forward_hooks) == 1 and not network.shared._forward_hooks
    network(image(16))
    assert called == [1]
    handle.remove()


def test_unknown_layer_names_the_nearest() -> None:
    network = Written("modules")
    with pytest.raises(OcellusError, match=r"no layer 'conv.2' in this Written; there is convs.2") as caught:
        find_layer(network, "conv.2")
    assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match="there is convs, norm, last, relus"):
        find_layer(network, "")
    with pytest.raises(OcellusError, match="--list-layers"), recorded(network, ["nowhere"]):
        pass
    assert not any(module._forward_hooks for module in network.modules())


def test_layers() -> None:
    network = Branching().train()
    table = {entry.name: entry for entry in layers(network, image(16))}
    assert list(table) == ["stem", "shared", "bundle"]
    assert table["shared"].calls == 3 and table["stem"].calls == 1
    assert table["stem"].output == "1x4x16x16" and table["stem"].kind == "Conv2d" and table["stem"].spatial
    assert table["bundle"].spatial and network.training
    assert [entry.output for entry in layers(network)] == ["", "", ""]
    assert not {entry.name: entry for entry in layers(Written("modules"), image(16))}["last"].spatial


def test_structures() -> None:
    first, second = torch.zeros(1), torch.ones(2)
    given = {"a": [first, (second, None)], "b": 3, "c": Pair(first, second, 4)}
    assert [len(tensor) for tensor in tensors_in(given)] == [1, 2, 1, 2]
    changed = mapped(given, lambda tensor: tensor + 1)
    assert changed["c"].count == 4 and changed["c"].twice.tolist() == [2, 2]
    assert changed["a"][1][0].tolist() == [2, 2] and changed["b"] == 3
    assert given["a"][0] is first  # the given one is left as it was
