"""COCO's panoptic format: PNGs whose colours number segments, and a JSON that gives each segment its class.

Segment id = red + 256 green + 65536 blue; 0 is ignored. Source: cocodataset.org, "Data format", panoptic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from ocellus.data.class_lists import Color
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, relative_name
from ocellus.data.label_maps import MOST_CLASSES, UNKNOWN, Survey, told
from ocellus.data.masks_png import read_colors
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.values.segmentation import IGNORED

WANTED = "wanted is COCO's panoptic JSON with images, categories, and annotations with segments_info"


@dataclass(frozen=True)
class PanopticFile:
    """The label map of one PNG of segments.

    Args:
        path: the PNG.
        segments: (segment id, label) pairs; 254 where the segment's category is not defined.
        names: of the classes, for what is shown.
    """

    path: Path
    segments: tuple[tuple[int, int], ...]
    names: tuple[str, ...]

    def __call__(self) -> NDArray[uint8]:
        """(H, W) classes; 255 where no segment is.

        Raises:
            OcellusError: the file cannot be read, or holds a segment that the JSON does not list.
        """
        ids = self._ids()
        labels = self._labels(ids)
        if (labels == UNKNOWN).any():
            found, counts = np.unique(ids[labels == UNKNOWN], return_counts=True)
            listed = told([str(one) for one in found.tolist()], counts.tolist())
            raise OcellusError(f"{self.path} holds {listed}, of no segment and category in the JSON; mend it")
        return labels

    def survey(self) -> Survey:
        """The map, and which classes and unlisted segments occur.

        Raises:
            OcellusError: the file cannot be read.
        """
        ids = self._ids()
        labels = self._labels(ids)
        counts = np.bincount(labels.reshape(-1), minlength=IGNORED + 1)
        rows = [(name, label, int(counts[label])) for label, name in enumerate(self.names) if counts[label]]
        if counts[IGNORED]:
            rows.append(("no segment", IGNORED, int(counts[IGNORED])))
        if counts[UNKNOWN]:
            found, pixels = np.unique(ids[labels == UNKNOWN], return_counts=True)
            pairs = zip(found.tolist(), pixels.tolist(), strict=True)
            rows += [(f"segment {one}", UNKNOWN, count) for one, count in pairs]
        return Survey(labels, tuple(rows))

    def _ids(self) -> NDArray[np.uint32]:
        packed = read_colors(self.path)  # red is the highest byte there, the lowest here
        low, middle, high = np.uint32(0xFF), np.uint32(0xFF00), np.uint32(16)
        ids: NDArray[np.uint32] = (packed >> high) | (packed & middle) | ((packed & low) << high)
        return ids

    def _labels(self, ids: NDArray[np.uint32]) -> NDArray[uint8]:
        pairs = sorted({0: IGNORED, **dict(self.segments)}.items())
        known = np.array([one for one, _ in pairs], np.uint32)
        labels = np.array([label for _, label in pairs], uint8)
        place = np.searchsorted(known, ids).clip(0, len(known) - 1)
        return np.where(known[place] == ids, labels[place], uint8(UNKNOWN))


def matches(path: Path) -> bool:
    """Whether a file, or a folder by the files in it, is of panoptic annotations."""
    return bool(_files(path))


def read(path: Path) -> Dataset:
    """A data set from one JSON, or from those of all splits in a folder.

    Raises:
        OcellusError: broken JSON, or not of this form.
    """
    files = _files(path)
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    pages = {file: _page(file) for file in files}
    categories: dict[int, dict[str, Any]] = {}
    for page in pages.values():
        categories |= {int(one["id"]): one for one in page["categories"]}
    if not 0 < len(categories) <= MOST_CLASSES:
        raise OcellusError(
            f"{path} has {len(categories)} categories; label maps tell 1 to {MOST_CLASSES} apart"
        )
    order = sorted(categories)
    names = tuple(str(categories[number]["name"]) for number in order)
    labels = {number: label for label, number in enumerate(order)}
    findings: list[Finding] = []
    splits: dict[str, tuple[Record, ...]] = {}
    for file, page in pages.items():
        split = split_of(file.stem) or split_of(file.parent.name) or WHOLE
        records = _records(file, page, root, labels=labels, names=names, findings=findings)
        splits[split] = (*splits.get(split, ()), *records)
    if list(splits) == ["val"] and path.is_file():
        splits = {WHOLE: splits["val"]}
    colors = tuple(_color(categories[number].get("color")) for number in order)
    return Dataset(
        root=root,
        format="panoptic",
        labels=LabelMap(names),
        splits=splits,
        findings=tuple(findings),
        label_ids=tuple(order),
        colors=tuple(one for one in colors if one is not None) if all(colors) else (),
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and _is_panoptic(path) else []
    found = [*path.glob("annotations/*.json"), *path.glob("*.json")]
    return sorted(file for file in found if "panoptic" in file.stem and _is_panoptic(file))


def _is_panoptic(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(1 << 20)
        stream.seek(max(file.stat().st_size - (1 << 20), 0))
        return b'"segments_info"' in head or b'"segments_info"' in stream.read()


def _page(file: Path) -> dict[str, Any]:
    try:
        page = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        message = f"{file} is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg})"
        raise OcellusError(f"{message}; mend that place or export it again") from error
    if not isinstance(page, dict) or not all(
        isinstance(page.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise OcellusError(f"{file} is of another form; {WANTED}")
    return page


def _records(
    file: Path,
    page: dict[str, Any],
    root: Path,
    *,
    labels: dict[int, int],
    names: tuple[str, ...],
    findings: list[Finding],
) -> list[Record]:
    stem = file.stem.removeprefix("panoptic_")
    places = [root / "images" / stem, root / stem, root / "images", root, root / "train", root / "val"]
    pictures, maps = Finder(places), Finder([file.with_suffix(""), root / file.stem, file.parent, root])
    images = {one.get("id"): one for one in page["images"]}
    records = []
    for place, one in enumerate(page["annotations"], 1):
        image = images.get(one.get("image_id"))
        name = image.get("file_name") if image else None
        if image is None or not name or not isinstance(one.get("segments_info"), list):
            findings.append(finding("annotation-orphan", file, where=f"annotation {place} of the file"))
            continue
        mask = maps.find(str(one.get("file_name", ""))) or file.with_suffix("") / str(one.get("file_name"))
        found = pictures.find(name) or places[2] / name
        segments = tuple(
            (int(part["id"]), labels.get(int(part["category_id"]), UNKNOWN)) for part in one["segments_info"]
        )
        known = relative_name(found, root) if found.is_relative_to(root) else str(name)
        key = image.get("id")
        records.append(
            Record(
                image=found,
                name=known,
                source=str(mask),
                image_id=key if isinstance(key, int) else None,
                label_map=PanopticFile(mask, segments, names),
            )
        )
    return records


def _color(value: object) -> Color | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    return int(value[0]), int(value[1]), int(value[2])
