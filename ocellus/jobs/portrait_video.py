"""Videos frame by frame: mask, alpha held still, composed, written; as fast as two cores allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ocellus import catalog
from ocellus.data.video import FALLBACK_RATE, VideoWriter, camera_frames, video_frames, video_rate
from ocellus.errors import OcellusError
from ocellus.nn import matting
from ocellus.values import Picture

WORKING = 640
"""Pixels of the longer side at which alpha, blur and colors of a frame are computed."""
PRESET = "veryfast"
"""Of x264: its usual preset takes longer than everything else here together."""
COARSE = 2
"""Every so many-th pixel of a row and column counts in the figures of flicker."""


class Compose(Protocol):
    """Makes a frame of a frame and its alpha."""

    def __call__(self, picture: Picture, alpha: Tensor, *, scale: float) -> Picture: ...


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """What is known of a video that was made.

    Args:
        frames: how many.
        share: of the frames' pixels that the subject covers.
        flicker: mean change of alpha from frame to frame where the picture does not change; nan where it
            always does.
        flicker_before: the same without smoothing.
    """

    frames: int
    share: float
    flicker: float
    flicker_before: float


def film(
    source: Path | int,
    place: Path,
    *,
    mask: Callable[[Picture], Tensor],
    compose: Compose,
    smooth: bool = True,
) -> Filmed:
    """Make a video of a video.

    Args:
        source: the file, or a camera's number.
        place: the file to write, .mp4.
        mask: (h, w) in [0, 1] of a frame, how surely each place is of the subject.
        compose: makes each frame.
        smooth: hold alpha still where the picture holds still.

    Raises:
        OcellusError: the source cannot be read or has no frames, or the disk refuses.
    """
    rate = FALLBACK_RATE if isinstance(source, int) else video_rate(source)
    alphas = Alphas(mask, smooth=smooth)
    with VideoWriter(place, rate=rate, preset=PRESET) as video:
        for picture in camera_frames(source) if isinstance(source, int) else video_frames(source):
            alpha, scale = alphas(picture)
            video.write(compose(picture, alpha, scale=scale))
    if not alphas.frames:
        raise OcellusError(f"{source} is a video without frames; copy or record it again")
    return alphas.filmed()


class Alphas:
    """Alpha of a video's frames, one after the other, and how calm it is.

    Args:
        mask: of a frame.
        smooth: hold alpha still where the picture holds still.
    """

    def __init__(self, mask: Callable[[Picture], Tensor], *, smooth: bool) -> None:
        self.mask = mask
        self.keep = 0.85 if smooth else 0.0
        self.seen: matting.LastFrame | None = None
        self.raw: Tensor | None = None
        self.frames = 0
        self.covered = 0.0
        self.calm: list[float] = []
        self.unrest: list[float] = []

    def __call__(self, picture: Picture) -> tuple[Tensor, float]:
        """(h, w) alpha of the next frame, and its size as a share of the frame's."""
        scale = min(1.0, WORKING / max(picture.size))
        raw = catalog.system("imagine/portrait").refine(picture, self.mask(picture), scale=scale)[None, None]
        size = (int(raw.shape[2]), int(raw.shape[3]))
        images = matting.resized(picture.pixels[None], size).float() / 255
        before = self.seen
        alpha, self.seen = matting.smoothed(raw, images, before, keep=self.keep)
        if before is not None and self.raw is not None and before.alpha.shape == alpha.shape:
            now, then = _thinned(images), _thinned(before.images)
            self.calm.append(matting.flicker(_thinned(alpha), _thinned(before.alpha), now, then))
            self.unrest.append(matting.flicker(_thinned(raw), _thinned(self.raw), now, then))
        self.raw = raw
        self.frames += 1
        self.covered += float(alpha.mean())
        return alpha[0, 0], scale

    def filmed(self) -> Filmed:
        """The figures of all frames so far."""
        return Filmed(
            frames=self.frames,
            share=self.covered / max(self.frames, 1),
            flicker=_mean(self.calm),
            flicker_before=_mean(self.unrest),
        )


def _thinned(values: Tensor) -> Tensor:
    return values[:, :, ::COARSE, ::COARSE]


def _mean(values: list[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return float(torch.tensor(known).mean()) if known else nan
