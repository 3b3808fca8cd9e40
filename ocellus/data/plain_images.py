"""Pictures without annotations: a file, or a folder of them."""

from __future__ import annotations

from pathlib import Path

from ocellus.data.dataset import Dataset, Record
from ocellus.data.folders import pictures_under, relative_name
from ocellus.data.images import is_picture
from ocellus.data.splits import WHOLE
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether a file is a picture, or a folder holds one."""
    return is_picture(path) if path.is_file() else bool(pictures_under(path))


def read(path: Path) -> Dataset:
    """The pictures, with nothing annotated and no classes."""
    root = path.parent if path.is_file() else path
    images = [path] if path.is_file() else pictures_under(path)
    records = tuple(Record(image=image, name=relative_name(image, root)) for image in images)
    return Dataset(root=root, format="images", labels=LabelMap(()), splits={WHOLE: records})
