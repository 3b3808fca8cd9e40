"""What an evaluation found, as a page shows it; kept beside the run, so that runs can be compared later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ocellus.draw.instances import from_image, to_image
from ocellus.errors import OcellusError
from ocellus.metrics import average_precision
from ocellus.report.measures import KINDS
from ocellus.values import Picture

FOLDER = "evaluation"
"""Where in a run's folder an evaluation is kept."""

PARTS = ("truth", "prediction", "mistakes")
"""The pictures of an example."""

QUALITY = 88
"""JPEG quality of the pictures kept there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Precision over recall, of a class or of all.

    Args:
        name: "all classes", or a class.
        recall: rising, 0 to 1.
        precision: as many, 0 to 1.
    """

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Confusion:
    """How often each class was taken for each.

    Args:
        names: C class names.
        counts: a row for each true class, a column for each predicted one. Of objects (C+1, C+1): the last
            row counts what was found where nothing is, the last column what was missed. Of pixels and of
            pictures (C, C).
        rule: one sentence on when a prediction counts as of an object.
        unit: what was counted, where the shape does not tell: "pictures".
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    rule: str = ""
    unit: str = ""

    @property
    def whole(self) -> bool:
        """Whether all pixels or pictures were counted; there is nothing then that could be missed."""
        return len(self.counts) == len(self.names)

    @property
    def of_pixels(self) -> bool:
        """Whether pixels were counted."""
        return self.whole and self.unit != "pictures"


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """One picture, drawn twice or three times.

    Args:
        name: the picture's.
        score: how well it went, 0 to 1; nan where nothing can be said.
        truth: with what is annotated, drawn; None where nothing is known.
        prediction: with what was found, drawn.
        mistakes: with what is wrong or unsure, drawn, where every pixel has a class.
        why: "best", "worst" or "sample" (chosen by its name alone, the same one for every model).
        note: a few words: "12 of 14 found, 1 false".
    """

    name: str
    score: float
    truth: Picture | None
    prediction: Picture
    mistakes: Picture | None = None
    why: str = "sample"
    note: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Photograph:
    """A picture to show on the page.

    Args:
        picture: as it shall be seen.
        title: what it shows, which is also read aloud to those who do not see it.
        caption: what there is to say about it.
    """

    picture: Picture
    title: str
    caption: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Args:
        metrics: figures by the metric's names, "mask/AP50", "mask/AP/cell"; nan: nothing to measure.
        data: the data set.
        split: its split.
        pictures: how many were looked at.
        seconds: for all of them; 0: not known.
        model: the weights file.
        curves: precision over recall, of all classes first.
        confusion: classes against classes.
        examples: pictures to show.
        reasons: for figures that are nan, why.
        colors: RGB 0..255 of each class, where the data states colors.
    """

    metrics: Mapping[str, float]
    data: str = ""
    split: str = ""
    pictures: int = 0
    seconds: float = 0.0
    model: str = ""
    curves: tuple[Curve, ...] = ()
    confusion: Confusion | None = None
    examples: tuple[Example, ...] = field(default=())
    reasons: Mapping[str, str] = field(default_factory=dict)
    colors: tuple[tuple[int, int, int], ...] = ()


def precision_curves(measured: Sequence[average_precision.Curve]) -> tuple[Curve, ...]:
    """The curves of a measurement that a page shows: at overlap 0.50, of masks where there are any.

    Args:
        measured: what `AveragePrecision.curves` returns; classes without a truth are left out.
    """
    kinds = {curve.kind for curve in measured}
    kind = next((name for name in KINDS if name in kinds), "")
    chosen = [
        Curve(
            name=curve.name or "all classes",
            recall=tuple(curve.recall.tolist()),
            precision=tuple(curve.precision.tolist()),
        )
        for curve in measured
        if curve.kind == kind and curve.overlap == "0.50" and not bool(curve.precision.isnan().all())
    ]
    return tuple(chosen[:1] if len(chosen) == 2 else chosen)


def save(evaluation: Evaluation, folder: Path) -> None:
    """Keep an evaluation in a run's folder, in place of the one before.

    Raises:
        OcellusError: the folder cannot be written to.
    """
    place = folder / FOLDER
    content: dict[str, Any] = {
        key: getattr(evaluation, key) for key in ("data", "split", "pictures", "seconds", "model")
    }
    content["metrics"] = {name: float(value) for name, value in evaluation.metrics.items()}
    content["reasons"] = dict(evaluation.reasons)
    content["colors"] = [list(color) for color in evaluation.colors]
    content["curves"] = [vars(curve) for curve in evaluation.curves]
    content["confusion"] = vars(evaluation.confusion) if evaluation.confusion else None
    content["examples"] = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob("[0-9][0-9][0-9]-*.jpg"):
            old.unlink()
        for number, example in enumerate(evaluation.examples):
            entry = {key: getattr(example, key) for key in ("name", "score", "why", "note")}
            for part in PARTS:
                picture = getattr(example, part)
                if picture is not None:
                    entry[part] = f"{number:03d}-{part}.jpg"
                    to_image(picture).save(place / entry[part], quality=QUALITY)
            content["examples"].append(entry)
        temporary = place / "evaluation.json.writing"
        temporary.write_text(json.dumps(content, ensure_ascii=False, default=_plain), encoding="utf-8")
        temporary.replace(place / "evaluation.json")
    except OSError as error:
        raise OcellusError(
            f"{place} cannot be written ({error.strerror}); free some space, or name another place"
        ) from error


def load(folder: Path) -> Evaluation | None:
    """The evaluation kept in a run's folder, or None where there is none.

    Raises:
        OcellusError: it is damaged; evaluating again writes it anew.
    """
    path = folder / FOLDER / "evaluation.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        examples = [
            Example(
                **{**entry, "truth": None}
                | {part: _picture(path.parent / entry[part]) for part in PARTS if part in entry}
            )
            for entry in content.pop("examples")
        ]
        curves = [
            Curve(name=curve["name"], recall=tuple(curve["recall"]), precision=tuple(curve["precision"]))
            for curve in content.pop("curves")
        ]
        table = content.pop("confusion")
        confusion = None
        if table:
            counts = tuple(tuple(row) for row in table["counts"])
            unit = table.get("unit", "")
            confusion = Confusion(names=tuple(table["names"]), counts=counts, rule=table["rule"], unit=unit)
        content["colors"] = tuple(tuple(color) for color in content.get("colors", ()))
        return Evaluation(**content, examples=tuple(examples), curves=tuple(curves), confusion=confusion)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OcellusError(f"{path} is damaged ({error}); `ocellus evaluate` writes it anew") from error


def _picture(path: Path) -> Picture:
    with Image.open(path) as image:
        return from_image(image.convert("RGB"))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)) or hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in an evaluation; plain numbers, tuples and text are wanted")
