"""Cutting out of a picture what a unit sees at a place."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.receptive_field import Box, Field, gradient_box, receptive_field
from ocellus.nn.subject import Subject, on_picture
from ocellus.nn.units import unit_maps
from ocellus.values import Patch, Picture

NEARLY = 1e-6
"""Pixels: what a side may be off by rounding before it counts as one more."""


class Cutter:
    """Cuts patches of one layer; the receptive field is found once for each size of picture.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        layer: the name of a module that puts out maps.
        field: "walk" or "gradient".
        share: of the gradient that a box holds.
    """

    def __init__(self, network: nn.Module, layer: str, *, field: str, share: float) -> None:
        self.network, self.layer, self.field, self.share = network, layer, field, share
        self.fields: dict[tuple[int, ...], Field] = {}
        self.side = (0, 0)
        self.remarks: tuple[str, ...] = ()

    def look(self, subject: Subject, picture: Picture) -> Callable[[int, int, float], Patch]:
        """A function that cuts patches out of one picture: `cut(unit, place, score)`.

        Args:
            subject: the picture as the network sees it.
            picture: as it was given.
        """
        maps = unit_maps(self.network, subject, self.layer)

        def cut(unit: int, place: int, score: float) -> Patch:
            row, column = divmod(place, maps.shape[3])
            box = within(self._box(subject, unit, row, column), subject)
            x1, y1, x2, y2 = box
            own = maps[:, unit].float()
            low = min(0.0, float(own.amin()))
            height = max(float(own[0, row, column]) - low, 1e-12)
            awake: Tensor = ((on_picture(own, subject)[0].cpu() - low) / height).clamp(0, 1)
            return Patch(
                unit=unit, score=score, place=(row, column), box=box, path=str(picture.path or ""),
                picture=Picture(pixels=picture.pixels[:, y1:y2, x1:x2].clone(), path=picture.path),
                awake=awake[y1:y2, x1:x2].contiguous(),
            )  # fmt: skip

        return cut

    def _box(self, subject: Subject, unit: int, row: int, column: int) -> Box:
        field = self._field(subject)
        if self.field == "gradient" or field is None:
            box = gradient_box(self.network, subject, self.layer, place=(unit, row, column), share=self.share)
            if box != (0, 0, 0, 0):
                return box
        # No gradient comes back where a unit's value is that of its bias alone: then all that it can see.
        height, width = subject.images.shape[2:]
        return field.box(row, column) if field is not None else (0, 0, width, height)

    def _field(self, subject: Subject) -> Field | None:
        """The receptive field; None where it cannot be followed and the gradient is asked for."""
        key = tuple(subject.images.shape[2:])
        if key not in self.fields:
            try:
                found = receptive_field(self.network, subject, self.layer)
            except OcellusError:
                if self.field == "gradient":
                    return None
                raise
            self.fields[key] = found
            self.side = (max(self.side[0], found.side[0]), max(self.side[1], found.side[1]))
            self.remarks = tuple(dict.fromkeys((*self.remarks, *found.remarks)))
        return self.fields[key]


def within(box: Box, subject: Subject) -> Box:
    """A box of the network's input in whole pixels of the picture itself, rounded outwards; 1 pixel at least.

    Args:
        box: x1, y1, x2, y2.
        subject: what it is in.
    """
    found: list[tuple[int, int]] = []
    for first, last, seen, own in (
        (box[0], box[2], subject.size[1], subject.picture_size[1]),
        (box[1], box[3], subject.size[0], subject.picture_size[0]),
    ):
        scale = own / seen
        start = min(max(floor(first * scale + NEARLY), 0), own - 1)
        end = min(max(ceil(last * scale - NEARLY), start + 1), own)
        found.append((start, end))
    return found[0][0], found[1][0], found[0][1], found[1][1]
