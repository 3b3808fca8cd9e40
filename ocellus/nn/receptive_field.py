"""The receptive field: which pixels each place of a layer can see, found by following one forward pass.

A convolution's place i looks at the input places i s - p + k d (stride s, padding p, dilation d, k of the
kernel's), those at pixels, and so on. Instead of formulas for a chain of layers, each tensor of a real
forward pass carries, for each of its rows and columns, the first and last row and column of the picture that
it depends on (`ocellus.nn.field_taps`), and each operation's result is made from its inputs'. Branches,
residual sums, concatenation, crops, dilation, resizing and channel shuffles are right that way, and so are
the borders; nothing is assumed of how the network is built from modules.

Not counted: norms over all places and gates (numbers of the whole picture that scale its features, as in
squeeze-and-excitation). By them every place depends a little on all. Attention and other operations that mix
places freely make the field the whole picture. All this is said in `Field.remarks`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ocellus.errors import OcellusError
from ocellus.nn.field_calls import Reach
from ocellus.nn.field_rules import GATE, NORM, start_reach, traced
from ocellus.nn.field_taps import Axis
from ocellus.nn.hooks import find_layer, is_spatial, recorded, tensors_in, untouched
from ocellus.nn.spatial_layer import channels_first
from ocellus.nn.subject import Subject, run

Box = tuple[int, int, int, int]


class Field(NamedTuple):
    """Which pixels the places of a layer look at, within the network's input."""

    size: tuple[int, int]  # h, w of the input
    rows: Axis | None  # of each row of the maps; None: all
    columns: Axis | None  # of each column; None: all
    remarks: tuple[str, ...]  # what is not counted, or why it is the whole picture

    def box(self, row: int, column: int) -> Box:
        """x1, y1, x2, y2 of the pixels that a place looks at, the ends not included; all 0 where at none."""
        (y1, y2), (x1, x2) = (
            _span(axis, place, length)
            for axis, place, length in zip((self.rows, self.columns), (row, column), self.size, strict=True)
        )
        return (0, 0, 0, 0) if x1 >= x2 or y1 >= y2 else (x1, y1, x2, y2)

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of the largest box: the receptive field's size, or the picture's if smaller."""
        found = []
        for axis, length in zip((self.rows, self.columns), self.size, strict=True):
            found.append(length if axis is None else max(0, int((axis.last - axis.first).max()) + 1))
        return found[0], found[1]


def receptive_field(network: nn.Module, subject: Subject, layer: str) -> Field:
    """What the places of a layer's maps can see of a picture of this size.

    Args:
        network: any; left as it was.
        subject: one picture; only its size matters.
        layer: the name of a module that puts out maps; of several calls, and of several maps, the last.

    Raises:
        OcellusError: no such layer; no maps; or what it puts out could not be followed. Exit code 2.
    """
    module = find_layer(network, layer)
    found: list[Reach | None] = []
    with untouched(network), torch.no_grad():
        walk = _Walk(subject.images)

        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            maps = [tensor for tensor in tensors_in(output) if is_spatial(tensor)]
            if maps:
                found[:] = [walk.reach_of(maps[-1])]

        handle = module.register_forward_hook(note)
        try:
            with walk:
                run(network, subject)
        finally:
            handle.remove()
    if not found:
        raise OcellusError(f"{layer} puts out no maps: it has no receptive field", exit_code=2)
    reach = found[0]
    if reach is None:
        message = f"what {layer} puts out could not be followed back to the pixels (a compiled part?)"
        raise OcellusError(f"{message}: take --field gradient", exit_code=2)
    own = (reach.rows, reach.columns)
    mixed = any(axis is None for axis in own)
    remarks = [walk.remarks[key] for key in (NORM, GATE) if key in walk.remarks]
    others = [name for name in walk.remarks if name not in (NORM, GATE)]
    if mixed:
        remarks.append(f"the whole picture ({', '.join(others[:4]) or 'all places are averaged'})")
    size = (subject.images.shape[2], subject.images.shape[3])
    return Field(size, *own, tuple(remarks))


def gradient_box(
    network: nn.Module, subject: Subject, layer: str, *, place: tuple[int, int, int], share: float = 1.0
) -> Box:
    """The box around the pixels on which one unit really depends, in one picture: where its gradient is.

    It lies inside the receptive field, and is often much smaller: most of a field counts for little (Luo
    2016, arXiv:1701.04128), and what ReLUs cut off and maxima pass over does not count at all.

    Args:
        network: any; left as it was.
        subject: one picture.
        layer: the layer's name; of several calls the last.
        place: channel, row and column of the unit.
        share: of the gradient's magnitude that the box holds; the rest is cut off in equal parts at the four
            sides. 1: all of it.

    Returns:
        x1, y1, x2, y2 in the network's input, the ends not included; all 0 where there is no gradient.

    Raises:
        OcellusError: no such layer. Exit code 2.
    """
    channel, row, column = place
    with untouched(network), recorded(network, [layer], gradients=True) as record:
        pixels = subject.images.detach().requires_grad_()
        run(network, subject._replace(images=pixels))
        maps = [tensor for tensor in record.activations[layer][-1] if is_spatial(tensor)][-1]
        own = channels_first(maps, tuple(subject.images.shape[2:]))
        gradient = _gradient(own[0, channel, row, column], pixels)
    if gradient is None or not gradient.any():
        return (0, 0, 0, 0)
    strength = gradient[0].double().abs().sum(dim=0)  # (h, w)
    (y1, y2), (x1, x2) = (_held(strength.sum(dim=1), share), _held(strength.sum(dim=0), share))
    return x1, y1, x2, y2


def _gradient(value: Tensor, pixels: Tensor) -> Tensor | None:
    return torch.autograd.grad(value, (pixels,), allow_unused=True)[0]


def _held(amounts: Tensor, share: float) -> tuple[int, int]:
    """First and end of what is left of (n,) amounts when a quarter of 1 - share is cut off at each end."""
    cut = (1 - share) / 4
    sums = amounts.cumsum(0) / amounts.sum()
    inside = (sums > cut) & (sums - amounts / amounts.sum() < 1 - cut) & (amounts > 0)
    places = inside.nonzero().flatten().tolist()
    return (places[0], places[-1] + 1) if places else (0, len(amounts))


def _span(axis: Axis | None, place: int, length: int) -> tuple[int, int]:
    if axis is None:
        return 0, length
    return int(axis.first[place]), int(axis.last[place]) + 1


class _Walk(TorchFunctionMode):
    """Inside the block, each tensor that comes from the picture carries what its places look at."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.remarks: dict[str, str] = {}
        self.size = images.shape[2:]
        self.known: dict[int, tuple[weakref.ref[Tensor], Reach]] = {}
        self.keep(images, start_reach(images))

    def keep(self, tensor: Tensor, reach: Reach) -> None:
        key = id(tensor)
        self.known[key] = (weakref.ref(tensor, lambda _: self.known.pop(key, None)), reach)

    def reach_of(self, tensor: Tensor) -> Reach | None:
        found = self.known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = [tensor for tensor in tensors_in([*args, kwargs or {}]) if self.reach_of(tensor) is not None]
        # Found before the call: an operation in place may change a tensor's shape.
        shapes = {id(tensor): tuple(tensor.shape) for tensor in given}
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        if given and name != "__set__":
            found = traced(name, args, kwargs or {}, result, self.reach_of, shapes, self.remarks)
            for tensor, reach in found:
                self.keep(tensor, reach)
        return result
