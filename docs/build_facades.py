"""Draw what pix2pix and CycleGAN make of fronts of houses.

The label maps are drawn here, in the colours of the CMP facades; no picture of that set is in the answers.

    python docs/build_facades.py losses runs/pix2pix-losses    # L1, GAN, both: benchmarks.pix2pix_losses
    python docs/build_facades.py cycle runs/cyclegan-cycle     # there and back: benchmarks.cyclegan_cycle
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import ocellus
from ocellus import catalog
from ocellus.data.images import write_picture
from ocellus.draw.sheet import draw_sheet
from ocellus.values import Picture

SIDE = 256
COLOURS = {
    "sky": (0, 0, 220),
    "wall": (0, 48, 255),
    "window": (0, 128, 255),
    "door": (0, 208, 255),
    "sill": (32, 255, 224),
    "blind": (255, 240, 0),
    "ornament": (255, 160, 0),
    "cornice": (255, 80, 0),
    "shop": (176, 0, 0),
}
"""Of the CMP facades' label maps."""
OUT = Path(__file__).parent / "pictures"


class House:
    """A label map of a front, painted rectangle by rectangle; lengths are in pixels of 256."""

    def __init__(self) -> None:
        self.pixels = torch.empty(3, SIDE, SIDE, dtype=torch.uint8)
        self.box("sky", 0, 0, SIDE, SIDE)

    def box(self, what: str, left: int, top: int, width: int, height: int) -> None:
        """Paint a part."""
        color = torch.tensor(COLOURS[what], dtype=torch.uint8)[:, None, None]
        self.pixels[:, top : top + height, left : left + width] = color

    def windows(
        self, lefts: Sequence[int], tops: Sequence[int], *, width: int, height: int, blinds: bool = False
    ) -> None:
        """Rows and columns of windows, each with a sill, and with blinds or an ornament above."""
        for top in tops:
            for left in lefts:
                self.box("window", left, top, width, height)
                self.box("sill", left - 3, top + height, width + 6, 5)
                if blinds:
                    self.box("blind", left - 9, top, 9, height)
                    self.box("blind", left + width, top, 9, height)
                else:
                    self.box("ornament", left - 2, top - 7, width + 4, 5)


def houses() -> list[Picture]:
    """Three fronts: with blinds, with shops, and a tall one."""
    first, second, third = House(), House(), House()
    first.box("wall", 12, 40, 232, 206)
    first.box("cornice", 8, 36, 240, 12)
    first.windows((36, 92, 148, 204), (64, 122), width=22, height=34, blinds=True)
    first.windows((36, 92, 204), (182,), width=22, height=34, blinds=True)
    first.box("door", 146, 184, 28, 60)
    second.box("wall", 0, 24, 256, 222)
    second.box("cornice", 0, 20, 256, 10)
    second.windows((22, 68, 114, 160, 206), (46, 100), width=26, height=34)
    second.box("cornice", 0, 152, 256, 8)
    second.box("shop", 14, 172, 92, 70)
    second.box("shop", 150, 172, 92, 70)
    second.box("door", 114, 180, 28, 64)
    third.box("wall", 40, 10, 176, 240)
    third.box("cornice", 36, 8, 184, 10)
    third.windows((62, 116, 170), (36, 84, 132), width=24, height=30)
    third.box("cornice", 40, 178, 176, 8)
    third.windows((62, 170), (196,), width=24, height=34)
    third.box("door", 114, 196, 28, 54)
    return [Picture(pixels=house.pixels) for house in (first, second, third)]


def losses(folder: Path) -> None:
    """Draw a row for each front: the label map, and what the network of each loss makes of it."""
    runs = {"L1": "l1-0", "GAN": "gan-0", "L1 and GAN": "both-0"}
    models = {title: ocellus.load(str(folder / run)) for title, run in runs.items()}
    fronts = houses()
    cells = [cell for front in fronts for cell in (front, *(model(front) for model in models.values()))]
    captions = ["label map", *models] * len(fronts)
    sheet = draw_sheet(cells, columns=1 + len(models), captions=captions, cell_width=200)
    write_picture(sheet, OUT / "pix2pix-losses.jpg")


def cycle(folder: Path) -> None:
    """Draw the ways from label map to photograph and back, with the cycle loss and without."""
    options = catalog.system("imagine/cyclegan").Run
    cells, captions = [], []
    for kind in ("with", "without"):
        model = ocellus.load(str(folder / kind))
        for front in houses()[:2]:
            made = model(front, options=options(direction="backward"))
            again = model(made, options=options(direction="forward"))
            cells += [front, made, again]
            captions += ["label map", f"{kind} the cycle loss", "and back"]
    write_picture(draw_sheet(cells, columns=6, captions=captions, cell_width=150), OUT / "cycle.jpg")


def main() -> None:
    """Draw what is asked for into docs/pictures."""
    what, folder = sys.argv[1:]
    if what == "cycle":
        cycle(Path(folder))
    else:
        losses(Path(folder))


if __name__ == "__main__":
    main()
