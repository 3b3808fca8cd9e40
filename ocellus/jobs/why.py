"""Why a network said something of one picture: the answer, its maps, and how far they can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import torch

from ocellus.errors import OcellusError
from ocellus.jobs.answers import answers_of, score_of
from ocellus.jobs.explain_measures import BOX_SHARE, check_of, curves_of, placed
from ocellus.jobs.explainable import Explainable
from ocellus.jobs.explaining import Method
from ocellus.nn.hooks import untouched
from ocellus.report.explanations import Explained, Explanation
from ocellus.values import Heatmap, Picture

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every picture.

    Args:
        methods: in the order they are shown.
        target: which answer is explained.
        layer: the layer that is looked at; "": each method's own choice.
        measure: insertion, deletion, and of the first picture the check with thrown weights.
        truth: boxes x1, y1, x2, y2 of the object, in pixels of the picture.
    """

    methods: tuple[Method, ...]
    target: str = "top"
    layer: str = ""
    measure: bool = False
    truth: tuple[Box, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Why:
    """Why a network said something of one picture.

    Args:
        picture: the picture's path, or its place in a video ("clip.mp4#12").
        explained: the answer and the maps.
        seconds: of all methods together, without drawing and measuring.
        files: of each method, by what they hold: "overlay", "values".
    """

    picture: str
    explained: Explained
    seconds: float
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def heatmaps(self) -> dict[str, Heatmap]:
        """The maps by method."""
        return {one.heat.method: one.heat for one in self.explained.explanations}

    def line(self) -> str:
        """ "cat.jpg: class tabby; Grad-CAM at layer4, Occlusion (1.20 s)"."""
        parts = [
            f"{one.title}{f' at {one.heat.layer}' if one.heat.layer else ''}"
            for one in self.explained.explanations
        ]
        return f"{self.picture}: {self.explained.target}; {', '.join(parts)} ({self.seconds:.2f} s)"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: places as x, y in pixels, boxes around what is above a fifth of the largest value."""
        return {
            "picture": self.picture,
            "size": list(self.explained.picture.size),
            "target": self.explained.target,
            "answers": [[name, round(share, 6)] for name, share in self.explained.answers],
            "seconds": round(self.seconds, 4),
            "methods": [
                _facts(one, self.files.get(one.heat.method, {})) for one in self.explained.explanations
            ],
        }

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<div style="display:inline-block;width:320px;margin:4px">{one.heat._repr_html_()}</div>'
            for one in self.explained.explanations
        )
        return f"<div>{cells}</div>"


def reason(
    ready: Explainable,
    picture: Picture,
    question: Question,
    *,
    check: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Why:
    """Explain one picture.

    Args:
        ready: the network; left as it was.
        picture: to look at.
        question: what is asked.
        check: where it is to be measured, make the check with thrown weights too.
        say: is told of methods that cannot explain this network, where another one can.

    Raises:
        OcellusError: nothing can be explained of it.
    """
    network, layer = ready.network, question.layer
    errors: list[OcellusError] = []
    found: list[Explanation] = []
    scale = ""
    with told(picture):
        subject = ready.subject(picture)
        answers = answers_of(ready, subject)
        asked = score_of(question.target, ready, answers)
        with untouched(network), torch.no_grad():
            score = asked.ask(network, subject).settled  # found once, the same for all methods
        for method in question.methods:
            start = time.perf_counter()
            try:
                heat = method.explain(
                    network, subject, layer=layer or None, score=score, config=method.config
                )
            except OcellusError as error:
                errors.append(error)
                continue
            figures = {"seconds": time.perf_counter() - start}
            one = Explanation(title=method.title, heat=heat, figures=figures)
            if question.truth:
                one = replace(one, figures=placed(heat, question.truth) | figures)
            if question.measure:
                curves, scale = curves_of(network, subject, score, answers, heat)
                thrown = check_of(network, subject, score, method, layer=layer) if check else None
                one = replace(one, curves=curves, randomisation=thrown)
            found.append(one)
    if not found:
        raise errors[0]
    for passed in errors:
        say(f"passed over: {passed}")
    return Why(
        picture=picture.path or "picture",
        explained=Explained(
            name=picture.path or "picture", picture=picture, target=score.text, answers=answers.top,
            explanations=tuple(found), scale=scale,
        ),
        seconds=sum(one.figures["seconds"] for one in found),
    )  # fmt: skip


@contextmanager
def told(picture: Picture) -> Iterator[None]:
    """A network that fails on a picture is told of in one line.

    Raises:
        OcellusError: it failed.
    """
    try:
        yield
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        height, width = picture.size
        line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        message = f"the network fails on {picture.path or 'the picture'} ({width}x{height}): {line}"
        raise OcellusError(f"{message}; it may want another size, or square pictures") from error


def _facts(one: Explanation, files: Mapping[str, str]) -> dict[str, Any]:
    """One method's map for JSON."""
    heat = one.heat
    row, column = heat.peak()
    box = heat.box(BOX_SHARE)
    names = ("deletion", "insertion", "likeness", *one.figures)
    figures = {name: one.figure(name) for name in names}
    return {
        "method": heat.method,
        "layer": heat.layer,
        "signed": heat.signed,
        "low": float(heat.values.amin()),
        "high": float(heat.values.amax()),
        "peak": [column, row],
        "box": None if box is None else box.tolist(),
        **{name: round(value, 6) for name, value in figures.items() if isfinite(value)},
        **({"unchanged": one.randomisation.unchanged} if one.randomisation is not None else {}),
        **files,
    }
