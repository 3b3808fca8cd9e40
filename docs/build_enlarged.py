"""Draw what super-resolution makes of photographs: `python docs/build_enlarged.py`.

Parts of photographs that come with scikit-image (CC0 and in the public domain) are made four times smaller as
MATLAB does it, and enlarged again: bicubic, by the shipped weights, and the truth.
"""

from __future__ import annotations

from pathlib import Path

import torch
from skimage import data
from torch import Tensor

import ocellus
from ocellus.data.bicubic import low_resolution, resize_bicubic
from ocellus.data.images import write_picture
from ocellus.draw.sheet import draw_sheet
from ocellus.metrics.image_quality import psnr
from ocellus.values import Picture

FACTOR, SIDE = 4, 192
PARTS = {"astronaut": (40, 140), "chelsea": (30, 100), "coffee": (140, 260)}
"""Photographs of scikit-image, and the top left corner of the part that is shown."""


def picture(image: Tensor) -> Picture:
    """Of (3, H, W) in [0, 1]."""
    return Picture(pixels=(image.clamp(0, 1) * 255).round().byte().contiguous())


def main() -> None:
    """Draw docs/pictures/super-resolution.png."""
    model = ocellus.load("imagine/srgan")
    cells, captions = [], []
    for name, (top, left) in PARTS.items():
        photograph = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1).float() / 255
        height, width = (side - side % FACTOR for side in photograph.shape[1:])
        truth = photograph[:, :height, :width]
        small = low_resolution(truth, FACTOR)
        answers = {
            "small": small.repeat_interleave(FACTOR, 1).repeat_interleave(FACTOR, 2),
            "bicubic": resize_bicubic(small, FACTOR),
            "SRResNet, absolute error": model(picture(small)).floats(),
            "truth": truth,
        }
        for title, image in answers.items():
            cells.append(picture(image[:, top : top + SIDE, left : left + SIDE]))
            known = title in ("small", "truth")
            quality = psnr(picture(image).floats(), truth, crop=FACTOR, luma=True)
            captions.append(title if known else f"{title}, {quality:.1f} dB")
    sheet = draw_sheet(cells, columns=len(cells) // len(PARTS), captions=captions, cell_width=SIDE)
    write_picture(sheet, Path(__file__).parent / "pictures" / "super-resolution.jpg")


if __name__ == "__main__":
    main()
