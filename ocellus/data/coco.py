"""COCO's JSON: instances and keypoints; polygons, run lengths packed or plain, crowds.

The annotations are scanned once for their place in the file and parsed when a picture's are asked for, so
that all of COCO fits in a few hundred megabytes. Source: cocodataset.org, "Data format".
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ocellus.data.coco_annotation import Table
from ocellus.data.dataset import Dataset, Finding, Lazy, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, relative_name
from ocellus.data.json_stream import elements, read_span
from ocellus.data.splits import WHOLE, split_of, without_split
from ocellus.errors import OcellusError
from ocellus.labels import COCO_PERSON, LabelMap, Skeleton, flip_pairs_from_names

PEEK = 1 << 16
SKIMMED_FROM = 32 << 20  # bytes; of larger files the annotations are checked when they are asked for
KEYS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
OTHER_TASKS = ("captions", "panoptic", "stuff", "image_info")
MOST_FINDINGS = 1000  # of one kind from one file; more say nothing new


def matches(path: Path) -> bool:
    """Whether a file, or a folder by the files in it, is COCO's."""
    return _is_coco(path) if path.is_file() else bool(_files(path))


def read(path: Path) -> Dataset:
    """A data set from one JSON file, or from a folder with annotations/*.json and the pictures near them.

    In a folder the files that are named for their splits (instances_train2017.json) are read together. Where
    it has several kinds, instances come first; the others can be read by naming their file.

    Raises:
        OcellusError: broken JSON, no images in it, or files that need a choice.
    """
    if path.is_file():
        split = split_of(path.stem) or split_of(path.parent.name)
        chosen = {WHOLE if split in (None, "train", "trainval") else str(split): path}
        unused: list[Path] = []
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
    else:
        root = path
        chosen, unused = _choose(path, _files(path))
    contents = {split: _scan(file) for split, file in chosen.items()}
    categories: dict[Any, dict[str, Any]] = {}
    for content in contents.values():
        categories |= content.categories
    findings = [finding("file-unused", file) for file in unused]
    names, labels, ids = _classes(categories, str(next(iter(chosen.values()))), findings)
    skeleton = _skeleton(categories, str(next(iter(chosen.values()))), findings)
    splits = {}
    for split, content in contents.items():
        splits[split] = _records(content, root, split=split, labels=labels, points=len(skeleton or ()))
        findings += content.findings
    return Dataset(
        root=root,
        format="coco",
        labels=LabelMap(names),
        splits=splits,
        skeleton=skeleton,
        findings=tuple(findings),
        label_ids=ids,
    )


