"""Pascal VOC: boxes in Annotations/*.xml, masks in SegmentationObject/*.png, splits in ImageSets.

VOC's boxes count pixels from 1 and include the last one: xmin, xmax become xmin - 1, xmax. Value k of an
object mask is the k-th object of the XML; 255 is the border that belongs to none.
Source: Everingham 2010, "The Pascal Visual Object Classes (VOC) Challenge", development kit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from ocellus.data.dataset import Annotation, Dataset, Finding, Lazy, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, files_under, relative_name
from ocellus.data.masks_png import object_runs, read_ids
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

BORDER = 255
CORNERS = ("xmin", "ymin", "xmax", "ymax")
LISTED = re.compile(r"\s+-?[01]$")


class _Page(NamedTuple):
    """One XML file: what it says of its picture; class names are not labels yet."""

    path: Path
    filename: str
    size: tuple[int, int] | None
    objects: tuple[tuple[str, Annotation], ...]
    difficult: int


def matches(path: Path) -> bool:
    """Whether a file, or a folder by the files in it, is VOC's."""
    if path.is_file():
        return path.suffix.lower() == ".xml"
    return any((path / "Annotations").rglob("*.xml")) or any(path.glob("*.xml")) or any(path.glob("*/*.xml"))


def read(path: Path) -> Dataset:
    """A data set from a folder of VOC's form, a folder of XML files beside their pictures, or one XML file.

    Raises:
        OcellusError: no file can be read.
    """
    root = path.parent if path.is_file() else path
    home = root / "Annotations" if (root / "Annotations").is_dir() and path.is_dir() else root
    files = [path] if path.is_file() else files_under(home, ".xml")
    pages: list[_Page] = []
    findings: list[Finding] = []
    first: OcellusError | None = None
    for file in files:
        try:
            pages.append(_page(file))
        except OcellusError as error:
            first = first or error
            findings.append(finding("file-unreadable", file, detail=str(error)))
    if not pages:
        raise first or OcellusError(f"{root} holds no XML files; wanted is Annotations/*.xml")
    names = _names(root, pages)
    difficult = sum(page.difficult for page in pages)
    if difficult:
        findings.append(finding("difficult-kept", home, value=str(difficult)))
    stems = {file.relative_to(home).with_suffix("").as_posix(): place for place, file in enumerate(files)}
    order = {page.path: page for page in pages}
    records = {
        stem: _record(order[files[place]], root, home, names)
        for stem, place in stems.items()
        if files[place] in order
    }
    splits = _splits(root, records, findings) if path.is_dir() else {WHOLE: tuple(records.values())}
    return Dataset(root=root, format="voc", labels=LabelMap(names), splits=splits, findings=tuple(findings))


def _names(root: Path, pages: list[_Page]) -> tuple[str, ...]:
    """The classes of labels.txt in its order, then others that occur, sorted."""
    file = root / "labels.txt"
    lines = file.read_text(encoding="utf-8-sig").splitlines() if file.is_file() else []
    listed = dict.fromkeys(line.strip() for line in lines if line.strip())
    return tuple({**listed, **dict.fromkeys(sorted({n for page in pages for n, _ in page.objects} - {""}))})


def _page(path: Path) -> _Page:
    try:
        tree = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        line, column = error.position
        message = f"{path} is not valid XML at line {line}, column {column + 1} ({error.msg.split(':')[0]})"
        raise OcellusError(f"{message}; mend that place or export it again") from error
    except OSError as error:
        raise OcellusError(f"cannot read {path}: {error.strerror or error}; check its rights") from error
    if tree.tag != "annotation":
        raise OcellusError(f"{path} is XML, but begins with <{tree.tag}>; VOC's begins with <annotation>")
    height, width = (_number(tree.findtext(f"size/{side}")) for side in ("height", "width"))
    size = (int(height), int(width)) if height and width else None
    entries = tree.findall("object")
    objects = tuple(_object(entry, place, path) for place, entry in enumerate(entries, 1))
    difficult = sum(entry.findtext("difficult", "0").strip() == "1" for entry in entries)
    return _Page(path, (tree.findtext("filename") or "").strip(), size, objects, difficult)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _object(entry: ElementTree.Element, place: int, path: Path) -> tuple[str, Annotation]:
    where = f"object {place}"
    findings: list[Finding] = []
    name = (entry.findtext("name") or "").strip()
    if not name:
        findings.append(finding("label-unknown", path, where=where, detail="the object has no name"))
    texts = [entry.findtext(f"bndbox/{corner}") for corner in CORNERS]
    corners = [value for text in texts if (value := _number(text)) is not None]
    box = None
    if len(corners) == 4:
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
    else:
        detail = "bndbox is not four numbers xmin, ymin, xmax, ymax"
        found = finding("annotation-unreadable", path, where=where, value=str(texts), detail=detail)
        findings.append(found)
    return name, Annotation(label=-1, box=box, source=where, findings=tuple(findings))


