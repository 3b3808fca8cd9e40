"""How views, slices, reductions and mirrors make an output's reach of their input's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ocellus.nn.field_calls import WHOLE, Call, Reach, Rule
from ocellus.nn.field_taps import Axis

REDUCED = frozenset((
    "mean", "sum", "amax", "amin", "max", "min", "std", "var", "norm", "logsumexp", "prod", "any",
    "all", "argmax", "argmin",
))  # fmt: skip


def _each(reach: Reach, change: Callable[[Axis], Axis | None]) -> Reach:
    """The reach with each axis that is known changed."""
    return Reach(*(None if axis is None else change(axis) for axis in reach))


def _reshaped(call: Call, result: Tensor) -> Reach:
    """A view of another shape keeps its places where the axes before or behind them are left alone."""
    shape, reach = call.inputs[0]

    def moved(axis: Axis) -> Axis | None:
        behind = len(shape) - axis.dim
        if behind <= result.ndim and tuple(result.shape[result.ndim - behind :]) == shape[axis.dim :]:
            return axis._replace(dim=result.ndim - behind)
        before = axis.dim + 1
        if before <= result.ndim and tuple(result.shape[:before]) == shape[:before]:
            return axis
        return None

    return _each(reach, moved)


def _permuted(call: Call, result: Tensor) -> Reach:
    shape, reach = call.inputs[0]
    order = list(range(len(shape)))
    rest = list(call.args[1:]) + list(call.named.values())
    if call.name == "permute":
        order = [one % len(shape) for one in (rest[0] if isinstance(rest[0], (tuple, list)) else rest)]
    else:
        one, other = rest[0] % len(shape), rest[1] % len(shape)
        order[one], order[other] = order[other], order[one]
    return _each(reach, lambda axis: axis._replace(dim=order.index(axis.dim)))


def _linear(call: Call, result: Tensor) -> Reach:
    """A linear layer mixes the last axis; places that lie along others stay."""
    shape, reach = call.inputs[0]
    return _each(reach, lambda axis: None if axis.dim == len(shape) - 1 else axis)


def _along(call: Call, result: Tensor) -> Reach:
    """A softmax mixes one axis."""
    shape, reach = call.inputs[0]
    dim = call.argument(1, "dim")
    return WHOLE if dim is None else _each(reach, lambda axis: None if axis.dim == dim % len(shape) else axis)


def _reduced(call: Call, result: Tensor) -> Reach:
    """A mean or a maximum over some axes."""
    shape, reach = call.inputs[0]
    dim = call.named.get("dim", call.args[1] if len(call.args) > 1 else None)
    if dim is None or isinstance(dim, (Tensor, float)):
        return WHOLE
    gone = {one % len(shape) for one in ((dim,) if isinstance(dim, int) else dim)}
    kept = result.ndim == len(shape)

    def left(axis: Axis) -> Axis | None:
        if axis.dim not in gone:
            return axis if kept else axis._replace(dim=axis.dim - sum(one < axis.dim for one in gone))
        if not kept:
            return None
        return Axis(axis.dim, axis.first.min(keepdims=True), axis.last.max(keepdims=True))

    return _each(reach, left)


def _indexed(call: Call, result: Tensor) -> Reach:
    """`x[:, :, ::2]`: slices and single numbers; anything else mixes places."""
    shape, reach = call.inputs[0]
    key = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    if any(not (isinstance(one, (slice, int)) or one is None or one is Ellipsis) for one in key):
        return WHOLE
    named = sum(isinstance(one, (slice, int)) for one in key)
    full: list[Any] = []
    for one in key if Ellipsis in key else (*key, Ellipsis):
        full += [slice(None)] * (len(shape) - named) if one is Ellipsis else [one]
    source, target, places = 0, 0, {}
    for one in full:
        if one is None:
            target += 1
            continue
        if isinstance(one, slice):
            places[source] = (target, one)
            target += 1
        source += 1

    def cut(axis: Axis) -> Axis | None:
        if axis.dim not in places:
            return None
        where, part = places[axis.dim]
        return Axis(where, axis.first[part], axis.last[part])

    return _each(reach, cut)


def pieces(call: Call, result: Tensor, offset: int) -> tuple[Reach, int]:
    """The reach of one piece (...) of a split, and where the next begins."""
    shape, reach = call.inputs[0]
    dim = call.argument(1 if call.name == "unbind" else 2, "dim", 0) % len(shape)
    if call.name == "unbind":
        gone = _each(reach, lambda a: None if a.dim == dim else a._replace(dim=a.dim - (a.dim > dim)))
        return gone, offset + 1
    end = offset + result.shape[dim]
    part = slice(offset, end)
    return _each(reach, lambda a: a if a.dim != dim else Axis(dim, a.first[part], a.last[part])), end


def _turned(call: Call, result: Tensor) -> Reach:
    """A mirror image."""
    shape, reach = call.inputs[0]
    rest = call.args[1:] or (call.named.get("dims", ()),)
    dims = {one % len(shape) for one in (rest[0] if isinstance(rest[0], (tuple, list)) else rest)}
    return _each(reach, lambda a: Axis(a.dim, a.first[::-1], a.last[::-1]) if a.dim in dims else a)


def _widened(call: Call, result: Tensor) -> Reach:
    """An expansion; a place that is repeated is lost."""
    shape, reach = call.inputs[0]
    shift = result.ndim - len(shape)
    return _each(
        reach,
        lambda a: a._replace(dim=a.dim + shift) if result.shape[a.dim + shift] == len(a.first) else None,
    )


SHAPES: dict[str, Rule] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshaped),
    **dict.fromkeys(("permute", "transpose", "swapaxes"), _permuted),
    **dict.fromkeys(("softmax", "log_softmax"), _along),
    **dict.fromkeys(("expand", "expand_as"), _widened),
    **dict.fromkeys(REDUCED, _reduced),
    "linear": _linear, "getitem": _indexed, "flip": _turned,
}  # fmt: skip
