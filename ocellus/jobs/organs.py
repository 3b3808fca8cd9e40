"""Lungs and heart of chest X-rays: where, how large, and the cardiothoracic ratio. Not a medical device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocellus import catalog
from ocellus.data.images import read_picture, write_picture
from ocellus.data.sources import resolve
from ocellus.data.video import is_video
from ocellus.draw.measures import Label, Span, draw_spans
from ocellus.draw.segmentation import class_colors, draw_segmentation
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, load
from ocellus.metrics.chest import Organs, measure
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED

NOTICE = "not a medical device"
NAMES = {
    "left lung": ("left_lung", "left lung", "lung_left", "lung left", "left"),
    "right lung": ("right_lung", "right lung", "lung_right", "lung right", "right"),
    "heart": ("heart", "cardiomediastinum", "mediastinum", "cardiac"),
}
"""What a structure is called by the data sets that have it."""
HEART, THORAX = (255, 92, 92), (255, 236, 120)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An X-ray and what was measured in it.

    Args:
        picture: its path.
        organs: what was measured.
        seconds: reading, network and measuring.
        drawing: the file it was drawn into.
    """

    picture: str
    organs: Organs
    seconds: float
    drawing: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        organs = self.organs
        parts = {
            name: {"pixels": organs.areas[name], "share": round(organs.shares[name], 5)}
            for name in organs.areas
        }
        spans = {
            name: {"pixels": right - left, "left": left, "right": right, "row": row}
            for name, (left, right, row) in (("heart_width", organs.heart), ("thorax_width", organs.thorax))
        }
        return {
            "picture": self.picture,
            "organs": parts,
            **spans,
            "cardiothoracic_ratio": round(organs.ratio, 4),
            "mirrored": organs.mirrored,
            "drawing": self.drawing,
            "seconds": round(self.seconds, 4),
            "notice": NOTICE,
        }

    def line(self) -> str:
        """ "chest.jpg: left lung 31,200 px (12.1 %), ..., cardiothoracic ratio 0.48 = 131 / 273 px (...)"."""
        organs = self.organs
        parts = [f"{name} {area:,} px ({organs.shares[name]:.1%})" for name, area in organs.areas.items()]
        heart, thorax = (right - left for left, right, _ in (organs.heart, organs.thorax))
        parts.append(f"cardiothoracic ratio {organs.ratio:.2f} = {heart} / {thorax} px")
        if organs.mirrored:
            parts.append("the left lung lies on the left: the picture may be mirrored")
        return f"{self.picture}: {', '.join(parts)} ({NOTICE})"


def organs(
    model: Model | str | Path,
    source: str | Path | Sequence[str],
    *,
    out: str | Path = "organs",
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Measured]:
    """Chest X-rays in color, measured. Not a medical device.

    Args:
        model: a Model, or what `ocellus.load` takes; its classes are both lungs and the heart.
        source: a picture, folder or pattern; or several.
        out: folder for the drawings.
        say: is told of pictures where a structure is missing, or that cannot be read; they are passed over.

    Returns:
        An iterator: one `Measured` a picture. It raises an OcellusError where none could be measured.

    Raises:
        OcellusError: no such model or source, or the model has other classes.
    """
    names = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    files = []
    for item in (item for name in names for item in resolve(name)):
        if isinstance(item, int) or is_video(item):
            raise OcellusError(f"{item} is no X-ray: give pictures", exit_code=2)
        files.append(item)
    ready = model if isinstance(model, Model) else load(model)
    labels = structures(ready)
    return measured(files, ready, labels, Path(out), say=say)


def measured(
    files: Sequence[Path], model: Model, labels: dict[str, int], out: Path, *, say: Callable[[str], None]
) -> Iterator[Measured]:
    """What `organs` returns.

    Raises:
        OcellusError: none could be measured.
    """
    errors: list[OcellusError] = []
    taken: set[str] = set()
    for file in files:
        start = time.perf_counter()
        try:
            picture = read_picture(file)
            found: Segmentation = model(picture)
            numbers = measure(found, labels, name=str(file))
            seconds = time.perf_counter() - start
            stem, number = file.stem, 2
            while stem in taken:
                stem, number = f"{file.stem}-{number}", number + 1
            taken.add(stem)
            drawing = out / f"{stem}.png"
            write_picture(draw_organs(picture, found, numbers, labels=labels), drawing)
            yield Measured(picture=str(file), organs=numbers, seconds=seconds, drawing=str(drawing))
        except OcellusError as error:
            if len(files) == 1:
                raise
            errors.append(error)
            say(f"passed over: {error}")
    if len(errors) == len(files):
        raise OcellusError(f"none of {len(files)} pictures could be measured")


def structures(model: Model) -> dict[str, int]:
    """The model's label of each structure.

    Raises:
        OcellusError: it does not give every pixel a class, or has no such classes. Exit code 2.
    """
    if catalog.card(model.header.system).value != "Segmentation":
        raise OcellusError(
            f"{model.source} is of {model.header.system}, which does not give every pixel a class: give a "
            "model such as see/unet, trained on lungs and heart",
            exit_code=2,
        )
    known = {name.lower(): label for label, name in enumerate(model.header.labels)}
    found = {
        part: next((known[name] for name in names if name in known), -1) for part, names in NAMES.items()
    }
    if missing := [part for part, label in found.items() if label < 0]:
        raise OcellusError(
            f"{model.source} knows {', '.join(model.header.labels[:12])}, and no {' and no '.join(missing)}: "
            "wanted are left_lung, right_lung and heart (or cardiomediastinum)",
            exit_code=2,
        )
    return found


def draw_organs(picture: Picture, found: Segmentation, numbers: Organs, *, labels: dict[str, int]) -> Picture:
    """The X-ray in the colors of its structures, with both widths and their ratio."""
    heart, thorax = (right - left for left, right, _ in (numbers.heart, numbers.thorax))
    spans = (
        Span(*numbers.heart, text=f"heart width {heart} px", color=HEART),
        Span(*numbers.thorax, text=f"thorax width {thorax} px", color=THORAX),
    )
    title = f"cardiothoracic ratio {numbers.ratio:.2f} · {NOTICE}"
    colors = class_colors(found.colors, IGNORED)
    notes = [
        Label(*numbers.middles[part], text=f"{part} {area:,} px", color=colors[labels[part]])
        for part, area in numbers.areas.items()
    ]
    colored = draw_segmentation(picture, found, fill=0.35, legend=False)
    return draw_spans(colored, spans, labels=notes, title=title)
