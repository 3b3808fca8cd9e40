"""Scenes as a data set on disk, in COCO's format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.data.synthetic.scene import CLASSES, scene
from ocellus.data.write import coco
from ocellus.labels import LabelMap
from ocellus.values import Instances


def write_scenes(
    folder: Path, *, count: int, held_out: int, seed: int = 0, size: tuple[int, int] = (256, 256)
) -> Dataset:
    """Draw scenes, write them with their masks, and read them back.

    Args:
        folder: gets images/ and annotations/.
        count: scenes to train on.
        held_out: scenes to validate on, none of which is among the others.
        seed: the same seed gives the same scenes.
        size: (H, W) of the pictures.

    Returns:
        The data set, with the splits train and val.

    Raises:
        OcellusError: the folder cannot be written to.
    """

    def items() -> Iterator[tuple[str, Instances]]:
        for split, indices in (("val", range(held_out)), ("train", range(held_out, held_out + count))):
            for index in indices:
                yield f"{split}/{index:05d}.jpg", scene(seed, index, size=size)

    coco.write(items(), folder, labels=LabelMap(CLASSES))
    return read(folder)
