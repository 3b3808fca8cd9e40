"""`ocellus explain tsne`: the pictures of a folder or a database in a plane, drawn and written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from torch import nn

from ocellus import catalog
from ocellus.data.feature_database import FeatureDatabase, Rows, is_database
from ocellus.data.images import write_picture
from ocellus.draw.embedding import draw_embedding
from ocellus.errors import OcellusError
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.features import featured, rows_of, thumbnail
from ocellus.jobs.model import Model
from ocellus.jobs.settings import checked
from ocellus.values import Embedding


def tsne(
    source: FeatureDatabase | Rows | str | Path | Sequence[str],
    model: Explainable | Model | nn.Module | str | Path | None = None,
    *,
    layer: str = "",
    limit: int = 0,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    preparation: Mapping[str, Any] | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Embedding:
    """Pictures in a plane, those that a network finds alike near each other.

    Args:
        source: a database of features, or its folder; or pictures: a folder, a folder for each class, a table
            of classes, files.
        model: what `ocellus.explain` takes, where pictures are given; a database needs none.
        layer: whose features; "": the last that has maps.
        limit: of each source this many pictures, evenly spaced; 0: all.
        out: folder for tsne.png and tsne.npz; None: nothing is written.
        options: fields of the method's Config.
        preparation: see `ocellus.explain`.
        device: where a network that is read here runs.
        say: is told of pictures that are passed over.

    Raises:
        OcellusError: pictures without a model, too few of them, no such setting; `out` holds something; no
            scikit-learn.
    """
    method = catalog.system("explain/tsne")
    config = _config(method.Config(), dict(options or {}))
    folder = Path(out) if out is not None else None
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OcellusError(f"{folder} is there already: give a new or empty folder with --out", exit_code=2)
    rows = _rows(source, model, layer=layer, limit=limit, preparation=preparation, device=device, say=say)
    found: Embedding = method.explain(rows, config=config)
    if folder is not None:
        write_picture(draw_embedding(found, thumbnail), folder / "tsne.png")
        try:
            found.save(folder / "tsne.npz")
        except OSError as error:
            message = f"{folder / 'tsne.npz'} cannot be written ({error.strerror})"
            raise OcellusError(f"{message}; free some space, or name another place") from error
    return found


def _rows(
    source: FeatureDatabase | Rows | str | Path | Sequence[str],
    model: Explainable | Model | nn.Module | str | Path | None,
    *,
    layer: str,
    limit: int,
    preparation: Mapping[str, Any] | None,
    device: str,
    say: Callable[[str], None],
) -> Rows:
    if isinstance(source, Rows):
        return source
    if isinstance(source, FeatureDatabase):
        return source.rows()
    names = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    if len(names) == 1 and is_database(names[0]):
        database = FeatureDatabase(names[0])
        if layer not in ("", database.space.layer):
            message = f"{names[0]} holds features of {database.space.layer}, not of {layer}"
            raise OcellusError(f"{message}: leave the layer out", exit_code=2)
        if not len(database):
            message = f"the database {names[0]} is empty"
            raise OcellusError(f"{message}: `ocellus explain neighbours store` puts pictures into it")
        return database.rows()
    if model is None:
        message = f"{names[0]} is no database of features: give a model too"
        raise OcellusError(f"{message}, ocellus explain tsne MODEL FOLDER", exit_code=2)
    ready = explainable(model, device=device, preparation=dict(preparation or {}))
    rows, _ = rows_of(featured(ready, names, layer=layer, limit=limit, say=say))
    return rows


def _config(config: Any, options: dict[str, Any]) -> Any:
    kinds = get_type_hints(type(config))
    known = [entry.name for entry in fields(config)]
    if missing := [name for name in options if name not in known]:
        raise OcellusError(f"tsne has no setting {missing[0]!r}: there is {', '.join(known)}", exit_code=2)
    return replace(config, **{name: checked(name, value, kinds[name]) for name, value in options.items()})
