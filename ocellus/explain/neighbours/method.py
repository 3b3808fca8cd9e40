"""What a network takes a picture to be like: the stored pictures whose features are nearest to its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ocellus.data.feature_database import FeatureDatabase, Rows, Space, stored_path
from ocellus.errors import OcellusError
from ocellus.explain.neighbours.config import Config
from ocellus.explain.neighbours.search import Nearest
from ocellus.nn.features import feature_layer, fingerprint, input_of, layer_features
from ocellus.nn.subject import Subject, subject_of
from ocellus.values import Neighbours, Picture


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    database: FeatureDatabase | Rows,
    layer: str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Neighbours:
    """The stored pictures that a network finds most like one picture.

    For many pictures make the search once: `search_of`, then `neighbours_of` for each.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        database: of features of this very network, or rows of one's own.
        layer: whose features are compared; None: the database's, or the last that has maps.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: an empty database, one of another network, or a setting that does not exist.
    """
    config = Config() if config is None else config
    subject = subject_of(network, image, preprocess=preprocess)
    if len(subject.images) != 1:
        message = f"{len(subject.images)} pictures were given: give one, or use neighbours_of for each"
        raise OcellusError(message, exit_code=2)
    if isinstance(database, FeatureDatabase):
        layer = layer or database.space.layer
        probe = subject_of(network, probe_picture(), preprocess=preprocess)
        see_space(database, space_of(network, probe, layer=layer, dimension=database.space.dimension))
    layer = layer or feature_layer(network, subject)
    query = layer_features(network, subject, layer=layer)[0].numpy()
    rows = database.rows() if isinstance(database, FeatureDatabase) else database
    search = search_of(rows.features, config)
    return neighbours_of(query, rows, search, layer=layer, picture=subject.picture, config=config)


def search_of(features: NDArray[np.float32], config: Config) -> Nearest:
    """What finds the nearest of (N, D) rows as a Config says.

    Raises:
        OcellusError: no rows, no such metric or index, or no faiss.
    """
    return Nearest(features, metric=config.metric, index=config.index)


def neighbours_of(
    query: NDArray[np.float32],
    rows: Rows,
    search: Nearest,
    *,
    layer: str = "",
    picture: Picture | None = None,
    config: Config | None = None,
) -> Neighbours:
    """The stored pictures nearest to one whose features are known.

    Args:
        query: (D,) its features.
        rows: what is stored.
        search: over these rows.
        layer: the layer that the features are of.
        picture: whose features they are; one stored under its path is left out unless the Config says so.
        config: the method's settings.

    Raises:
        OcellusError: the query does not fit the rows. Exit code 2.
    """
    config = Config() if config is None else config
    path = "" if config.itself or picture is None or picture.path is None else stored_path(picture.path)
    own = {row for row, other in enumerate(rows.paths) if other == path} if path else set()
    found = search(query, config.count + len(own))
    kept = [place for place, row in enumerate(found.rows.tolist()) if row not in own][: config.count]
    chosen = found.rows[kept]
    return Neighbours(
        rows=torch.from_numpy(chosen.copy()),
        distances=torch.from_numpy(found.distances[kept].copy()),
        paths=tuple(rows.paths[row] for row in chosen),
        labels=tuple(rows.labels[row] for row in chosen),
        metric=config.metric,
        layer=layer,
        exact=search.exact,
        picture=picture,
    )


def space_of(network: nn.Module, probe: Subject, *, layer: str, dimension: int) -> Space:
    """What rows of features of a network mean.

    Args:
        network: any.
        probe: `probe_picture` as the network is given it.
        layer: whose output they are.
        dimension: numbers in a row.
    """
    given = input_of(probe)
    return Space(
        network=type(network).__name__,
        fingerprint=fingerprint(network),
        layer=layer,
        dimension=dimension,
        shape=given.shape,
        mean=given.mean,
        spread=given.spread,
    )


def see_space(database: FeatureDatabase, space: Space) -> None:
    """See that features can be compared with those of a database.

    Raises:
        OcellusError: they mean something else. Exit code 2.
    """
    if difference := database.space.difference(space):
        raise OcellusError(f"{database.folder} holds {difference}, or build a new database", exit_code=2)


def probe_picture(channels: int = 3) -> Picture:
    """One certain picture, which shows how pictures reach a network: each channel another slope of grey.

    Args:
        channels: of the network's pictures.
    """
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 224), torch.linspace(0, 1, 288), indexing="ij")
    shares = torch.linspace(0, 1, channels)[:, None, None]
    values = (shares * rows + (1 - shares) * columns**2).float()
    pixels = (values if channels == 3 else values.mean(dim=0, keepdim=True).expand(3, -1, -1)) * 255
    return Picture(
        pixels=pixels.round().to(torch.uint8), channels=None if channels == 3 else values.contiguous()
    )
