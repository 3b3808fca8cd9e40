"""YOLO's text files: boxes, polygons or keypoints as shares of the picture, with a data.yaml.

A line is "class cx cy w h", "class x1 y1 x2 y2 x3 y3 ..." or, where data.yaml has kpt_shape, the box followed
by its points. The labels of images/a/b.jpg lie in labels/a/b.txt. A picture without a file has nothing in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ocellus.data.dataset import Dataset, Finding, Lazy, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, files_under, pictures_under, relative_name
from ocellus.data.images import is_picture
from ocellus.data.splits import WHOLE, split_of
from ocellus.data.yolo_lines import Lines
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton, flip_pairs_from_names

NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt")


def matches(path: Path) -> bool:
    """Whether a file, or a folder by the files in it, is YOLO's."""
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml")
    return _settings_file(path) is not None or _plain(path)


def read(path: Path) -> Dataset:
    """A data set from its data.yaml, from the folder that holds it, or from a folder of images/ and labels/.

    Raises:
        OcellusError: data.yaml cannot be read or lacks its pictures or its class names.
    """
    file = path if path.is_file() else _settings_file(path)
    findings: list[Finding] = []
    if file is None:
        root = path
        names = _names_beside(root) or _counted_names(root)
        skeleton, points = None, (0, 0)
        splits = _by_folder(pictures_under(root), root)
    else:
        settings = _settings(file)
        root = _root(file, settings)
        names = _names(settings, file)
        skeleton, points = _skeleton(settings, file)
        splits = {}
        for name in ("train", "val", "test"):
            if entry := settings.get(name) or (settings.get("valid") if name == "val" else None):
                splits[name] = _pictures(entry, root, file)
    lines = Lines(classes=len(names), points=points)
    found = {split: _records(images, root, lines, findings) for split, images in splits.items()}
    return Dataset(
        root=root,
        format="yolo",
        labels=LabelMap(names),
        splits=found,
        skeleton=skeleton,
        findings=tuple(findings),
        label_ids=tuple(range(len(names))),
    )


def _settings_file(folder: Path) -> Path | None:
    """The YAML file of a folder that names classes and pictures."""
    files = (
        sorted(p for p in folder.iterdir() if p.suffix.lower() in (".yaml", ".yml"))
        if folder.is_dir()
        else []
    )
    named = sorted(files, key=lambda file: file.stem.lower() not in ("data", "dataset"))
    for file in named:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        if "names" in text and ("train" in text or "val" in text):
            return file
    return None


def _plain(folder: Path) -> bool:
    """Whether label files of YOLO's form lie in labels/ or beside the pictures."""
    texts = list((folder / "labels").rglob("*.txt"))[:20] or list(folder.glob("*.txt"))[:20]
    for text in texts:
        fields = text.read_text(encoding="utf-8", errors="replace").split("\n")[0].split()
        if len(fields) >= 5 and text.name not in NAME_FILES:
            try:
                return bool(float(fields[0]).is_integer() and all(-1 < float(f) < 2 for f in fields[1:5]))
            except ValueError:
                continue
    return False


