"""Cut a subject out of photos and videos, blur what is behind it, or put it before another background."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus import catalog
from ocellus.data.images import read_picture
from ocellus.data.sources import resolve
from ocellus.data.video import is_video
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, check_score, load
from ocellus.jobs.portrait_files import targets, write
from ocellus.jobs.portrait_video import film
from ocellus.jobs.subjects import subject_label, subject_mask
from ocellus.values import Picture

SYSTEM = "imagine/portrait"
SOME = 0.5
"""A subject is there where a place is more surely of it than not."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is made of a picture; checked when it is used.

    Args:
        mode: "cutout", "blur" or "replace".
        background: for replace: a picture or an RGB color.
        strength: of the blur, 1 is usual.
        spill: how much of the old background's color is taken out of the edge, 0 to 1; None: as the mode
            wants.
        depth: the blur grows away from the subject and upwards.
    """

    mode: str = "cutout"
    background: Picture | tuple[int, int, int] | None = None
    strength: float = 1.0
    spill: float | None = None
    depth: bool = False

    def compose(self, picture: Picture, alpha: Tensor, *, scale: float = 1.0) -> Picture:
        """The picture as it is wanted; see `ocellus.imagine.portrait.compose`.

        Raises:
            OcellusError: a setting makes no sense. Exit code 2.
        """
        made: Picture = catalog.system(SYSTEM).compose(
            picture, alpha, mode=self.mode, background=self.background, strength=self.strength,
            spill=self.spill, depth=self.depth, scale=scale,
        )  # fmt: skip
        return made


@dataclass(frozen=True, kw_only=True)
class Made:
    """One picture or video that was made.

    Args:
        source: the file it was made of.
        file: where it is.
        subject: the class that was kept.
        share: of the picture, or of all frames, that the subject covers.
        seconds: reading, network, composing and writing.
        frames: of a video; 0 of a picture.
        flicker: of a video: mean change of alpha where the picture does not change, as it is written.
        flicker_before: without temporal smoothing.
    """

    source: str
    file: str
    subject: str
    share: float
    seconds: float
    frames: int = 0
    flicker: float | None = None
    flicker_before: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def line(self) -> str:
        """ "selfie.jpg: person, 31 % of the picture (0.21 s) -> out/selfie.png"."""
        took = f"{self.seconds:.2f} s"
        if self.frames:
            took = f"{self.frames} frames, {self.frames / max(self.seconds, 1e-9):.1f} a second"
            if self.flicker is not None and self.flicker_before is not None:
                took += f", flicker {self.flicker:.4f} ({self.flicker_before:.4f} without smoothing)"
        return f"{self.source}: {self.subject}, {self.share:.0%} of the picture ({took}) -> {self.file}"


def portrait(
    model: Model | str | Path,
    source: str | Path | Sequence[str],
    *,
    look: Look | None = None,
    subject: str = "",
    out: str | Path = "portrait",
    smooth: bool = True,
    score: float = 0.5,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Made]:
    """Pictures and videos with their subject cut out, or before another background.

    Args:
        model: a Model, or what `ocellus.load` takes; of any system with masks.
        source: a picture, video, folder or pattern; or several.
        look: what is made; None: cut-outs.
        subject: a class of the model; empty: person, or its only one.
        out: a folder, made where it is not there; or for one source a file, ending in .png, .jpg or .mp4.
        smooth: hold alpha still in videos where the picture holds still.
        score: of objects, those below it are left out.
        say: is told of pictures without the subject, or that cannot be read, which are passed over.

    Returns:
        An iterator: one `Made` a picture or video, when it is done. It raises an OcellusError where none was
        made.

    Raises:
        OcellusError: no such model, source or subject, or a setting that makes no sense.
    """
    check_score(score)
    look = look or Look()
    look.compose(Picture(pixels=torch.zeros(3, 1, 1, dtype=torch.uint8)), torch.zeros(1, 1))  # checks it
    names = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    files = [item for name in names for item in resolve(name)]
    places = targets(files, Path(out), mode=look.mode)
    ready = model if isinstance(model, Model) else load(model)
    label = subject_label(ready, subject)
    maker = Maker(ready, label, look, score=score, smooth=smooth)
    return made(files, places, maker, say=say)


def made(
    files: Sequence[Path | int], places: Sequence[Path], maker: Maker, *, say: Callable[[str], None]
) -> Iterator[Made]:
    """What `portrait` returns.

    Raises:
        OcellusError: none could be made.
    """
    errors: list[OcellusError] = []
    for file, place in zip(files, places, strict=True):
        try:
            if isinstance(file, int) or is_video(file):
                yield maker.video(file, place)
            else:
                yield maker.picture(file, place)
        except OcellusError as error:
            if len(files) == 1 or error.exit_code == 2:
                raise
            errors.append(error)
            say(f"passed over: {error}")
    if len(errors) == len(files):
        raise OcellusError(f"none of {len(files)} pictures and videos could be made")


class Maker:
    """Makes pictures and videos of one look with one model.

    Args:
        model: with masks.
        label: of the subject.
        look: what is made.
        score: of objects, those below it are left out.
        smooth: hold alpha still in videos.
    """

    def __init__(self, model: Model, label: int, look: Look, *, score: float, smooth: bool) -> None:
        self.model = model
        self.label = label
        self.look = look
        self.score = score
        self.smooth = smooth
        self.subject = model.header.labels[label] if label < len(model.header.labels) else str(label)

    def mask(self, picture: Picture) -> Tensor:
        """(h, w) in [0, 1], how surely each place is of the subject."""
        return subject_mask(self.model, picture, self.label, score=self.score)

    def picture(self, file: Path, place: Path) -> Made:
        """Make one picture of another.

        Raises:
            OcellusError: it cannot be read or written, or the subject is not in it.
        """
        start = time.perf_counter()
        picture = read_picture(file)
        mask = self.mask(picture)
        if float(mask.max()) < SOME:
            raise OcellusError(
                f"{file}: the model finds no {self.subject} in it; `ocellus run {self.model.source} {file}` "
                "shows what it finds"
            )
        with torch.inference_mode():
            alpha = catalog.system(SYSTEM).refine(picture, mask)
            write(self.look.compose(picture, alpha), place)
        seconds = time.perf_counter() - start
        share = float(alpha.mean())
        return Made(source=str(file), file=str(place), subject=self.subject, share=share, seconds=seconds)

    def video(self, file: Path | int, place: Path) -> Made:
        """Make a video of a video or a camera.

        Raises:
            OcellusError: it cannot be read or written.
        """
        start = time.perf_counter()
        with torch.inference_mode():
            filmed = film(file, place, mask=self.mask, compose=self.look.compose, smooth=self.smooth)
        return Made(
            source=f"camera {file}" if isinstance(file, int) else str(file),
            file=str(place),
            subject=self.subject,
            share=filmed.share,
            seconds=time.perf_counter() - start,
            frames=filmed.frames,
            flicker=filmed.flicker if isfinite(filmed.flicker) else None,
            flicker_before=filmed.flicker_before if isfinite(filmed.flicker_before) else None,
        )
