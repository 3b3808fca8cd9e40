"""People with masks for a portrait network: the portraits, and people of COCO to train on besides.

    python -m benchmarks.people ../shared/data runs/people

Writes a folder of pictures and masks (0 background, 1 person, 255 a crowd) with train.txt and val.txt: the
validation split is the portraits' own. Pictures of COCO in which people are less than a fiftieth are left
out.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

LEAST = 0.02
"""Share of a picture that people are, at the least."""


def main() -> None:
    """Copy the portraits, add COCO's people to the training split, and say how many."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path, help="the folder with portrait and coco in it")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.out.exists():
        raise OcellusError(f"{arguments.out} is there already: name another folder", exit_code=2)
    shutil.copytree(arguments.shared / "portrait", arguments.out)
    (arguments.out / "classes.txt").write_text("background\nperson\n", encoding="utf-8")
    added = add_people(arguments.shared / "coco", arguments.out)
    listed = (arguments.out / "train.txt").read_text(encoding="utf-8").split()
    (arguments.out / "train.txt").write_text("\n".join([*listed, *added]) + "\n", encoding="utf-8")
    print(f"{arguments.out}: {len(listed)} portraits and {len(added)} pictures of COCO to train on")


def add_people(coco: Path, folder: Path) -> list[str]:
    """Write COCO's pictures of people and their masks to a folder; their names."""
    dataset = read(coco, view="classes")
    person = dataset.labels.names.index("person")
    names = []
    for _, record in dataset.records():
        assert record.label_map is not None
        labels = record.label_map()
        if (labels == person).mean() < LEAST:
            continue
        mask = np.where(labels == IGNORED, IGNORED, labels == person).astype(np.uint8)
        name = f"coco_{record.image.stem}"
        shutil.copy(record.image, folder / "images" / f"{name}{record.image.suffix}")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        names.append(name)
    return names


if __name__ == "__main__":
    main()
