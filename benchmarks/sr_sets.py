"""PSNR and SSIM of a super-resolution network on Set5 and Set14, beside MATLAB's bicubic enlargement.

    python -m benchmarks.sr_sets runs/srgan-x4 ../shared/data/sr

On the luminance Y of MATLAB's rgb2ycbcr, of answers rounded to 8 bits, less a border of `factor` pixels. At
x4 the small pictures are the data set's own; at other factors they are made of the large ones as MATLAB makes
them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus import weights
from ocellus.data.bicubic import low_resolution, resize_bicubic
from ocellus.data.images import read_picture
from ocellus.imagine.srgan.inference import enlarge
from ocellus.jobs.model import find
from ocellus.metrics.image_quality import psnr, ssim

SETS = ("Set5", "Set14")


def pairs(folder: Path, factor: int) -> list[tuple[Tensor, Tensor]]:
    """(small, true) pictures of a test set, (3, h, w) and (3, factor h, factor w)."""
    found = []
    for file in sorted((folder / "HR").iterdir()):
        truth = read_picture(file).floats()
        height, width = (length - length % factor for length in truth.shape[1:])
        truth = truth[:, :height, :width]
        stored = folder / f"LR_x{factor}" / file.name
        small = read_picture(stored).floats() if stored.is_file() else low_resolution(truth, factor)
        found.append((small, truth))
    return found


def measure(network: Any, folder: Path, *, views: int = 1, bf16: bool = False) -> dict[str, float]:
    """Mean figures of a network and of bicubic enlargement over a test set."""
    factor = network.config.factor
    rows = []
    for small, truth in pairs(folder, factor):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            made = as_a_file(enlarge(network, small[None], views=views)[0])
        plain = as_a_file(resize_bicubic(small, factor))
        row = {
            "psnr": psnr(made, truth, crop=factor, luma=True),
            "ssim": ssim(made, truth, crop=factor, luma=True),
        }
        row |= {
            f"bicubic_{name}": call(plain, truth, crop=factor, luma=True) for name, call in FIGURES.items()
        }
        rows.append(row)
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


FIGURES = {"psnr": psnr, "ssim": ssim}


def as_a_file(image: Tensor) -> Tensor:
    """Clamped and rounded to 8 bits, in [0, 1]."""
    return (image.float().clamp(0, 1) * 255).round() / 255


def main() -> None:
    """Print a line for each test set and number of views."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a run's folder or a weights file")
    parser.add_argument("data", type=Path, help="the folder with Set5 and Set14")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    network, _ = weights.load(find(arguments.model), system="imagine/srgan")
    for name in SETS:
        for views in arguments.views:
            found = measure(network, arguments.data / name, views=views, bf16=arguments.bf16)
            gain = found["psnr"] - found["bicubic_psnr"]
            print(
                f"{name:<6} views {views}  PSNR {found['psnr']:.2f} dB  SSIM {found['ssim']:.4f}   "
                f"bicubic {found['bicubic_psnr']:.2f} dB  {found['bicubic_ssim']:.4f}   gain {gain:+.2f} dB",
                flush=True,
            )


if __name__ == "__main__":
    main()
