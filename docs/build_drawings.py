"""Draw what the shipped conditional GAN draws: `python docs/build_drawings.py`.

A row of samples for each class, and a row in which one drawing turns from a cat into a train.
"""

from __future__ import annotations

from pathlib import Path

import ocellus
from ocellus import catalog
from ocellus.data.images import write_picture
from ocellus.draw.sheet import draw_sheet
from ocellus.values import Picture

COLUMNS = 12
TRUNCATION = 1.4


def main() -> None:
    """Draw docs/pictures/drawings.png."""
    model = ocellus.load("imagine/conditional_gan")
    options = catalog.system("imagine/conditional_gan").Run
    plain = options(count=COLUMNS, truncation=TRUNCATION)
    between = options(count=COLUMNS, truncation=TRUNCATION, interpolate="class", toward="train")
    rows = [model(name, options=plain) for name in model.header.labels] + [model("cat", options=between)]
    on_paper = [Picture(pixels=255 - picture.pixels) for row in rows for picture in row]
    sheet = draw_sheet(on_paper, columns=COLUMNS, cell_width=56, gap=4)
    write_picture(sheet, Path(__file__).parent / "pictures" / "drawings.png")


if __name__ == "__main__":
    main()
