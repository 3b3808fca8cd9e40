"""How convolutions, poolings, resizes and paddings make an output's reach of their input's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from ocellus.nn import field_taps as taps
from ocellus.nn.field_calls import WHOLE, Call, Reach, Rule
from ocellus.nn.field_taps import Axis, Taps, gathered


def _by_window(call: Call, result: Tensor, make: Callable[[int, int, int], Taps]) -> Reach:
    """Operations on the last two axes; `make(index, length, count)` gives each one's table."""
    shape, reach = call.inputs[0]
    made: list[Axis | None] = []
    for index, axis in enumerate(reach):
        last = len(shape) - 2 + index
        if axis is None or axis.dim != last:
            made.append(None)
            continue
        there = gathered(axis, make(index, shape[last], result.shape[result.ndim - 2 + index]))
        made.append(there._replace(dim=result.ndim - 2 + index))
    return Reach(made[0], made[1])


def _pair(value: Any) -> tuple[Any, Any]:
    """One number for both axes, or one each."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _convolution(call: Call, result: Tensor) -> Reach:
    kernel = call.argument(1, "weight").shape[2:]
    stride, dilation = _pair(call.argument(3, "stride", 1)), _pair(call.argument(5, "dilation", 1))
    padding = call.argument(4, "padding", 0)

    def make(index: int, length: int, count: int) -> Taps:
        whole = dilation[index] * (kernel[index] - 1)
        own = (
            {"same": whole // 2, "valid": 0}.get(padding)
            if isinstance(padding, str)
            else _pair(padding)[index]
        )
        return taps.window_taps(count, kernel=kernel[index], stride=stride[index], padding=own or 0,
                           dilation=dilation[index])  # fmt: skip

    return _by_window(call, result, make)


def _transposed_convolution(call: Call, result: Tensor) -> Reach:
    kernel = call.argument(1, "weight").shape[2:]
    stride, padding = _pair(call.argument(3, "stride", 1)), _pair(call.argument(4, "padding", 0))
    dilation = _pair(call.argument(7, "dilation", 1))
    return _by_window(
        call, result,
        lambda index, length, count: taps.transposed_taps(
            count, kernel=kernel[index], stride=stride[index], padding=padding[index],
            dilation=dilation[index],
        ),
    )  # fmt: skip


def _pooling(call: Call, result: Tensor) -> Reach:
    kernel = _pair(call.argument(1, "kernel_size"))
    given = call.argument(2, "stride")
    stride = kernel if given is None or given == [] else _pair(given)
    padding = _pair(call.argument(3, "padding", 0))
    dilation = _pair(call.argument(4, "dilation", 1)) if call.name.startswith("max") else (1, 1)
    return _by_window(
        call, result,
        lambda index, length, count: taps.window_taps(
            count, kernel=kernel[index], stride=stride[index], padding=padding[index],
            dilation=dilation[index],
        ),
    )  # fmt: skip


def _adaptive_pooling(call: Call, result: Tensor) -> Reach:
    return _by_window(call, result, lambda index, length, count: taps.adaptive_taps(length, count))


def _resizing(call: Call, result: Tensor) -> Reach:
    mode, aligned = call.argument(3, "mode", "nearest"), bool(call.argument(4, "align_corners", False))
    scale, anew = call.argument(2, "scale_factor"), bool(call.argument(5, "recompute_scale_factor", False))
    factors = (None, None) if scale is None or anew else _pair(scale)
    smoothed = bool(call.argument(6, "antialias", False))
    known = mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")

    def make(index: int, length: int, count: int) -> Taps:
        table = taps.resize_taps(
            length, count, mode=mode, scale=factors[index], aligned=aligned, smoothed=smoothed
        )
        assert table is not None
        return table

    return _by_window(call, result, make) if known else WHOLE


def _shuffled(call: Call, result: Tensor) -> Reach:
    """Pixel shuffle, and back."""
    factor = int(call.argument(1, "upscale_factor", call.named.get("downscale_factor", 1)))
    if call.name == "pixel_shuffle":
        return _by_window(call, result, lambda index, length, count: (np.arange(count) // factor)[:, None])
    return _by_window(
        call,
        result,
        lambda index, length, count: taps.window_taps(count, kernel=factor, stride=factor, padding=0),
    )


def _padding(call: Call, result: Tensor) -> Reach:
    amounts = list(call.argument(1, "pad", ()))
    mode = call.argument(2, "mode", "constant")
    amounts += [0] * (4 - len(amounts))
    if any(amounts[4:]) and len(amounts) > 4:
        amounts = amounts[:4]  # of channels: places stay where they are
    sides = ((amounts[2], amounts[3]), (amounts[0], amounts[1]))
    return _by_window(call, result, lambda index, length, count: taps.pad_taps(length, *sides[index], mode))


LAYERS: dict[str, Rule] = {
    "conv2d": _convolution, "conv_transpose2d": _transposed_convolution, "max_pool2d": _pooling,
    "max_pool2d_with_indices": _pooling, "avg_pool2d": _pooling, "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling, "interpolate": _resizing, "upsample": _resizing,
    "pixel_shuffle": _shuffled, "pixel_unshuffle": _shuffled, "pad": _padding,
}  # fmt: skip
