"""Draw what colorization makes of grey photographs: `python docs/build_colours.py runs/colours`.

The networks are those of benchmarks.colorize; the photographs come with scikit-image: the cat and the coffee
are CC0, the astronaut is in the public domain.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skimage import data, transform

import ocellus
from ocellus.data.images import to_picture, write_picture
from ocellus.draw.sheet import draw_sheet
from ocellus.values import Picture

RUNS = {
    "313 colours": "313-colours",
    "not rebalanced": "not-rebalanced",
    "L1": "L1",
    "L1 and adversary": "L1-and-adversary",
}


def grey(picture: Picture) -> Picture:
    """The picture without its colours."""
    light = picture.pixels.float().mean(dim=0, keepdim=True)
    return Picture(pixels=light.round().byte().expand(3, -1, -1).contiguous())


def main() -> None:
    """Draw docs/pictures/colours.jpg."""
    folder = Path(sys.argv[1])
    models = {title: ocellus.load(str(folder / run)) for title, run in RUNS.items()}
    cells, captions = [], []
    for photograph in (data.astronaut(), data.chelsea(), data.coffee()):
        height = 256 * photograph.shape[0] // photograph.shape[1]
        small = transform.resize(photograph, (height, 256), anti_aliasing=True)
        truth = to_picture((small * 255).round().astype("uint8"))
        given = grey(truth)
        cells += [given, *(model(given) for model in models.values()), truth]
        captions += ["given", *models, "truth"]
    sheet = draw_sheet(cells, columns=2 + len(models), captions=captions, cell_width=150)
    write_picture(sheet, Path(__file__).parent / "pictures" / "colours.jpg")


if __name__ == "__main__":
    main()
