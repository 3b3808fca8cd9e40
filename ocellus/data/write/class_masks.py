"""Label maps as pictures: images/, masks/ with an 8-bit PNG each, and classes.txt of numbers and names.

A pixel holds the index of its class, or 255 where nothing is annotated. Where the classes have colours, the
PNGs have them as their palette, and come back with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ocellus.data.class_lists import Listed, ignored, parse
from ocellus.data.dataset import Finding
from ocellus.data.label_maps import MOST_CLASSES
from ocellus.data.masks_png import write_ids
from ocellus.data.write.files import Losses, Names, place_picture, write_text
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.values.segmentation import IGNORED, Color, Segmentation


def write(
    items: Iterable[tuple[str, Segmentation]],
    folder: Path,
    *,
    labels: LabelMap,
    colors: Sequence[Color] = (),
) -> tuple[Finding, ...]:
    """Writes masks/ and classes.txt, and images/ where pictures come along.

    Args:
        items: pictures' names, "train/0001.jpg", and the class of each pixel.
        folder: to write to.
        labels: the class names.
        colors: of each class, for the palette; () for none.

    Raises:
        OcellusError: a label without a name, a name that no list of classes can hold, or a file that cannot
            be written.
    """
    if len(labels) > MOST_CLASSES:
        raise OcellusError(f"label maps tell at most {MOST_CLASSES} classes apart, not {len(labels)}")
    if colors and len(colors) != len(labels):
        raise OcellusError(f"{len(colors)} colours for {len(labels)} classes; give one each, or none")
    lines = [f"{number} {name}" for number, name in enumerate(labels)]
    for number, name in enumerate(labels):
        if ignored(name) or parse(lines[number]) != Listed(name, number):
            raise OcellusError(f"a list of classes cannot hold the name {name!r}; rename the class")
    write_text(folder / "classes.txt", "".join(f"{line}\n" for line in lines))
    names, losses = Names(), Losses()
    for name, found in items:
        names.add(name)
        array = found.labels.cpu().numpy()
        beyond = sorted(set(np.unique(array).tolist()) - {*range(len(labels)), IGNORED})
        if beyond:
            raise OcellusError(f"{name} has the label {beyond[0]}, and there are {len(labels)} class names")
        place_picture(found, folder / "images" / name)
        losses.add("confidence-not-held", name, int(found.confidence is not None))
        write_ids(array, folder / "masks" / PurePosixPath(name).with_suffix(".png"), colors=colors)
    return losses.findings(folder)
