"""What goes through a network: every inner tensor by its name, made small enough to be looked at.

A backbone's tensors are too many and too large to keep, so that each is summed up at the moment it is made:
the strength of its channels at each place, and the few channels that vary most.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.hooks import hooked, tensors_in

CHANNELS = 9
LONGEST = 96
"""Cells of the longer side of what is kept of a map."""
ROWS, COLUMNS = 24, 256
"""Of a table (vectors of several regions) as much is kept."""


class Inner(NamedTuple):
    """One tensor that a module put out.

    Maps have `strength` and `channels`; maps of regions have `strength` alone, a map each; other tensors have
    `table`.
    """

    name: str  # "backbone.stages.0.1"; "pyramid[2]" where a module puts out several
    kind: str  # of the module
    shape: tuple[int, ...]
    call: int  # of the module, from 1
    low: float
    high: float
    strength: Tensor | None  # (n, h, w) mean magnitude over the channels; n is 1 for maps of the picture
    channels: Tensor | None  # (m, h, w) those that vary most over the places
    which: tuple[int, ...]  # their numbers
    table: Tensor | None  # (rows, columns)
    depth: int  # of the module in the tree: 1 for the network's own


def inner_tensors(
    network: nn.Module, go: Callable[[], object], *, names: tuple[str, ...] = ()
) -> list[Inner]:
    """What the modules put out, in the order in which it is made: low level to high level.

    A module that passes on the very tensor of a module in it is named by the inner one, with the outer one's
    depth.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        go: runs it.
        names: of modules; empty: all.
    """
    found: list[Inner] = []
    calls: dict[str, int] = {}
    known: dict[int, tuple[weakref.ref[Tensor], str, int]] = {}  # the tensor, its module, its place in found

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not name or (names and name not in names):
                return
            calls[name] = calls.get(name, 0) + 1
            tensors = [
                tensor for tensor in tensors_in(output) if tensor.is_floating_point() and tensor.numel()
            ]
            for index, tensor in enumerate(tensors):
                label = f"{name}[{index}]" if len(tensors) > 1 else name
                made = summed_up(tensor, label, type(module).__name__, calls[name], name.count(".") + 1)
                reference, inner, place = known.get(id(tensor), (None, "", 0))
                passed = reference is not None and reference() is tensor and inner.startswith(f"{name}.")
                if passed and same(found[place], made):
                    found[place] = found[place]._replace(depth=made.depth)
                else:
                    known[id(tensor)] = weakref.ref(tensor), name, len(found)
                    found.append(made)

        return hook

    with torch.no_grad(), hooked(network, note):
        go()
    return found


def chosen_depth(found: list[Inner], most: int) -> int:
    """The largest depth at which no more than so many maps of the picture are shown; at least 1."""
    depths = sorted(one.depth for one in found if one.channels is not None)
    fitting = [depth for depth in set(depths) if sum(own <= depth for own in depths) <= most]
    return max(fitting, default=1)


def summed_up(tensor: Tensor, name: str, kind: str, call: int, depth: int) -> Inner:
    """A tensor (...) of any shape as what is kept of it."""
    values = tensor.detach().float()
    finite = values[values.isfinite()]
    low, high = (float(finite.amin()), float(finite.amax())) if finite.numel() else (float("nan"),) * 2
    strength = channels = table = None
    which: tuple[int, ...] = ()
    values = values.nan_to_num(0.0, 0.0, 0.0)
    if values.ndim == 4 and min(values.shape[2:]) > 1:
        strength = small(values[:ROWS].abs().mean(dim=1))
        if len(values) == 1:
            spread = values[0].flatten(1).std(dim=1)
            which = tuple(spread.topk(min(CHANNELS, len(spread))).indices.sort().values.tolist())
            channels = small(values[0, list(which)])
    else:
        flat = values.reshape(1, -1) if values.ndim < 2 else values.flatten(1)
        table = flat[:ROWS, :COLUMNS].cpu()
    return Inner(name, kind, tuple(tensor.shape), call, low, high, strength, channels, which, table, depth)


def same(one: Inner, other: Inner) -> bool:
    """Whether two sums are of the same values: a tensor may have been overwritten in place."""
    pairs = [(one.strength, other.strength), (one.channels, other.channels), (one.table, other.table)]
    equal = all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)
    return equal and one.which == other.which


def small(maps: Tensor) -> Tensor:
    """(n, h, w) maps at most LONGEST cells long, on the CPU."""
    scale = LONGEST / max(maps.shape[1:])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in maps.shape[1:]]
        maps = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False, antialias=True)[
            :, 0
        ]
    return maps.cpu().clone()
