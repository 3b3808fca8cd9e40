"""The parts of many pictures that excite a layer's units most; arXiv:1311.2901, section 4.1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from math import ceil
from pathlib import Path

import torch
from torch import Tensor, nn

from ocellus.data.images import read_picture
from ocellus.errors import OcellusError
from ocellus.explain.max_patches.config import Config
from ocellus.explain.max_patches.cutting import Cutter
from ocellus.nn.hooks import untouched
from ocellus.nn.spatial_layer import last_spatial_layer
from ocellus.nn.strongest import Strongest, no_entries, with_picture
from ocellus.nn.subject import Subject, subject_of
from ocellus.nn.units import calls_of, check_units, takes_pictures, unit_maps
from ocellus.values import Patch, Patches, Picture

Source = Picture | str | os.PathLike[str]
View = Callable[[Picture], Subject]
FORGET = 1024
"""Pictures after which those that no unit has an entry of are let go."""


def explain(
    network: nn.Module,
    images: Iterable[Source],
    *,
    layer: str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    view: View | None = None,
    passed_over: Callable[[OcellusError], None] | None = None,
    config: Config | None = None,
) -> Patches:
    """The strongest patches of some of a layer's units.

    Pictures are read one after the other; of each unit only the best entries are kept, so that memory does
    not grow with their number. The same pictures in the same order give the same patches.

    Args:
        network: any; it is left as it was.
        images: pictures or their files; those with an entry are read a second time.
        layer: the layer; None: the last one that has maps.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        view: how a picture reaches the network, in place of `subject_of` with `preprocess`.
        passed_over: is told of each picture that cannot be read or looked at; None: it is raised.
        config: the method's settings.

    Raises:
        OcellusError: no picture, no such layer or units, or a setting that there is not.
    """
    config = Config() if config is None else config
    _check(config)
    channels = int(getattr(getattr(network, "config", None), "channels", 3))
    see = view or (lambda picture: subject_of(network, picture, preprocess=preprocess))
    with untouched(network):
        search = _Search(network, layer, config.top)
        pictures = _read(images, search, channels, see, passed_over)
        for group in _groups(pictures, config.batch):
            search.look(group)
        if search.found is None:
            raise OcellusError("no picture was given that could be looked at: there are no patches")
        assert search.layer is not None
        check_units(config.units, len(search.found.scores), search.layer)
        units = config.units or _liveliest(search.found, config.most)
        cutter = Cutter(network, search.layer, field=config.field, share=config.share)
        patches = list(_cut(search, units, channels, see, cutter))
    place = {unit: index for index, unit in enumerate(units)}
    patches.sort(key=lambda entry: (place[entry[0].unit], entry[1]))
    return Patches(
        patches=tuple(patch for patch, _ in patches),
        layer=search.layer,
        units=tuple(units),
        count=len(search.found.scores),
        seen=search.seen,
        field=cutter.side,
        remarks=cutter.remarks,
    )


class _Search:
    """The strongest entries so far, and the pictures that they are of."""

    def __init__(self, network: nn.Module, layer: str | None, top: int) -> None:
        self.network, self.layer, self.top = network, layer, top
        self.found: Strongest | None = None
        self.sources: dict[int, Source] = {}
        self.seen = 0
        self.stop = False

    def look(self, group: list[tuple[int, Subject]]) -> None:
        """A few pictures of one size, each with its number."""
        subject = group[0][1]
        if self.found is None:
            if self.layer is None:
                with takes_pictures(self.network, subject):
                    self.layer = last_spatial_layer(self.network, subject)
            self.stop = calls_of(self.network, subject, self.layer) == 1
        assert self.layer is not None
        images = torch.cat([own.images for _, own in group])
        maps = unit_maps(self.network, subject._replace(images=images), self.layer, stop=self.stop)
        if self.found is None:
            self.found = no_entries(maps.shape[1], self.top)
        # Places that lie in a detector's padding are not in the picture.
        rows, columns = (
            ceil(length * inside / whole)
            for length, inside, whole in zip(maps.shape[2:], subject.size, images.shape[2:], strict=True)
        )
        for (number, _), own in zip(group, maps.float(), strict=True):
            own = own.clone()
            own[:, rows:], own[:, :, columns:] = float("nan"), float("nan")
            self.found = with_picture(self.found, own, number)
        self.seen += len(group)
        if len(self.sources) >= FORGET:
            kept = set(self.found.pictures.flatten().tolist())
            newest = max(number for number, _ in group)
            self.sources = {n: one for n, one in self.sources.items() if n in kept or n > newest}


def _read(
    images: Iterable[Source],
    search: _Search,
    channels: int,
    see: View,
    passed_over: Callable[[OcellusError], None] | None,
) -> Iterator[tuple[int, Subject]]:
    """The pictures as the network sees them, each with its number."""
    for number, source in enumerate(images):
        try:
            subject = see(_picture(source, channels))
        except OcellusError as error:
            if passed_over is None:
                raise
            passed_over(error)
            continue
        search.sources[number] = source
        yield number, subject._replace(picture=None)


def _groups(pictures: Iterator[tuple[int, Subject]], most: int) -> Iterator[list[tuple[int, Subject]]]:
    """Neighbours of one size together."""
    for _, same in groupby(pictures, key=lambda entry: (entry[1].images.shape, entry[1].size)):
        group: list[tuple[int, Subject]] = []
        for entry in same:
            group.append(entry)
            if len(group) == most:
                yield group
                group = []
        if group:
            yield group


def _cut(
    search: _Search, units: tuple[int, ...], channels: int, see: View, cutter: Cutter
) -> Iterator[tuple[Patch, int]]:
    """The patches with their ranks, each picture read once."""
    assert search.found is not None
    wanted: dict[int, list[tuple[int, int]]] = {}
    for unit in units:
        for rank, number in enumerate(search.found.pictures[unit].tolist()):
            if number >= 0:
                wanted.setdefault(number, []).append((unit, rank))
    for number in sorted(wanted):
        source = search.sources[number]
        picture = _picture(source, channels)
        if picture.path is None:
            picture = replace(picture, path=f"picture {number}")
        look = cutter.look(see(picture), picture)
        for unit, rank in wanted[number]:
            score = float(search.found.scores[unit, rank])
            yield look(unit, int(search.found.places[unit, rank]), score), rank


def _picture(source: Source, channels: int) -> Picture:
    return source if isinstance(source, Picture) else read_picture(Path(source), channels=channels)


def _liveliest(found: Strongest, most: int) -> tuple[int, ...]:
    """The units with the strongest entries; of equals the first comes first."""
    best = found.scores[:, 0]
    order = best.argsort(descending=True, stable=True).tolist()
    awake = [unit for unit in order if torch.isfinite(best[unit])]
    return tuple(awake[:most] if most else awake)


def _check(config: Config) -> None:
    if config.field not in ("walk", "gradient"):
        raise OcellusError(f"field is {config.field!r}; there is walk, gradient", exit_code=2)
    for name, least in (("top", 1), ("most", 0), ("batch", 1)):
        if getattr(config, name) < least:
            raise OcellusError(f"{name} is {getattr(config, name)}; it is {least} or more", exit_code=2)
    if not 0 < config.share <= 1:
        raise OcellusError(f"share is {config.share:g}; it is above 0 and at most 1", exit_code=2)
