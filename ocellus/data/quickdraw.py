"""QuickDraw and its like: a file of drawings for each class, cat.npz beside train.npz."""

from __future__ import annotations

from pathlib import Path

from ocellus.data.dataset import Dataset, Record
from ocellus.data.drawings import Drawings, is_drawings
from ocellus.data.splits import WHOLE, split_of, without_split
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether a folder, or each folder of a split in it, holds files of drawings; or it is such a file."""
    if path.is_file():
        return is_drawings(path)
    return any(files for _, files in files_of(path))


def read(path: Path) -> Dataset:
    """The drawings, with the class that their file is named after.

    Each is a picture called "cat.npz#12". Google's files may have their prefixes, `full_numpy_bitmap_cat`.

    Raises:
        OcellusError: a file that cannot be read, or two of one class.
    """
    root = path.parent if path.is_file() else path
    found: list[tuple[str, Path, Drawings, str]] = []
    for split, files in [(WHOLE, [path])] if path.is_file() else files_of(path):
        for file in files:
            held = Drawings(file)
            word = held.word()
            twin = next((other for at, other, _, name in found if (at, name) == (split, word)), None)
            if twin:
                raise OcellusError(f"{twin} and {file} are both of {word}: keep one of them")
            found.append((split, file, held, word))
    labels = LabelMap(tuple(sorted({word for _, _, _, word in found})))
    splits: dict[str, tuple[Record, ...]] = {}
    for split, file, held, word in found:
        label = labels.index(word)
        records = tuple(
            Record(
                image=file.with_name(f"{file.name}#{number}"),
                name=f"{file.relative_to(root).as_posix()}#{number}",
                source=str(file),
                label=label,
            )
            for number in range(len(held))
        )
        splits[split] = splits.get(split, ()) + records
    return Dataset(root=path, format="drawings", labels=labels, splits=splits)


def files_of(folder: Path) -> list[tuple[str, list[Path]]]:
    """(split, files of drawings) of a folder, or of the folders in it that are called after splits."""
    own = drawings_in(folder)
    if own:
        return [(WHOLE, own)]
    inside = sorted(place for place in folder.iterdir() if place.is_dir())
    named = [(str(split_of(place.name)), place) for place in inside if split_of(place.name)]
    return [(split, drawings_in(place)) for split, place in named if not without_split(place.name)]


def drawings_in(folder: Path) -> list[Path]:
    """The files of drawings in a folder, sorted."""
    return sorted(file for file in folder.iterdir() if not file.name.startswith(".") and is_drawings(file))
