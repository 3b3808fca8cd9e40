"""`ocellus explain neighbours`: make a database of features, add to it, ask it what a picture is like."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from torch import nn

from ocellus import catalog
from ocellus.data.feature_database import (
    FeatureDatabase,
    Rows,
    create_database,
    is_database,
)
from ocellus.data.images import read_picture, write_picture
from ocellus.data.sources import pictures
from ocellus.draw.neighbours import draw_neighbours
from ocellus.errors import OcellusError
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.features import Featured, featured, features_of_picture, rows_of, thumbnail
from ocellus.jobs.model import Model
from ocellus.jobs.run import Broken
from ocellus.jobs.settings import checked
from ocellus.values import Neighbours, Picture

BATCH = 64
"""Rows that are stored together: what a killed writer has computed for nothing at most."""

SHEET = 20
"""Pictures on a sheet, each with its neighbours in a row."""

Say = Callable[[str], None]


def store(
    model: Explainable | Model | nn.Module | str | Path,
    database: str | Path,
    source: str | Path | Sequence[str],
    *,
    layer: str = "",
    limit: int = 0,
    preparation: Mapping[str, Any] | None = None,
    device: str = "auto",
    say: Say = lambda line: None,
) -> FeatureDatabase:
    """Store the features of pictures. A database that is there is added to; pictures in it are passed over.

    Args:
        model: what `ocellus.explain` takes.
        database: its folder; it is made where it is not there.
        source: a folder, pictures, a folder for each class, a table of classes; or several.
        layer: whose features; "": the database's, or the last that has maps.
        limit: of each source this many pictures, evenly spaced; 0: all.
        preparation: see `ocellus.explain`.
        device: where a network that is read here runs.
        say: is told how many are stored, and of pictures that are passed over.

    Returns:
        The database, open.

    Raises:
        OcellusError: no such model, source or layer; the database is of another network; the disk refuses.
    """
    method = catalog.system("explain/neighbours")
    ready = explainable(model, device=device, preparation=dict(preparation or {}))
    opened = FeatureDatabase(database) if is_database(database) else None
    if opened is not None:
        _see_same(ready, opened, layer)
        layer = opened.space.layer
    known = frozenset(opened.paths) if opened is not None else frozenset()
    waiting: list[Featured] = []
    for item in featured(ready, _listed(source), layer=layer, known=known, limit=limit, say=say):
        if opened is None:
            probe = ready.subject(method.probe_picture(ready.channels))
            space = method.space_of(ready.network, probe, layer=item.layer, dimension=len(item.row))
            opened = create_database(database, space)
        waiting.append(item)
        if len(waiting) == BATCH:
            _append(opened, waiting, say)
    if opened is None:
        raise OcellusError("no picture has features: see what was passed over")
    _append(opened, waiting, say)
    return opened


def neighbours(
    model: Explainable | Model | nn.Module | str | Path,
    stored: FeatureDatabase | Rows | str | Path,
    source: Picture | str | Path | Sequence[str],
    *,
    layer: str = "",
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    preparation: Mapping[str, Any] | None = None,
    device: str = "auto",
    say: Say = lambda line: None,
) -> Iterator[Neighbours]:
    """Which stored pictures a network finds most like others, picture by picture, as they are read.

    Args:
        model: what `ocellus.explain` takes.
        stored: a database, or its folder; or a folder of pictures, whose features are then computed first.
        source: pictures, as `ocellus.explain` takes them.
        layer: whose features are compared; "": the database's, or the last that has maps.
        out: folder for contact sheets and neighbours.jsonl; None: nothing is written.
        options: fields of the method's Config.
        preparation: see `ocellus.explain`.
        device: where a network that is read here runs.
        say: is told of pictures that are passed over.

    Returns:
        An iterator: the neighbours of each picture. The last sheet is written after the last.

    Raises:
        OcellusError: nothing is stored, or features of another network; no such model, source, layer or
            setting; `out` holds something.
    """
    config = _config(dict(options or {}))
    folder = _new(out)
    ready = explainable(model, device=device, preparation=dict(preparation or {}))
    broken = Broken(say)
    if isinstance(source, Picture):
        stream: Iterator[Picture] = iter([source])
    else:
        stream = pictures(
            _listed(source), broken=broken.add, read=lambda path: read_picture(path, channels=ready.channels)
        )
    rows, layer = _stored_rows(ready, stored, layer=layer, say=say)
    search = catalog.system("explain/neighbours").search_of(rows.features, config)
    return _found(ready, stream, rows, search, layer=layer, config=config, folder=folder, broken=broken)


def _found(
    ready: Explainable,
    stream: Iterator[Picture],
    rows: Rows,
    search: Any,
    *,
    layer: str,
    config: Any,
    folder: Path | None,
    broken: Broken,
) -> Iterator[Neighbours]:
    """What `neighbours` returns.

    Raises:
        OcellusError: no picture could be looked at, or the files cannot be written.
    """
    method = catalog.system("explain/neighbours")
    shown: list[Neighbours] = []
    lines: list[str] = []
    for picture in stream:
        try:
            query, _ = features_of_picture(ready, picture, layer=layer)
        except OcellusError as error:
            if error.exit_code == 2:
                raise
            broken.add(error)
            continue
        broken.tell()
        found: Neighbours = method.neighbours_of(
            query, rows, search, layer=layer, picture=picture, config=config
        )
        yield found
        if folder is not None:
            shown.append(found)
            lines.append(json.dumps(to_dict(found), ensure_ascii=False))
            if len(shown) % SHEET == 0:
                _write_sheet(folder, shown[-SHEET:], len(shown) // SHEET)
                shown = [replace(one, picture=None) for one in shown]
    if not lines and broken.errors:
        raise broken.error()
    broken.tell()
    if folder is not None:
        if rest := len(shown) % SHEET:
            _write_sheet(folder, shown[-rest:], len(shown) // SHEET + 1)
        _write_lines(folder / "neighbours.jsonl", lines)


def to_dict(found: Neighbours) -> dict[str, Any]:
    """For JSON: the picture, and its neighbours with their distances."""
    path = found.picture.path if found.picture is not None else None
    return {
        "picture": path or "picture",
        "layer": found.layer,
        "metric": found.metric,
        "exact": found.exact,
        "vote": found.vote(),
        "neighbours": [
            {"path": path, "label": label, "distance": round(float(distance), 9), "row": int(row)}
            for path, label, distance, row in zip(
                found.paths, found.labels, found.distances, found.rows, strict=True
            )
        ],
    }


def _stored_rows(
    ready: Explainable, stored: FeatureDatabase | Rows | str | Path, *, layer: str, say: Say
) -> tuple[Rows, str]:
    """What is stored, and the layer that it is of."""
    if isinstance(stored, Rows):
        return stored, layer
    if isinstance(stored, FeatureDatabase) or is_database(stored):
        database = stored if isinstance(stored, FeatureDatabase) else FeatureDatabase(stored)
        _see_same(ready, database, layer)
        if not len(database):
            message = f"the database {database.folder} is empty"
            raise OcellusError(f"{message}: `ocellus explain neighbours store` puts pictures into it")
        return database.rows(), database.space.layer
    path = Path(stored).expanduser()
    if path.is_dir() and not any(path.iterdir()):
        raise OcellusError(f"{path} is empty: give a database or a folder of pictures")
    return rows_of(featured(ready, [str(stored)], layer=layer, say=say))


def _see_same(ready: Explainable, database: FeatureDatabase, layer: str) -> None:
    method = catalog.system("explain/neighbours")
    own = database.space
    probe = ready.subject(method.probe_picture(ready.channels))
    space = method.space_of(ready.network, probe, layer=layer or own.layer, dimension=own.dimension)
    method.see_space(database, space)


def _append(database: FeatureDatabase, waiting: list[Featured], say: Say) -> None:
    if not waiting:
        return
    for item in waiting:
        if len(item.row) != database.space.dimension:
            message = (
                f"{item.path} gives {len(item.row)} features, those before it {database.space.dimension}"
            )
            cure = "name another layer, whose maps have the same channels for all pictures"
            raise OcellusError(f"{message}: {cure}", exit_code=2)
    features = np.stack([item.row for item in waiting])
    stored = database.append(features, [item.path for item in waiting], [item.label for item in waiting])
    waiting.clear()
    say(f"{stored} stored")


def _config(options: dict[str, Any]) -> Any:
    config = catalog.system("explain/neighbours").Config()
    kinds = get_type_hints(type(config))
    known = [entry.name for entry in fields(config)]
    if missing := [name for name in options if name not in known]:
        message = f"neighbours has no setting {missing[0]!r}: there is {', '.join(known)}"
        raise OcellusError(message, exit_code=2)
    return replace(config, **{name: checked(name, value, kinds[name]) for name, value in options.items()})


def _new(out: str | Path | None) -> Path | None:
    folder = Path(out) if out is not None else None
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OcellusError(f"{folder} is there already: give a new or empty folder with --out", exit_code=2)
    return folder


def _listed(source: str | Path | Sequence[str]) -> list[str]:
    return [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]


def _write_sheet(folder: Path, shown: Sequence[Neighbours], number: int) -> None:
    small = {path: thumbnail(path) for found in shown for path in found.paths}
    name = "neighbours.jpg" if number == 1 else f"neighbours-{number}.jpg"
    write_picture(draw_neighbours(shown, small), folder / name)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise OcellusError(f"{path} cannot be written ({error.strerror}); free some space") from error