def _record(page: _Page, root: Path, home: Path, names: tuple[str, ...]) -> Record:
    stem = page.path.relative_to(home).with_suffix("").as_posix()
    folders = [root / "JPEGImages", page.path.parent, root / "images", root]
    finder = Finder(folders)
    image = finder.find_stem(stem) or (finder.find(page.filename) if page.filename else None)
    image = image or folders[0 if folders[0].is_dir() else 1] / (page.filename or f"{stem}.jpg")
    boxes = tuple(replace(found, label=names.index(name) if name else -1) for name, found in page.objects)
    mask = root / "SegmentationObject" / f"{stem}.png"
    annotations: Sequence[Annotation] = boxes
    if mask.is_file():
        annotations = Lazy(partial(_with_masks, boxes, mask))
    return Record(
        image=image,
        name=relative_name(image, root),
        size=page.size,
        annotations=annotations,
        source=str(page.path),
    )


def _with_masks(boxes: tuple[Annotation, ...], mask: Path) -> tuple[Annotation, ...]:
    """The objects with the masks of the same number; a mask of no object is an object without a class."""
    ids = read_ids(mask)
    runs = object_runs(ids)
    size = (int(ids.shape[0]), int(ids.shape[1]))
    found = [
        replace(box, counts=runs.get(place), run_size=size if place in runs else None)
        for place, box in enumerate(boxes, 1)
    ]
    for value in sorted(set(runs) - set(range(1, len(boxes) + 1)) - {BORDER}):
        lost = finding("mask-value", mask, where=f"value {value}", value=str(value))
        source = f"value {value}"
        found.append(Annotation(label=-1, counts=runs[value], run_size=size, source=source, findings=(lost,)))
    return tuple(found)


def _splits(root: Path, records: dict[str, Record], findings: list[Finding]) -> dict[str, tuple[Record, ...]]:
    """ImageSets/Segmentation where there are object masks, else ImageSets/Main; else the folders' names."""
    kinds = ("Segmentation", "Main") if (root / "SegmentationObject").is_dir() else ("Main", "Segmentation")
    for kind in kinds:
        lists = {
            name: file
            for name in ("train", "val", "test", "trainval")
            if (file := root / "ImageSets" / kind / f"{name}.txt").is_file()
        }
        if "train" in lists or "trainval" in lists:
            break
    else:
        return _by_folder(records)
    if "train" in lists:
        lists.pop("trainval", None)
    elif "trainval" in lists:
        lists = {"train": lists.pop("trainval"), **lists}
    splits = {}
    for name, file in lists.items():
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        # A stem may have spaces; the lists of a class have "1" or "-1" behind it.
        stems = [line if line in records else LISTED.sub("", line) for line in lines]
        for stem in stems:
            if stem not in records:
                detail = "the list names it, but there is no XML"
                findings.append(finding("picture-unannotated", file, value=stem, detail=detail))
        splits[name] = tuple(records[stem] for stem in stems if stem in records)
    return splits


def _by_folder(records: dict[str, Record]) -> dict[str, tuple[Record, ...]]:
    splits: dict[str, list[Record]] = {}
    for stem, record in records.items():
        folder = stem.split("/")[0] if "/" in stem else ""
        splits.setdefault(split_of(folder) or WHOLE, []).append(record)
    if WHOLE in splits:
        return {WHOLE: tuple(records.values())}
    return {name: tuple(held) for name, held in splits.items()}