def _settings(file: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise OcellusError(f"{file} is not valid YAML{place}; mend that place") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OcellusError(f"cannot read {file} ({error}); it must be UTF-8 text") from error
    if not isinstance(settings, dict) or not (settings.get("train") or settings.get("val")):
        raise OcellusError(f"{file} names no pictures; YOLO's data.yaml has train:, val: and names:")
    return settings


def _root(file: Path, settings: dict[str, Any]) -> Path:
    given = Path(str(settings.get("path") or "."))
    for root in (given if given.is_absolute() else file.parent / given, file.parent):
        if root.is_dir():
            return Path(os.path.normpath(root))
    return file.parent


def _names(settings: dict[str, Any], file: Path) -> tuple[str, ...]:
    names = settings.get("names")
    if isinstance(names, dict):
        keys = sorted(names)
        if keys != list(range(len(keys))):
            raise OcellusError(f"{file} numbers its names {keys[:8]}; they must be 0, 1, 2, ... without gaps")
        names = [names[key] for key in keys]
    if not isinstance(names, list) or not names:
        raise OcellusError(f"{file} has no class names; add names: [cat, dog] or names: {{0: cat, 1: dog}}")
    texts = tuple(str(name) for name in names)
    repeated = sorted({name for name in texts if texts.count(name) > 1})
    if repeated:
        raise OcellusError(
            f"{file} names classes twice: {', '.join(repeated)}; each class needs its own name"
        )
    if isinstance(settings.get("nc"), int) and settings["nc"] != len(texts):
        raise OcellusError(f"{file} says nc: {settings['nc']} but has {len(texts)} names; make them agree")
    return texts


def _skeleton(settings: dict[str, Any], file: Path) -> tuple[Skeleton | None, tuple[int, int]]:
    """(skeleton, kpt_shape): K points of 2 or 3 numbers."""
    shape = settings.get("kpt_shape")
    if not shape:
        return None, (0, 0)
    if not (isinstance(shape, list) and len(shape) == 2 and shape[1] in (2, 3) and isinstance(shape[0], int)):
        raise OcellusError(f"{file} has kpt_shape: {shape}; wanted is [number of points, 2 or 3]")
    count = shape[0]
    names = settings.get("kpt_names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    texts = tuple(str(name) for name in names) if isinstance(names, list) and len(names) == count else ()
    flips = settings.get("flip_idx")
    pairs: tuple[tuple[int, int], ...] = flip_pairs_from_names(texts)
    if isinstance(flips, list) and sorted(flips) == list(range(count)):
        pairs = tuple((a, b) for a, b in enumerate(flips) if a < b)
    edges = tuple((int(a), int(b)) for a, b in settings.get("kpt_edges") or ())
    sigmas = tuple(float(sigma) for sigma in settings.get("kpt_sigmas") or ())
    names = texts or tuple(f"point {place}" for place in range(count))
    return Skeleton(names=names, flip_pairs=pairs, edges=edges, sigmas=sigmas), (count, shape[1])


def _pictures(entry: Any, root: Path, file: Path) -> list[Path]:
    """The pictures of one split: a folder, a list in a text file, or several of them."""
    found: list[Path] = []
    for item in entry if isinstance(entry, list) else [entry]:
        given = Path(str(item))
        tries = [root / given, file.parent / given, root / str(item).removeprefix("../")]
        place = next((Path(os.path.normpath(p)) for p in tries if p.exists()), None)
        if place is None:
            raise OcellusError(
                f"{file} names the pictures {item}, but {tries[0]} is not there; correct the path"
            )
        if place.is_dir():
            found += pictures_under(place)
        elif place.suffix == ".txt":
            lines = place.read_text(encoding="utf-8-sig").splitlines()
            names = [line.strip() for line in lines if line.strip()]
            found += [
                Path(os.path.normpath((place.parent if n.startswith("./") else root) / n)) for n in names
            ]
        elif is_picture(place):
            found.append(place)
        else:
            raise OcellusError(f"{file} names {item}; wanted is a folder of pictures or a .txt list of them")
    return found


def _names_beside(root: Path) -> tuple[str, ...]:
    for name in NAME_FILES:
        if (root / name).is_file():
            lines = (root / name).read_text(encoding="utf-8-sig").splitlines()
            return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    return ()


def _counted_names(root: Path) -> tuple[str, ...]:
    """Numbers as names, where no file names the classes."""
    top = -1
    for text in files_under(root, ".txt"):
        for line in text.read_text(encoding="utf-8", errors="replace").splitlines():
            first = line.split()[0] if line.split() else ""
            top = max(top, int(first)) if first.isdigit() else top
    return tuple(str(number) for number in range(top + 1))


def _by_folder(images: list[Path], root: Path) -> dict[str, list[Path]]:
    splits: dict[str, list[Path]] = {}
    for image in images:
        words = [split_of(part) for part in image.relative_to(root).parts[:-1]]
        splits.setdefault(next((word for word in words if word), WHOLE), []).append(image)
    return {WHOLE: images} if WHOLE in splits else splits


def label_file(image: Path) -> Path:
    """Where the labels of a picture lie: the last folder named images becomes labels."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _records(images: Iterable[Path], root: Path, lines: Lines, findings: list[Finding]) -> tuple[Record, ...]:
    records = []
    finder = Finder(())
    stems: dict[Path, set[str]] = {}
    for image in images:
        labels = label_file(image)
        stems.setdefault(labels.parent, set()).add(labels.name)
        if labels.name in finder.listing(str(labels.parent)):
            annotations: Any = Lazy(partial(lines.annotations, labels, image))
        else:
            annotations = ()
            findings.append(finding("picture-unannotated", image))
        name = relative_name(image, root)
        records.append(Record(image=image, name=name, annotations=annotations, source=str(labels)))
    for folder, names in stems.items():
        texts = (
            {name for name in finder.listing(str(folder)) if name.endswith(".txt")} - names - {"classes.txt"}
        )
        if folder.name == "labels" or "labels" in folder.parts:
            findings += [finding("annotation-orphan", folder / name) for name in sorted(texts)]
    return tuple(records)
