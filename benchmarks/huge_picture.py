"""The class of every pixel of a picture that does not fit into memory: time and the most memory it takes.

    python -m benchmarks.huge_picture                        # 20,000 x 20,000, generated part by part
    python -m benchmarks.huge_picture --side 6000 --system see/unet --preset small
    python -m benchmarks.huge_picture --tiff                 # written as a TIFF first, then read from it

The network is a 3x3 convolution by default, so that reading, tiles, blending, labels and writing are what is
measured; `--system` takes a segmenter instead, in its preset `small` or another. Nothing is learned.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor, nn

from ocellus import catalog
from ocellus.data.windows import Source, open_source
from ocellus.jobs.huge import look
from ocellus.jobs.model import Model
from ocellus.nn.fuse import fuse
from ocellus.weights import Header

NAMES = tuple(f"class {index}" for index in range(11))


def generated(top: int, bottom: int, left: int, right: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(h, w, 3) of a picture that is never whole: stripes and rings computed from the pixels' places."""
    y, x = np.ogrid[top:bottom, left:right]
    red = (x // 7 + y // 11) % 256
    green = (x * x // 4096 + y * y // 4096) % 256
    blue = (x ^ y) % 256
    return np.stack(np.broadcast_arrays(red, green, blue), axis=2).astype(np.uint8)


class Cheap(nn.Module):
    """One 3x3 convolution from colors to classes."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, len(NAMES), 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, K, H, W) of (B, 3, H, W)."""
        logits: Tensor = self.convolution(images)
        return logits


def network_of(system: str, *, preset: str = "small") -> nn.Module:
    """The network that is run, folded as a loaded one is."""
    torch.manual_seed(0)
    if not system:
        return Cheap().eval()
    module = catalog.system(system)
    config, _, _ = module.PRESETS[preset]
    # No picture is made smaller here: all of its pixels are looked at.
    network: nn.Module = module.build(replace(config, classes=len(NAMES), short_side=0))
    return fuse(network)


def main() -> None:
    """Look at the picture and print seconds, megapixels a second and the peak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=20_000, help="of the square picture, in pixels (20000)")
    parser.add_argument("--system", default="", help="a segmenter, such as see/unet (default: a convolution)")
    parser.add_argument("--preset", default="small", help="of its settings: small, tiny or paper (small)")
    parser.add_argument("--tiff", action="store_true", help="write the picture as a tiled TIFF and read that")
    parser.add_argument("--threads", type=int, default=1, help="of torch (1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    side = arguments.side
    header = Header(system=arguments.system or "see/unet", config={}, preprocessing={}, labels=NAMES)
    model = Model(
        network=network_of(arguments.system, preset=arguments.preset), header=header, source="benchmark"
    )
    source = Source(generated, (side, side), given=3)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tiff:
            path = Path(folder) / "picture.tif"
            write(path, side)
            source = open_source(path)
        labels = Path(folder) / "labels.tif"
        before = peak()
        start = time.perf_counter()
        seen = look(model, source, labels=labels)
        seconds = time.perf_counter() - start
        with tifffile.TiffFile(labels) as file:
            page = file.pages.first
            assert page.shape == (side, side) and page.is_tiled
        size = labels.stat().st_size / 1e6
    what = f"{arguments.system}, {arguments.preset}" if arguments.system else "one convolution"
    print(f"{side} x {side} pixels, {what}, {arguments.threads} thread(s)")
    print(f"  {seconds:.1f} s, {side * side / seconds / 1e6:.2f} megapixels a second")
    print(f"  peak memory {peak():.2f} GB ({before:.2f} before), label map {size:.1f} MB")
    print(f"  {seen.text}")


def write(path: Path, side: int, tile: int = 512) -> None:
    """The generated picture as a tiled, deflated TIFF, one tile in memory at a time."""

    def tiles() -> Any:
        for top in range(0, side, tile):
            for left in range(0, side, tile):
                yield generated(top, top + tile, left, left + tile)

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(
            tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(tile, tile), compression="zlib",
            photometric="rgb", maxworkers=1, metadata=None,
        )  # fmt: skip


def peak() -> float:
    """The most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
