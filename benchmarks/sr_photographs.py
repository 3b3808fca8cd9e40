"""Gather the photographs that super-resolution is trained on, from several data sets, into one folder.

    python -m benchmarks.sr_photographs ../shared/data runs/sr-photographs

Taken are whole photographs of 250 pixels a side or more, of coco, imagenet, portrait and fruits: 513. Left
out are video frames that are nearly alike (camvid, davis), crops of faces and strong JPEGs (faces68,
deepfake, pose), paintings (styles), facades, and of course Set5 and Set14, which are for measuring. The
photographs are JPEGs of quality 90: training makes them half as large first. Every 25th, in the order of
names, is for validation. With --in-colour grey photographs are left out, for training to colour;
--without imagenet leaves out those that benchmarks.colorize measures with.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ocellus.data.dataset import Record
from ocellus.data.folders import pictures_under
from ocellus.data.images import picture_size
from ocellus.imagine.colorize.recipe import is_grey

FOLDERS = ("coco/images", "imagenet/images", "portrait/images", "fruits/images")
LEAST = 250
EVERY = 25


def gather(data: Path, out: Path, *, in_colour: bool = False, without: str = "") -> dict[str, int]:
    """Copy the photographs to `out`/train and `out`/val; how many went to each."""
    found = [
        (f"{folder.split('/')[0]}-{file.name}", file)
        for folder in FOLDERS
        if folder.split("/")[0] != without
        for file in pictures_under(data / folder)
    ]
    kept = [(name, file) for name, file in sorted(found) if min(picture_size(file)) >= LEAST]
    if in_colour:
        kept = [(name, file) for name, file in kept if not is_grey(Record(image=file, name=name))]
    counts = {"train": 0, "val": 0}
    for number, (name, file) in enumerate(kept):
        split = "val" if number % EVERY == 0 else "train"
        (out / split).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, out / split / name)
        counts[split] += 1
    return counts


def main() -> None:
    """Gather, and say how many there are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--in-colour", action="store_true")
    parser.add_argument("--without", default="", help="a data set that is left out, like imagenet")
    arguments = parser.parse_args()
    counts = gather(arguments.data, arguments.out, in_colour=arguments.in_colour, without=arguments.without)
    print(f"{arguments.out}: {counts['train']} photographs to train on, {counts['val']} for validation")


if __name__ == "__main__":
    main()
