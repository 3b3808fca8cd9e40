"""Masks brought to the picture's size and into COCO's run lengths: `python -m benchmarks.paste [--turns N]`.

Setting: 100 instances in a picture of 1280 x 960, masks of 28 x 28, boxes with sides log-uniform from 32 to
640 pixels. The peer is torchvision's `paste_masks_in_image`, the threshold, and pycocotools' `encode`; ours
ends with the same compressed bytes.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.models.detection.roi_heads import paste_masks_in_image

from benchmarks.timing import compare
from ocellus.nn.paste import paste_masks

HEIGHT, WIDTH, INSTANCES = 960, 1280, 100


def make_instances() -> tuple[Tensor, Tensor]:
    """(N, M, M) probabilities of smooth blobs, (N, 4) boxes."""
    noise = torch.randn(INSTANCES, 1, 5, 5)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    disc = 4 * (1 - x * x - y * y)
    probabilities = (interpolate(noise, size=(28, 28), mode="bicubic")[:, 0] + disc).sigmoid()
    sides = 32 * 20 ** torch.rand(INSTANCES, 2)
    corners = torch.rand(INSTANCES, 2) * (torch.tensor([WIDTH, HEIGHT]) - sides)
    return probabilities, torch.cat([corners, corners + sides], 1)


def ours(probabilities: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    return paste_masks(probabilities, boxes, (HEIGHT, WIDTH)).to_coco()


def peer(probabilities: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    dense = paste_masks_in_image(probabilities[:, None], boxes, (HEIGHT, WIDTH))[:, 0] >= 0.5
    return [coco.encode(np.asfortranarray(mask)) for mask in dense.numpy().view(np.uint8)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="pairs of runs that count")
    turns = parser.parse_args().turns
    torch.manual_seed(0)
    given = make_instances()
    same = sum(a["counts"] == b["counts"] for a, b in zip(ours(*given), peer(*given), strict=True))
    ratio = compare(lambda: ours(*given), lambda: peer(*given), turns=turns)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; against torchvision + pycocotools")
    print(f"paste + encode {ratio}   {same} of {INSTANCES} masks equal")


if __name__ == "__main__":
    main()
