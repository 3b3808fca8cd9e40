"""Does anything grow? `python -m benchmarks.explain_memory [--count 1000] [--methods gradcam,occlusion]`.

Explains pictures by all methods that give heat maps, draws the maps, and after a warm-up measures every
--every explanations, with everything that Python can free freed first (`gc.collect`):

- resident: the process's pages in memory, after glibc's `malloc_trim`, which hands back what is freed but
  kept. What is left of ups and downs is the allocator's, not ours;
- in use: what glibc's allocator has handed out and not got back (`mallinfo2`: `uordblks` + `hblkhd`). A leak
  in C++ shows here;
- objects and tensors: that Python's collector knows of. A leak in Python shows here. Numbers that are written
  below a map are kept as drawn letters, at most a few thousand: objects rise by about two a map until then;
- Python: bytes that Python's own allocator has handed out (`tracemalloc`), only with --trace, which is slow;
- files: descriptors that are open.

The network is torchvision's SqueezeNet 1.1 with random weights, or MODEL as `ocellus explain` takes it. The
bar is a growth of at most 5 MB from the first measure to the last. The exit code is 1 where it is missed.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision

import ocellus
from ocellus.draw.heatmap import draw_heatmap
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.values import Picture

BAR = 5.0  # MB
MEGABYTE = 1e6


class Measure(NamedTuple):
    """What a process holds."""

    resident: float  # MB
    in_use: float  # MB; nan where there is no glibc
    python: float  # MB; nan without --trace
    objects: int
    tensors: int
    files: int


class Handed(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
            "keepcost",
        )
    ]  # fmt: skip


def glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallinfo2.restype = Handed
    except (OSError, AttributeError):
        return None
    return library


def measure(library: ctypes.CDLL | None) -> Measure:
    """What this process holds after everything that can be freed is."""
    gc.collect()
    in_use = float("nan")
    if library is not None:
        library.malloc_trim(0)
        info = library.mallinfo2()
        in_use = (info.uordblks + info.hblkhd) / MEGABYTE
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    known = gc.get_objects()
    tensors = sum(issubclass(type(one), torch.Tensor) for one in known)
    python = tracemalloc.get_traced_memory()[0] / MEGABYTE if tracemalloc.is_tracing() else float("nan")
    return Measure(
        resident=pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE,
        in_use=in_use,
        python=python,
        objects=len(known),
        tensors=tensors,
        files=len(list(Path("/proc/self/fd").iterdir())),
    )


def explanations(ready: Explainable, methods: str, side: int) -> Iterator[None]:
    """Explanations without end, each of a new picture, as maps and as drawings."""
    number = 0
    while True:
        number += 1
        dice = torch.Generator().manual_seed(number)
        pixels = torch.randint(0, 256, (3, side, side + side // 4), generator=dice, dtype=torch.uint8)
        picture = Picture(pixels=pixels, path=f"picture {number}.png")
        for why in ocellus.explain(methods, ready, picture):
            for heat in why.heatmaps.values():
                draw_heatmap(heat, picture)
                yield


def network(name: str) -> Explainable:
    if name:
        return explainable(name)
    torch.manual_seed(0)
    return explainable(torchvision.models.squeezenet1_1(num_classes=20).eval())


def watch(stream: Iterator[None], *, count: int, every: int, warm_up: int) -> list[Measure]:
    """Print and collect a measure every so many explanations."""
    library = glibc()
    head = "explanations   resident MB   in use MB   Python MB   objects   tensors   files"
    print(head, flush=True)
    found = []
    for done in range(0, count + 1, every):
        for _ in islice(stream, every if done else warm_up):
            pass
        own = measure(library)
        found.append(own)
        print(
            f"{done:12d}   {own.resident:11.2f}   {own.in_use:9.2f}   {own.python:9.2f}   "
            f"{own.objects:7d}   {own.tensors:7d}   {own.files:5d}",
            flush=True,
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="as `ocellus explain` takes it")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--side", type=int, default=64, help="of the pictures, in pixels")
    parser.add_argument("--trace", action="store_true", help="measure Python's own memory too, and say where")
    chosen = parser.parse_args()
    stream = explanations(network(chosen.model), chosen.methods, chosen.side)
    if chosen.trace:
        tracemalloc.start()
    next(stream)
    before = tracemalloc.take_snapshot() if chosen.trace else None
    found = watch(stream, count=chosen.count, every=chosen.every, warm_up=chosen.warm_up)
    growth = {name: getattr(found[-1], name) - getattr(found[0], name) for name in Measure._fields}
    print(", ".join(f"{name} {value:+.2f}" for name, value in growth.items()))
    if before is not None:
        for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:8]:
            print(line)
    worst = max(own.resident for own in found) - found[0].resident
    good = worst <= BAR
    print(
        f"resident memory rose by at most {worst:.2f} MB: {'flat' if good else 'NOT flat'} (bar {BAR:g} MB)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
