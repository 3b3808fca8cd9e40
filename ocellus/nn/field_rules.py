"""How an operation's result looks at the picture, given how its inputs do.

Layers and changes of shape have a rule each (`ocellus.nn.field_layers`, `field_shapes`). What has none is
pointwise where it is named in `POINTWISE`, and else is taken to mix all places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from ocellus.nn.field_calls import WHOLE, Call, Reach
from ocellus.nn.field_layers import LAYERS
from ocellus.nn.field_shapes import SHAPES, pieces
from ocellus.nn.field_taps import Axis, first_reach, union
from ocellus.nn.hooks import tensors_in

NORM, GATE = "a norm", "a gate"
REMARKS = {
    NORM: "a norm over all places is not counted",
    GATE: "numbers of the whole picture that scale its features (gates) are not counted",
}
POINTWISE = frozenset((
    "relu", "relu6", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "softplus", "softsign", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh",
    "threshold", "clamp", "clamp_min", "clamp_max", "clip", "abs", "exp", "log", "log1p", "sqrt",
    "rsqrt", "pow", "square", "neg", "sign", "floor", "ceil", "round", "reciprocal", "erf", "add",
    "radd", "iadd", "sub", "rsub", "isub", "mul", "rmul", "imul", "div", "rdiv", "truediv", "rtruediv",
    "itruediv", "true_divide", "floor_divide", "remainder", "where", "maximum", "minimum",
    "masked_fill", "lerp", "addcmul", "addcdiv", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "feature_dropout", "alpha_dropout", "batch_norm", "group_norm", "instance_norm", "layer_norm",
    "rms_norm", "local_response_norm", "normalize", "clone", "contiguous", "to", "float", "double",
    "half", "bfloat16", "type", "type_as", "detach", "requires_grad", "copy", "nan_to_num", "get", "eq",
    "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "fake_quantize_per_tensor_affine",
))  # fmt: skip
NORMS = frozenset(("group_norm", "instance_norm"))
EMPTY = frozenset((
    "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor", "zeros_like", "ones_like",
    "full_like", "empty_like", "rand_like", "randn_like", "size", "dim", "numel",
))  # fmt: skip
SPLITS = frozenset(("split", "chunk", "tensor_split", "unbind", "split_with_sizes"))


def start_reach(images: Tensor) -> Reach:
    """The reach of (B, C, h, w) pixels: each looks at itself."""
    return Reach(first_reach(2, images.shape[2]), first_reach(3, images.shape[3]))


def traced(
    name: str,
    args: tuple[Any, ...],
    named: dict[str, Any],
    result: Any,
    reach_of: Callable[[Tensor], Reach | None],
    shapes: dict[int, tuple[int, ...]],
    remarks: dict[str, str],
) -> Iterator[tuple[Tensor, Reach]]:
    """The tensors of an operation's (...) result, each with its reach.

    Args:
        name: of the operation, as torch calls it.
        args: its arguments.
        named: those given by name.
        result: what it gave.
        reach_of: what is known of a tensor.
        shapes: of the inputs that come from the picture, by id, before the call.
        remarks: what is not counted is noted here.
    """
    plain = name.strip("_")
    if plain in EMPTY or plain == "setitem":
        if plain == "setitem" and isinstance(args[2], Tensor) and id(args[2]) in shapes:
            remarks[name] = name
            yield args[0], WHOLE
        return
    inputs = []
    for tensor in tensors_in([*args, named]):
        reach = reach_of(tensor)
        if reach is not None:
            inputs.append((shapes[id(tensor)], reach))
    call = Call(plain, args, named, inputs, remarks)
    outputs = list(tensors_in(result))
    offset = 0
    for output in outputs:
        if plain in SPLITS:
            reach, offset = pieces(call, output, offset)
        else:
            rule = RULES.get(plain) or (_pointwise if plain in POINTWISE else None)
            reach = WHOLE if rule is None else rule(call, output)
            if reach.rows is None or reach.columns is None:
                remarks.setdefault(plain, plain)
        yield output, reach


def _pointwise(call: Call, result: Tensor) -> Reach:
    """Sums, activations, norms: a place looks at what the same place of each input looks at."""
    if call.name in NORMS:
        call.remarks[NORM] = REMARKS[NORM]
    return Reach(*(_joined(call, result, index) for index in (0, 1)))


def _joined(call: Call, result: Tensor, index: int) -> Axis | None:
    """One axis of a pointwise result whose inputs are broadcast against each other."""
    found: list[Axis] = []
    others = []
    for shape, reach in call.inputs:
        axis, shift = reach[index], result.ndim - len(shape)
        if axis is not None and len(axis.first) == result.shape[axis.dim + shift]:
            found.append(axis._replace(dim=axis.dim + shift))
        else:
            others.append((shape, shift))
    if not found or len({axis.dim for axis in found}) > 1:
        return None
    dim = found[0].dim
    for shape, shift in others:
        if dim >= shift and shape[dim - shift] != 1:
            return None
        call.remarks[GATE] = REMARKS[GATE]
    return union(found)


def _concatenated(call: Call, result: Tensor) -> Reach:
    """A concatenation; along the rows or columns the pieces lie one behind the other."""
    dim = call.argument(1, "dim", 0) % result.ndim
    if not any(axis is not None and axis.dim == dim for _, reach in call.inputs for axis in reach):
        return _pointwise(call, result)
    if len(call.inputs) < len(call.argument(0, "tensors", ())):
        return WHOLE  # a piece that does not come from the picture: as class tokens are
    made: list[Axis | None] = []
    for index in (0, 1):
        axes = [reach[index] for _, reach in call.inputs]
        there = [axis for axis in axes if axis is not None]
        if len(there) < len(axes) or len({axis.dim for axis in there}) > 1:
            made.append(None)
        elif there[0].dim == dim:
            first, last = (
                np.concatenate([getattr(axis, end) for axis in there]) for end in ("first", "last")
            )
            made.append(Axis(dim, first, last))
        else:
            made.append(union(there))
    return Reach(made[0], made[1])


RULES = {**LAYERS, **SHAPES, "cat": _concatenated, "concat": _concatenated}
