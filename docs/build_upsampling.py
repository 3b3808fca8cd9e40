"""Draw the figures of docs/guides/upsampling.md from the layers: `python docs/build_upsampling.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.draw.figures import figure_style
from ocellus.nn.summary import summarize
from ocellus.nn.upsampling import Upsampling
from ocellus.see import unet

PICTURES = Path(__file__).parent / "pictures"


def interpolate(features: Tensor, factor: int) -> Tensor:
    """Bilinear interpolation of (1, 1, H, W), cell centres at halves."""
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)


def draw_numbers() -> Figure:
    """Left three samples become nine; right a 3 x 3 map becomes 9 x 9, every number written down."""
    figure = Figure(figsize=(10.5, 4.6))
    line, small, large = figure.subplots(1, 3, width_ratios=(1.1, 0.5, 1.2))
    samples = torch.tensor([0.0, 3.0, 6.0])
    finer = F.interpolate(samples[None, None], scale_factor=3, mode="linear", align_corners=False)[0, 0]
    line.plot([0.5, 1.5, 2.5], samples, "o", ms=11, label="3 samples")
    line.plot((np.arange(9) + 0.5) / 3, finer, ".", ms=9, label="9 samples between them")
    line.set_title("1-D: new values lie on lines between old")
    line.legend()
    coarse = torch.tensor([[0.0, 3.0, 6.0], [9.0, 12.0, 15.0], [18.0, 21.0, 24.0]])
    write_numbers(small, coarse, "3 x 3")
    write_numbers(
        large, interpolate(coarse[None, None], 3)[0, 0], "bilinear, 9 x 9: more pixels, no more detail"
    )
    return figure


def write_numbers(axes: Any, values: Tensor, title: str) -> None:
    axes.imshow(values, cmap="Blues", vmin=-4, vmax=34)
    for (row, column), value in np.ndenumerate(values.numpy()):
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9)
    axes.set_title(title)
    axes.set_axis_off()


def draw_checkerboard() -> Figure:
    """What ways of enlarging by 2 make of a constant map and of a photograph before anything is learned."""
    torch.manual_seed(0)
    photograph = torch.from_numpy(data.camera()[96:224:2, 176:304:2].astype(np.float32) / 255)[None, None]
    uneven = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
    nn.init.constant_(uneven.weight, 4 / 9)
    fresh = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)
    nn.init.uniform_(fresh.weight, 0.05, 0.45)
    shuffle = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.PixelShuffle(2))
    nn.init.uniform_(shuffle[0].weight, 0.02, 0.2)
    bilinear = Upsampling(1, 2, learned=False)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
        "transposed convolution\nfixed as bilinear (FCN)": lambda x: bilinear(x)[..., 1:-1, 1:-1],
        "transposed, 3 x 3 of equal\nweights: uneven overlap": uneven,
        "transposed, 4 x 4\nof random weights": fresh,
        "convolution and pixel\nshuffle, random weights": shuffle,
    }
    figure = Figure(figsize=(12, 5.4))
    axes = figure.subplots(2, len(ways))
    for column, (name, enlarge) in enumerate(ways.items()):
        with torch.no_grad():
            flat, seen = enlarge(torch.ones(1, 1, 12, 12))[0, 0], enlarge(photograph)[0, 0]
        spread = float(flat[2:-2, 2:-2].std() / flat[2:-2, 2:-2].mean())
        axes[0, column].imshow(flat[2:-2, 2:-2], cmap="gray", vmin=0, vmax=2 * float(flat.mean()))
        axes[0, column].set_title(f"{name}\nspread {spread:.0%}", fontsize=9)
        axes[1, column].imshow(seen[24:104, 24:104], cmap="gray")
    for one in axes.flat:
        one.set_axis_off()
    return figure


def draw_detail() -> Figure:
    """A photograph, made smaller by 8 and enlarged again; the share of each frequency that is left."""
    photograph = torch.from_numpy(data.camera().astype(np.float32) / 255)[None, None]
    small = F.interpolate(photograph, scale_factor=1 / 8, mode="bilinear", antialias=True)
    back = interpolate(small, 8)
    figure = Figure(figsize=(11, 3.6))
    views = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.35))
    for axes, picture, title in zip(
        views,
        (photograph[0, 0], small[0, 0], back[0, 0]),
        ("512 x 512", "64 x 64", "enlarged to 512 x 512"),
        strict=False,
    ):
        axes.imshow(picture[..., :, :], cmap="gray", vmin=0, vmax=1)
        axes.set_title(title)
        axes.set_axis_off()
    for picture, name in ((photograph[0, 0], "photograph"), (back[0, 0], "enlarged")):
        views[3].semilogy(*spectrum(picture), label=name)
    views[3].axvline(1 / 16, color="0.6", ls=":", label="finest that 64 pixels hold")
    views[3].set_xlabel("cycles a pixel")
    views[3].set_title("strength of detail")
    views[3].legend(fontsize=8)
    return figure


def spectrum(picture: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean magnitude of the Fourier transform over rings of frequency."""
    window = torch.hann_window(picture.shape[0])
    strength = torch.fft.fft2(picture * window * window[:, None]).abs().numpy()
    rows = np.fft.fftfreq(picture.shape[0])
    radius = np.hypot(rows[:, None], rows)
    edges = np.linspace(0, 0.5, 65)
    ring = np.digitize(radius.ravel(), edges)
    means = np.bincount(ring, strength.ravel(), 66)[1:65] / np.maximum(
        np.bincount(ring, minlength=66)[1:65], 1
    )
    return (edges[:-1] + edges[1:]) / 2, means


def draw_cost() -> Figure:
    """Multiply-adds and features of the U-Net, and of its convolutions if none left full resolution."""
    side = 128
    network = unet.build(replace(unet.PAPER, valid=False, width=32)).eval()
    layers = [layer for layer in summarize(network, torch.rand(1, 3, side, side)) if layer.multiply_adds]
    names = [layer.name for layer in layers]
    work, full, kept, kept_full = 0.0, 0.0, 0.0, 0.0
    for layer in layers:
        if any(name.startswith(f"{layer.name}.") or not layer.name for name in names if name != layer.name):
            continue  # only the innermost modules
        _, channels, height, width = (int(part) for part in re.findall(r"\d+", layer.output))
        larger = (side / height) * (side / width)
        work += layer.multiply_adds
        full += layer.multiply_adds * larger
        kept += channels * height * width
        kept_full += channels * side * side
    figure = Figure(figsize=(9.5, 2.6))
    for axes, pair, title, unit in zip(
        figure.subplots(1, 2),
        ((work / 1e9, full / 1e9), (4 * kept / 2**20, 4 * kept_full / 2**20)),
        ("multiply-adds", "features"),
        ("billion", "MiB"),
        strict=True,
    ):
        bars = axes.barh(["U-Net", "all at full\nresolution"], pair)
        axes.bar_label(bars, [f"{value:,.1f} {unit}" for value in pair], padding=3)
        axes.set_xlim(0, 1.4 * pair[1])
        axes.set_title(f"{title}, {side} x {side}: {pair[1] / pair[0]:.0f} x")
        axes.invert_yaxis()
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "upsampling-numbers": draw_numbers,
    "upsampling-checkerboard": draw_checkerboard,
    "upsampling-detail": draw_detail,
    "upsampling-cost": draw_cost,
}


def main() -> None:
    """Draw all of them."""
    for name, draw in FIGURES.items():
        with figure_style():
            draw().savefig(PICTURES / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
