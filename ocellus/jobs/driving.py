"""A video of the road in the colors of its classes, with their shares, calm from frame to frame."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus import catalog
from ocellus.data.video import VideoWriter, is_video, video_frames, video_rate
from ocellus.draw.shares import ShareBar
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, load
from ocellus.values import Picture, Segmentation

EVERY = 5.0
"""Seconds between lines on how far it is."""
MOST = 254
"""Frames that can vote: votes are counted in bytes, the newest before the oldest is taken back."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What is known of a video that was made.

    Args:
        source: the video.
        file: the one that was made.
        frames: how many.
        seconds: reading, network, drawing and writing.
        changes: share of the pixels whose class changes from one frame to the next, as it is drawn.
        changes_before: the same without the vote.
        shares: of the frames' pixels, by class, the largest first.
    """

    source: str
    file: str
    frames: int
    seconds: float
    changes: float
    changes_before: float
    shares: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"frames_per_second": round(self.frames / max(self.seconds, 1e-9), 2)}

    def line(self) -> str:
        """ "road.mp4: 221 frames, 8.1 a second, ... -> out/road.mp4"."""
        most = ", ".join(f"{name} {share:.0%}" for name, share in list(self.shares.items())[:5])
        pace = self.frames / max(self.seconds, 1e-9)
        calm = f"{self.changes:.2%} of the pixels a frame ({self.changes_before:.2%} without the vote)"
        return (
            f"{self.source}: {self.frames} frames, {pace:.1f} a second, {most}; classes change at {calm} "
            f"-> {self.file}"
        )


def driving(
    model: Model | str | Path,
    source: str | Path,
    *,
    out: str | Path = "driving.mp4",
    window: int = 5,
    fill: float = 0.5,
    say: Callable[[str], None] = lambda line: None,
) -> Driven:
    """A video in the colors of its classes, with a bar of their shares.

    Args:
        model: a Model, or what `ocellus.load` takes, that gives every pixel a class.
        source: a video.
        out: the file to write, ending in .mp4, or a folder for it.
        window: frames that vote on a pixel's class, 254 at most; 1: each for itself.
        fill: opacity of the colors, 0 to 1.
        say: is told how far it is.

    Raises:
        OcellusError: no such model or video, another kind of model, or the disk refuses.
    """
    path = Path(source).expanduser()
    if path.exists() and not is_video(path):
        raise OcellusError(f"{path} is no video: `ocellus run` takes pictures and folders", exit_code=2)
    if not 1 <= window <= MOST:
        raise OcellusError(f"--window {window} makes no sense: it takes 1 to {MOST} frames", exit_code=2)
    if not 0 <= fill <= 1:
        raise OcellusError(f"--fill {fill:g} makes no sense: it takes 0 to 1", exit_code=2)
    place = Path(out) if Path(out).suffix.lower() == ".mp4" else Path(out) / f"{path.stem}.mp4"
    if place.resolve() == path.resolve():
        raise OcellusError(f"{path} would be written over itself: give another --out", exit_code=2)
    rate = video_rate(path)
    ready = model if isinstance(model, Model) else load(model)
    if catalog.card(ready.header.system).value != "Segmentation":
        raise OcellusError(
            f"{ready.source} is of {ready.header.system}, which does not give every pixel a class: give a "
            "model such as see/pspnet or see/unet, or use `ocellus run`",
            exit_code=2,
        )
    frames = video_frames(path)
    first = next(frames)  # an error of the video before one of the folder
    start = told = time.perf_counter()
    road = Road(ready, window=window, fill=fill)
    with torch.inference_mode(), VideoWriter(place, rate=rate, preset="veryfast") as video:
        for picture in chain([first], frames):
            video.write(road(picture))
            if time.perf_counter() - told > EVERY:
                told = time.perf_counter()
                say(f"{road.frames} frames, {road.frames / (told - start):.1f} a second")
    seconds = time.perf_counter() - start
    return road.driven(source=str(path), file=str(place), seconds=seconds)


class Road:
    """Draws frame after frame, and counts what is in them.

    Args:
        model: that gives every pixel a class.
        window: frames that vote.
        fill: opacity of the colors.
    """

    def __init__(self, model: Model, *, window: int, fill: float) -> None:
        self.model = model
        self.vote = Vote(window)
        self.bar = ShareBar(model.header.labels, model.header.colors, fill=fill)
        self.before: tuple[Tensor, Tensor] | None = None
        self.frames = 0
        self.counts = torch.zeros(256, dtype=torch.int64)
        self.changed = [0.0, 0.0]

    def __call__(self, picture: Picture) -> Picture:
        """The next frame, drawn."""
        found: Segmentation = self.model(picture)
        raw = found.labels.cpu()
        calm = self.vote(raw, classes=max(len(found.names), int(raw.max()) + 1))
        if self.before is not None and self.before[0].shape == raw.shape:
            for place, (now, then) in enumerate(zip((calm, raw), self.before, strict=True)):
                self.changed[place] += float((now != then).float().mean())
        self.before = calm, raw
        self.frames += 1
        counts = torch.bincount(calm.flatten(), minlength=256)
        self.counts += counts
        return self.bar.draw(picture, calm, counts)

    def driven(self, *, source: str, file: str, seconds: float) -> Driven:
        """The figures of all frames."""
        pairs = max(self.frames - 1, 1)
        total = max(int(self.counts.sum()), 1)
        order = self.counts.argsort(descending=True).tolist()
        names = self.model.header.labels
        shares = {
            names[label] if label < len(names) else str(label): round(int(self.counts[label]) / total, 5)
            for label in order
            if int(self.counts[label])
        }
        return Driven(
            source=source, file=file, frames=self.frames, seconds=round(seconds, 3),
            changes=self.changed[0] / pairs, changes_before=self.changed[1] / pairs, shares=shares,
        )  # fmt: skip


class Vote:
    """The class that most of the last frames give a pixel; of as many votes, the one given last.

    Args:
        window: how many frames vote, 254 at most.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.maps: deque[Tensor] = deque()  # the newest last
        self.counts = torch.zeros(0)

    def __call__(self, labels: Tensor, *, classes: int) -> Tensor:
        """(H, W) uint8 labels of the next frame -> (H, W) uint8 labels after the vote."""
        if self.window == 1:
            return labels
        if self.counts.shape != (classes, *labels.shape):
            self.maps.clear()
            self.counts = torch.zeros(classes, *labels.shape, dtype=torch.uint8)
        self._count(labels, 1)
        self.maps.append(labels)
        if len(self.maps) > self.window:
            self._count(self.maps.popleft(), 255)  # -1 of 256
        counts = self.counts.flatten(1)  # (C, HW)
        most = counts.amax(dim=0)
        winner = labels.flatten().clone()
        # Few pixels have another class now than most frames gave: for those, look back, frame by frame.
        left = (counts.gather(0, winner[None].long())[0] < most).nonzero()[:, 0]
        for earlier in reversed(tuple(self.maps)[:-1]):
            if not len(left):
                break
            given = earlier.flatten()[left]
            won = counts[given.long(), left] == most[left]
            winner[left[won]] = given[won]
            left = left[~won]
        return winner.view_as(labels)

    def _count(self, labels: Tensor, votes: int) -> None:
        index = labels[None].long()
        self.counts.scatter_add_(0, index, torch.full_like(index, votes, dtype=torch.uint8))
