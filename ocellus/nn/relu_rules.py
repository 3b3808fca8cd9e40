"""Other rules for the way back through a rectifier: guided backpropagation's and the deconvnet's.

With gradient g arriving at y = relu(x), what is sent on is (Springenberg 2015, arXiv:1412.6806, figure 1c)

    plain gradient   g * [x > 0]
    deconvnet        g * [g > 0]            the way forward does not matter
    guided           g * [x > 0] * [g > 0]  both

The rules act on functions, not on modules: `nn.ReLU`, `F.relu`, `x.relu_()`, `torch.clamp(x, min=0)`, in
place or not, once or in a module that is used ten times, all pass through here. For rectifiers with another
slope, y = f(x), guided sends on max(g * f'(x), 0), which for relu is the line above: what would be negative
behind the activation is dropped. Deconvnet sends on max(g, 0) whatever f is.

What is not seen: activations inside a scripted or compiled function, and those made by arithmetic of one's
own (`x * (x > 0)`, `torch.where`), which keep their plain gradient. Gates are no rectifiers: sigmoid, tanh,
softmax and their hard forms keep theirs too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

RULES = ("guided", "deconvnet")

Function = Callable[..., Any]

# Functions whose first argument is what is rectified, and that have an argument `inplace`.
FLAGGED: set[Function] = {
    *(F.relu, F.relu6, F.leaky_relu, F.rrelu, F.elu, F.selu, F.celu, F.silu, F.mish, F.hardswish, F.hardtanh),
    F.threshold,
}
# Functions that never work in place.
PLAIN: set[Function] = {
    *(
        torch.relu,
        Tensor.relu,
        F.gelu,
        F.softplus,
        F.prelu,
        torch.prelu,
        Tensor.prelu,
        torch.selu,
        torch.celu,
    ),
    *(torch.threshold, torch.clamp, torch.clip, torch.clamp_min),
    *(Tensor.clamp, Tensor.clip, Tensor.clamp_min),
}
# Functions that always do, and the one that does the same elsewhere.
IN_PLACE: dict[Function, Function] = {
    torch.relu_: torch.relu,
    Tensor.relu_: torch.relu,
    F.leaky_relu_: F.leaky_relu,
    F.rrelu_: F.rrelu,
    F.elu_: F.elu,
    torch.selu_: F.selu,
    torch.celu_: F.celu,
    F.hardtanh_: F.hardtanh,
    torch.threshold_: F.threshold,
    torch.clamp_: torch.clamp,
    torch.clip_: torch.clamp,
    torch.clamp_min_: torch.clamp_min,
    Tensor.clamp_: torch.clamp,
    Tensor.clip_: torch.clamp,
    Tensor.clamp_min_: torch.clamp_min,
}
CLAMPS = {torch.clamp, torch.clip, Tensor.clamp, Tensor.clip, torch.clamp_min, Tensor.clamp_min}


class relu_rule(TorchFunctionMode):
    """Inside the block, what is computed has another gradient through its rectifiers.

    The block holds the forward pass; the backward pass may be after it.

    Args:
        rule: "guided" or "deconvnet".
    """

    def __init__(self, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f"no rule {rule!r}; there is {', '.join(RULES)}")
        super().__init__()
        self.rule = _Guided if rule == "guided" else _Deconvnet

    def __torch_function__(
        self,
        func: Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not (func in FLAGGED or func in PLAIN or func in IN_PLACE) or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        plain = IN_PLACE.get(func, func)
        values, rest, named = _arguments(args, kwargs)
        if not _rectifies(plain, rest, named):
            return func(*args, **kwargs)
        in_place = func in IN_PLACE
        if func in FLAGGED:  # torch passes `inplace` on by name, however the caller gave it
            in_place = bool(named.pop("inplace", False))
        result = self.rule.through(values, lambda x: plain(x, *rest, **named), in_place)
        # `copy_` gives the overwritten tensor the result's place in the graph, for who goes on using it.
        return values.copy_(result) if in_place else result


class _Guided(torch.autograd.Function):
    """The identity, through which only positive gradients pass; it stands before the activation."""

    @staticmethod
    def through(values: Tensor, activation: Function, in_place: bool) -> Any:
        # What is overwritten afterwards may not be what the activation saved for its derivative.
        return activation(_Guided.apply(values.clone() if in_place else values))

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient.clamp(min=0)


class _Deconvnet(torch.autograd.Function):
    """The activation's value, through which positive gradients pass whatever the value was."""

    @staticmethod
    def through(values: Tensor, activation: Function, in_place: bool) -> Any:
        return _Deconvnet.apply(values, activation)

    @staticmethod
    def forward(ctx: Any, values: Tensor, activation: Function) -> Any:
        return activation(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient.clamp(min=0), None


def _arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """What is rectified, the other arguments by place, and those by name."""
    if args:
        return args[0], args[1:], dict(kwargs)
    rest = {name: value for name, value in kwargs.items() if name != "input"}
    return kwargs["input"], (), rest


def _rectifies(plain: Function, rest: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether a clamp cuts at 0, as a rectifier does; the others always do."""
    if plain in CLAMPS:
        low = rest[0] if rest else named.get("min")
    elif plain is F.hardtanh:
        low = rest[0] if rest else named.get("min_val", -1.0)
    elif plain in (F.threshold, torch.threshold):
        low = rest[0] if rest else named.get("threshold")
    else:
        return True
    return isinstance(low, (int, float)) and low == 0