def _is_coco(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as stream:
        head = stream.read(PEEK)
        stream.seek(max(path.stat().st_size - PEEK, 0))
        return bool(KEYS.search(head) or KEYS.search(stream.read(PEEK)))


def _files(folder: Path) -> list[Path]:
    """COCO files in the places where they usually lie."""
    found: list[Path] = []
    for pattern in ("annotations/*.json", "*.json", "*/_annotations.coco.json", "*/annotations.json"):
        found += sorted(path for path in folder.glob(pattern) if path.is_file() and _is_coco(path))
    return [path for path in dict.fromkeys(found) if not path.stem.startswith(OTHER_TASKS)]


def _choose(folder: Path, files: list[Path]) -> tuple[dict[str, Path], list[Path]]:
    """(split -> file, files left unused) of a folder that may hold several kinds and years."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        kinds[without_split(file.stem)].append(file)
    ranked = sorted(kinds, key=lambda kind: ("instances" not in kind, "keypoints" not in kind, kind))
    if len(ranked) > 1 and "instances" not in ranked[0] and "keypoints" not in ranked[0]:
        raise _ambiguous(folder, files)
    chosen: dict[str, Path] = {}
    named = [file for file in kinds[ranked[0]] if _split(file, folder)]
    for file in named or kinds[ranked[0]]:
        split = _split(file, folder) or WHOLE
        if split in chosen:
            raise _ambiguous(folder, [chosen[split], file])
        chosen[split] = file
    if "trainval" in chosen and len(chosen) > 1:
        del chosen["trainval"]
    chosen = {("train" if split == "trainval" else split): file for split, file in chosen.items()}
    return chosen, [file for file in files if file not in chosen.values()]


def _split(file: Path, root: Path) -> str | None:
    """The split that a file's name or its folder's speaks of; the name of the whole data set says nothing."""
    return split_of(file.stem) or (split_of(file.parent.name) if file.parent != root else None)


def _ambiguous(folder: Path, files: list[Path]) -> OcellusError:
    listed = ", ".join(file.relative_to(folder).as_posix() for file in files[:6])
    return OcellusError(
        f"{folder} holds annotation files that rival each other: {listed}; name the one to read"
    )


@dataclass
class _Content:
    """What a scan keeps of a file."""

    path: Path
    images: list[tuple[Any, str, tuple[int, int] | None]] = field(default_factory=list)
    categories: dict[Any, dict[str, Any]] = field(default_factory=dict)
    owners: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, kind: str, where: str, value: object, detail: str = "") -> None:
        found = sum(known.kind == kind for known in self.findings[-MOST_FINDINGS:])
        if found < MOST_FINDINGS:
            self.findings.append(finding(kind, self.path, where=where, value=str(value)[:200], detail=detail))


def _scan(path: Path) -> _Content:
    content = _Content(path)
    seen: dict[str, int] = defaultdict(int)
    skim = ("annotations", "image_id") if path.stat().st_size > SKIMMED_FROM else None
    for element in elements(path, skim=skim):
        if not element.listed or element.key not in ("images", "annotations", "categories"):
            seen[element.key] += 1
            continue
        where = f"{element.key[:-1]} {seen[element.key] + 1} of the file"
        seen[element.key] += 1
        value = element.value
        if not isinstance(value, dict):
            content.wrong("annotation-unreadable", where, value, f"an entry of {element.key!r} is no object")
        elif element.key == "annotations":
            owner = value.get("image_id")
            if isinstance(owner, (int, str)):
                content.owners.append(owner)
                content.starts.append(element.start)
                content.lengths.append(element.end - element.start)
            else:
                content.wrong("annotation-unreadable", where, owner, "the annotation has no image_id")
        elif element.key == "images":
            _keep_image(content, element.start, element.end, value, where)
        else:
            category = read_span(path, element.start, element.end)
            if isinstance(category.get("id"), (int, str)):
                content.categories[category["id"]] = category
            else:
                content.wrong("annotation-unreadable", where, category, "a category has no id")
    if not content.images:
        keys = ", ".join(key for key in seen if key) or "a list"
        wanted = "wanted is COCO's JSON with images, annotations and categories"
        raise OcellusError(f"{path} holds no images (it has {keys}); {wanted}")
    return content


def _keep_image(content: _Content, start: int, end: int, value: dict[str, Any], where: str) -> None:
    name = value.get("file_name")
    if not isinstance(name, str) or not isinstance(value.get("id"), (int, str)):
        content.wrong("annotation-unreadable", where, name, "an image has no file_name or no id")
        return
    if not name.isascii():  # scanned byte by byte: read the letters
        name = read_span(content.path, start, end)["file_name"]
    height, width = value.get("height"), value.get("width")
    sized = all(isinstance(side, (int, float)) and side > 0 for side in (height, width))
    content.images.append((value["id"], name, (int(height), int(width)) if sized else None))  # type: ignore[arg-type]


def _classes(
    categories: dict[Any, dict[str, Any]], file: str, findings: list[Finding]
) -> tuple[tuple[str, ...], dict[Any, int], tuple[int, ...]]:
    """(names, category id -> label, category ids): labels count the ids in rising order."""
    names: list[str] = []
    labels: dict[Any, int] = {}
    ids: list[int] = []
    for key in sorted(categories, key=lambda key: (not isinstance(key, int), str(key).zfill(12))):
        name = str(categories[key].get("name", key))
        if name in names:
            findings.append(finding("names-alike", file, where=f"category {key}", value=name))
        else:
            names.append(name)
            ids.append(key if isinstance(key, int) else -1)
        labels[key] = names.index(name)
    return tuple(names), labels, tuple(ids)


def _skeleton(categories: dict[Any, dict[str, Any]], file: str, findings: list[Finding]) -> Skeleton | None:
    """The keypoints of the first category that has some."""
    found: Skeleton | None = None
    for key, category in categories.items():
        names = tuple(str(name) for name in category.get("keypoints") or ())
        if not names:
            continue
        if names == COCO_PERSON.names:
            skeleton = COCO_PERSON
        else:
            pairs = [tuple(pair) for pair in category.get("skeleton") or () if len(pair) == 2]
            edges = tuple(
                (int(a) - 1, int(b) - 1) for a, b in pairs if 1 <= min(a, b) <= max(a, b) <= len(names)
            )
            sigmas = tuple(float(sigma) for sigma in category.get("sigmas") or ())
            flips = tuple((int(a), int(b)) for a, b in category.get("flip_pairs") or ())
            skeleton = Skeleton(
                names=names,
                flip_pairs=flips or flip_pairs_from_names(names),
                edges=edges,
                sigmas=sigmas if len(sigmas) == len(names) else (),
            )
        if found is not None and skeleton.names != found.names:
            findings.append(finding("skeletons-differ", file, where=f"category {key}", value=str(names)))
        found = found or skeleton
    return found


def _records(
    content: _Content, root: Path, *, split: str, labels: dict[Any, int], points: int
) -> tuple[Record, ...]:
    home = content.path.parent
    names = [content.path.stem, split_in(content.path.stem), split]
    places = [root, *(root / "images" / name for name in names), *(root / name for name in names if name)]
    places += [root / name for name in ("images", "JPEGImages", "data", "img", "imgs")]
    finder = Finder(
        [home, *places, home.parent, home.parent / "images"] if home != root else [root, *places[1:]]
    )
    index = {image[0]: place for place, image in enumerate(content.images)}
    if len(index) < len(content.images):
        content.wrong(
            "annotation-unreadable", "images", "", "images share an id; the last one has the annotations"
        )
    owners = np.array([index.get(owner, -1) for owner in content.owners], np.int64)
    for lost in np.flatnonzero(owners < 0)[:MOST_FINDINGS]:
        content.wrong("annotation-orphan", f"annotation {lost + 1} of the file", content.owners[lost])
    order = np.argsort(owners, kind="stable")
    first = np.searchsorted(owners[order], np.arange(len(content.images) + 1))
    table = Table(
        path=content.path,
        starts=np.array(content.starts, np.int64)[order],
        lengths=np.array(content.lengths, np.int32)[order],
        first=first,
        labels=labels,
        points=points,
    )
    found = [finder.find(name) for _, name, _ in content.images]
    usual = next((path.parent for path in found if path), places[0])
    records = []
    for place, (key, name, size) in enumerate(content.images):
        image = found[place] or usual / name.replace("\\", "/")
        known = relative_name(image, root) if image.is_relative_to(root) else name
        held = int(first[place + 1] - first[place])
        records.append(
            Record(
                image=image,
                name=known,
                size=size,
                annotations=Lazy(partial(table.annotations, place), held) if held else (),
                source=str(content.path),
                image_id=key if isinstance(key, int) else None,
            )
        )
    return tuple(records)


def split_in(stem: str) -> str:
    """The split's word as a file's name has it, year and all: "instances_train2017" -> "train2017"."""
    return stem.rsplit("_", 1)[-1]
