"""Pictures and label maps of the same names: folders images and masks, or folders train and train_labels.

A label map's pixels are numbers (or a palette's indices), black and white, or colours. What they mean is
found by `ocellus.data.class_keys` from the lists beside them:

- a list of names (classes.txt): line i is number i, from 0 on; or each line has its number; a list of one
  name means background and that;
- a list of names with colours (label_colors.txt, class_dict.csv, labelmap.txt): pixels are those colours;
- no list: 0 is background, and 1 or 255 foreground.

255 is ignored unless it is the only number beside 0, and so are classes named ignore, void or unlabelled.
Numbers from 1000 on are objects, class * 1000 + object, where the masks' names end in `_instanceIds`;
elsewhere they are classes like all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ocellus.data.class_keys import classes_of
from ocellus.data.class_lists import find_lists
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import IMAGE_FOLDERS, Finder, pictures_under, relative_name
from ocellus.data.id_masks import MASK_FOLDERS as ID_FOLDERS
from ocellus.data.label_maps import OBJECTS, LabelFile
from ocellus.data.split_lists import with_listed_split
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

MASK_FOLDERS = (*ID_FOLDERS, "SegmentationClass", "Masks", "segmentation", "labels_png", "label_maps")
BESIDE = ("_labels", "_label", "_masks", "_mask", "_gt", "_annot", "annot", "_seg")
ENDINGS = ("", "_mask", "_ids", "_L", "_P", "_label", "_labels", "_gt", "_seg", "_segmentation", OBJECTS)
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")  # JPEGs are found to be refused
LOOKED_AT = 50


def matches(path: Path) -> bool:
    """Whether a folder holds pictures and masks of the same names."""
    if path.is_file():
        return False
    return any(
        mask_of(Finder([masks]), image, images)
        for images, masks in folder_pairs(path)
        for image in pictures_under(images)[:LOOKED_AT]
    )


def read(path: Path) -> Dataset:
    """A data set from the folder that holds both.

    Raises:
        OcellusError: no picture has a mask, or nothing says what its values mean.
    """
    findings: list[Finding] = []
    found: list[tuple[str, Path, Path]] = []  # split, picture, mask
    pairs = folder_pairs(path)
    for images, masks in pairs:
        finder = Finder([masks])
        used = set()
        for image in pictures_under(images):
            mask = mask_of(finder, image, images)
            if mask is None:
                findings.append(finding("label-map-missing", image))
                continue
            used.add(mask)
            words = [split_of(part) for part in image.relative_to(path).parts[:-1]]
            found.append((next((word for word in words if word), WHOLE), image, mask))
        lost = [mask for mask in pictures_under(masks) if mask not in used]
        findings += [finding("label-map-unused", mask) for mask in lost]
    if not found:
        raise OcellusError(
            f"{path} has no picture with a mask of its name; wanted are images/a.jpg, masks/a.png"
        )
    classes = classes_of(
        path, [mask for _, _, mask in found], find_lists([path, *dict.fromkeys(masks for _, masks in pairs)])
    )
    splits: dict[str, list[Record]] = {}
    for split, image, mask in found:
        record = Record(
            image=image,
            name=relative_name(image, path),
            source=str(mask),
            label_map=LabelFile(mask, classes.key),
        )
        splits.setdefault(split, []).append(record)
    return with_listed_split(
        Dataset(
            root=path,
            format="class_masks",
            labels=LabelMap(classes.names),
            splits=joined(splits),
            findings=tuple(findings),
            label_ids=classes.numbers,
            colors=classes.colors,
        )
    )


def joined(splits: dict[str, list[Record]]) -> dict[str, tuple[Record, ...]]:
    """The splits that folders name; all as one where some pictures are in none."""
    if WHOLE in splits:
        return {WHOLE: tuple(record for held in splits.values() for record in held)}
    return {name: tuple(held) for name, held in splits.items()}


def folder_pairs(root: Path) -> list[tuple[Path, Path]]:
    """(folder of pictures, folder of masks): at the root, in the folder of each split, or side by side."""
    if not root.is_dir():
        return []
    inside = sorted(place for place in root.iterdir() if place.is_dir())
    pairs = []
    for place in (root, *(place for place in inside if split_of(place.name))):
        images = _first(place, IMAGE_FOLDERS)
        masks = _first(place, MASK_FOLDERS)
        if images and masks:
            pairs.append((images, masks))
    return pairs or list(_beside(inside))


def _first(place: Path, names: Sequence[str]) -> Path | None:
    return next((folder for name in names if (folder := place / name).is_dir()), None)


def _beside(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    known = {folder.name: folder for folder in folders}
    for folder in folders:
        if split_of(folder.name):
            masks = next((known[folder.name + end] for end in BESIDE if folder.name + end in known), None)
            if masks:
                yield folder, masks


def mask_of(finder: Finder, image: Path, images: Path) -> Path | None:
    """The mask of a picture below a folder of pictures, or None."""
    stem = image.relative_to(images).with_suffix("").as_posix()
    for ending in ENDINGS:
        if found := finder.find_stem(stem + ending, SUFFIXES):
            return found
    return None
