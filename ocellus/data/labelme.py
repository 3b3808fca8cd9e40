"""LabelMe: one JSON file a picture with polygons, circles, rectangles, masks and points.

Shapes of one group and label are one object: a ring inside another is a hole. Points of a group are
keypoints of its object, named by their label. A group of points alone is an "object". Rectangles are boxes,
unless other shapes with an area occur in the data set: then they are shapes too. Written by us and read
again: the flags "crowd", "hidden" (a keypoint) and "box" (a rectangle without a shape), and skeleton.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocellus.data.dataset import Annotation, Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, files_under, pictures_under, relative_name
from ocellus.data.json_stream import read_json
from ocellus.data.labelme_page import Object, Page, page
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton, flip_pairs_from_names

PEEK = 1 << 14
SKELETON_FILE = "skeleton.json"
NOT_CLASSES = ("__ignore__", "_background_")


def matches(path: Path) -> bool:
    """Whether a file, or a folder by the files in it, is LabelMe's."""
    if path.is_file():
        return _is_labelme(path)
    return any(_is_labelme(file) for file in _some(path.rglob("*.json"), 50))


def read(path: Path) -> Dataset:
    """A data set from a folder of JSON files beside their pictures, or from one such file.

    Raises:
        OcellusError: no file can be read.
    """
    root = path.parent if path.is_file() else path
    files = [path] if path.is_file() else [f for f in files_under(path, ".json") if f.name != SKELETON_FILE]
    findings: list[Finding] = []
    pages: list[Page] = []
    first: OcellusError | None = None
    for file in files:
        try:
            found = page(file, read_json(file))
        except OcellusError as error:
            first = first or error
            findings.append(finding("file-unreadable", file, detail=str(error)))
            continue
        if found is not None:
            pages.append(found)
            findings += found.findings
    if not pages:
        raise first or OcellusError(f"{root} holds no LabelMe files; each has imagePath and shapes")
    skeleton = _skeleton(root, pages)
    names = _names(root, pages)
    shaped = any(found.rings and not found.rectangle for known in pages for found in known.objects)
    records = [
        _record(known, root, names=names, skeleton=skeleton, shaped=shaped, findings=findings)
        for known in pages
    ]
    if path.is_dir():
        annotated = {record.image for record in records}
        left = [image for image in pictures_under(root) if image not in annotated]
        findings += [finding("picture-unannotated", image) for image in left]
    return Dataset(
        root=root,
        format="labelme",
        labels=LabelMap(names),
        splits=_splits(records),
        skeleton=skeleton,
        findings=tuple(findings),
    )


def _some(files: Iterable[Path], count: int) -> list[Path]:
    return [file for file, _ in zip(files, range(count), strict=False)]


def _is_labelme(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(PEEK)
        stream.seek(max(path.stat().st_size - PEEK, 0))
        return b'"shapes"' in head or b'"imagePath"' in head or b'"imagePath"' in stream.read(PEEK)


def _skeleton(root: Path, pages: list[Page]) -> Skeleton | None:
    file = root / SKELETON_FILE
    if file.is_file():
        try:
            return Skeleton.from_dict(read_json(file))
        except (KeyError, TypeError, ValueError) as error:
            raise OcellusError(
                f"{file} is no skeleton ({error}); it has names, flip_pairs and edges"
            ) from error
    names = tuple(sorted({name for known in pages for found in known.objects for name in found.points}))
    return Skeleton(names=names, flip_pairs=flip_pairs_from_names(names)) if names else None


def _names(root: Path, pages: list[Page]) -> tuple[str, ...]:
    """The classes of labels.txt in its order, else those that occur, sorted."""
    file = root / "labels.txt"
    if file.is_file():
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        return tuple(dict.fromkeys(line for line in lines if line and line not in NOT_CLASSES))
    return tuple(sorted({found.name for known in pages for found in known.objects} - set(NOT_CLASSES)))


def _record(
    known: Page,
    root: Path,
    *,
    names: tuple[str, ...],
    skeleton: Skeleton | None,
    shaped: bool,
    findings: list[Finding],
) -> Record:
    finder = Finder([known.path.parent, root, root / "images"])
    beside = known.path.with_suffix(".jpg").name
    image = (finder.find(known.image) if known.image else None) or finder.find_stem(known.path.stem)
    image = image or known.path.parent / (known.image.replace("\\", "/") or beside)
    annotations = []
    for found in known.objects:
        if found.name in NOT_CLASSES:
            findings.append(finding("annotation-ignored", known.path, where=found.source, value=found.name))
        else:
            annotations.append(_annotation(found, known.path, names=names, skeleton=skeleton, shaped=shaped))
    return Record(
        image=image,
        name=relative_name(image, root),
        size=known.size,
        annotations=tuple(annotations),
        source=str(known.path),
    )


def _annotation(
    found: Object, path: Path, *, names: tuple[str, ...], skeleton: Skeleton | None, shaped: bool
) -> Annotation:
    keypoints = None
    if found.points and skeleton is not None:
        none = (0.0, 0.0, 0.0)
        keypoints = tuple(found.points.get(name, none) for name in skeleton.names)
    made = Annotation(
        label=names.index(found.name) if found.name in names else -1,
        box=found.box,
        rings=tuple(found.rings) if found.rings and (shaped or not found.rectangle) else None,
        counts=found.counts,
        run_size=found.run_size,
        keypoints=keypoints,
        crowd=found.crowd,
        source=found.source,
    )
    if made.label < 0:
        lost = finding("label-unknown", path, where=found.source, value=found.name)
        return replace(made, findings=(lost,))
    return made


def _splits(records: list[Record]) -> dict[str, tuple[Record, ...]]:
    splits: dict[str, list[Record]] = {}
    for record in records:
        words: list[Any] = [split_of(part) for part in record.name.split("/")[:-1]]
        splits.setdefault(next((word for word in words if word), WHOLE), []).append(record)
    return {WHOLE: tuple(records)} if WHOLE in splits else {k: tuple(v) for k, v in splits.items()}
