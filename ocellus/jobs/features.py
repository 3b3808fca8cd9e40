"""Features of many pictures, from folders and files, with the labels that folders or tables give them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ocellus.data.dataset import Dataset
from ocellus.data.feature_database import Rows, stored_path
from ocellus.data.images import read_picture
from ocellus.data.read import LABEL_READERS, read
from ocellus.data.sources import pictures, resolve
from ocellus.data.video import is_video, video_frames
from ocellus.data.views import resized
from ocellus.errors import OcellusError
from ocellus.jobs.explainable import Explainable
from ocellus.jobs.run import Broken
from ocellus.jobs.why import told
from ocellus.nn.features import feature_layer, layer_features
from ocellus.training.validation import evenly
from ocellus.values import Picture

T = TypeVar("T")


class Featured(NamedTuple):
    """One picture's features."""

    path: str
    label: str  # "" where not known
    layer: str
    row: NDArray[np.float32]  # (D,)


def featured(
    ready: Explainable,
    sources: Sequence[str],
    *,
    layer: str = "",
    known: Collection[str] = (),
    limit: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Featured]:
    """The features of each picture of some sources, as they are read.

    Pictures that cannot be read, or on which the network fails, are told of and passed over.

    Args:
        ready: the network; left as it was.
        sources: what `ocellus run` takes; or a folder with a folder for each class, a table of classes, or
            drawings: their pictures have labels.
        layer: whose features; "": the last one that has maps in the first picture.
        known: stored paths of pictures that are left out.
        limit: of each source this many pictures, evenly spaced; 0: all.
        say: is told of what is passed over.

    Raises:
        OcellusError: a source that is not there, no such layer, or no picture could be read.
    """
    broken = Broken(say)
    seen = False
    for picture, label in labelled(ready, sources, known=known, limit=limit, broken=broken):
        seen = True
        if picture is None:
            continue
        try:
            row, layer = features_of_picture(ready, picture, layer=layer)
        except OcellusError as error:
            if error.exit_code == 2:
                raise
            broken.add(error)
            continue
        broken.tell()
        yield Featured(stored_path(picture.path or "picture"), label, layer, row)
    if not seen:
        raise broken.error() if broken.errors else OcellusError("no picture was given")
    broken.tell()


def features_of_picture(
    ready: Explainable, picture: Picture, *, layer: str = ""
) -> tuple[NDArray[np.float32], str]:
    """(D,) features of a picture, and the layer that they are of.

    Raises:
        OcellusError: no such layer, or the network fails on the picture.
    """
    with told(picture):
        subject = ready.subject(picture)
        layer = layer or feature_layer(ready.network, subject)
        row: NDArray[np.float32] = layer_features(ready.network, subject, layer=layer)[0].numpy()
    return row, layer


def rows_of(found: Iterable[Featured]) -> tuple[Rows, str]:
    """Features in memory, and the layer that they are of.

    Raises:
        OcellusError: there are none, or the pictures give rows of several lengths.
    """
    items = list(found)
    if not items:
        raise OcellusError("no picture has features: see what was passed over")
    if len({len(item.row) for item in items}) > 1:
        message = f"the features of {items[0].layer} have another length in each picture"
        raise OcellusError(f"{message}: name another layer (--list-layers shows all)", exit_code=2)
    features = np.stack([item.row for item in items])
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        path = items[int(finite.argmin())].path
        raise OcellusError(f"the features of {path} are not finite (nan or inf): they cannot be compared")
    paths, labels = [item.path for item in items], [item.label for item in items]
    return Rows(features, paths, labels), items[0].layer


def labelled(
    ready: Explainable, sources: Sequence[str], *, known: Collection[str], limit: int, broken: Broken
) -> Iterator[tuple[Picture | None, str]]:
    """The pictures of some sources with their labels; None in the place of one that is known.

    Args:
        ready: for the channels that its pictures have.
        sources: see `featured`.
        known: stored paths of pictures that are not read.
        limit: of each source.
        broken: is given what cannot be read.
    """

    def whole(path: Path) -> Picture | None:
        return None if stored_path(str(path)) in known else read_picture(path, channels=ready.channels)

    for source in sources:
        if dataset := labels_in(source):
            records = spaced([record for _, record in dataset.records()], limit)
            for record in records:
                try:
                    label = "" if record.label is None else dataset.labels.names[record.label]
                    yield whole(record.image), label
                except OcellusError as error:
                    broken.add(error)
            continue
        files = [] if source == "-" else resolve(source)
        still = [file for file in files if isinstance(file, Path) and not is_video(file)]
        if limit and len(still) == len(files) and files:
            names = [str(file) for file in spaced(still, limit)]
            stream = pictures(names, broken=broken.add, read=whole)
        else:
            stream = pictures(source, broken=broken.add, read=whole)
        for number, picture in enumerate(stream):
            if limit and number == limit:
                break
            known_frame = picture is not None and stored_path(picture.path or "") in known
            yield (None if known_frame else picture), ""


def labels_in(source: str) -> Dataset | None:
    """The data set that a source is, where its pictures have labels; else None."""
    path = Path(source).expanduser()
    if path.exists() and any(reader.matches(path) for reader in LABEL_READERS.values()):
        return read(path, view="labels")
    return None


def spaced(items: Sequence[T], limit: int) -> list[T]:
    """At most so many of them, evenly spaced; 0: all."""
    return [items[index] for index in evenly(len(items), limit or len(items))]


def thumbnail(path: str, *, side: int = 240) -> Picture | None:
    """A stored picture made small, its longer side `side` pixels; None where it is not there any more."""
    try:
        picture = _stored_picture(path)
    except OcellusError:
        return None
    height, width = picture.size
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return Picture(pixels=resized(picture.pixels, size), path=path)


def _stored_picture(path: str) -> Picture:
    file, _, frame = path.rpartition("#")
    if frame.isdecimal() and is_video(Path(file)):
        for number, picture in enumerate(video_frames(Path(file))):
            if number == int(frame):
                return picture
    return read_picture(path)
