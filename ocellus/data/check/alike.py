"""Pictures that are nearly the same in two splits: frames of one video, copies of another size or quality.

Each picture is kept as 32 x 32 greys of mean 0 and deviation 1, and compared by correlation. On fifteen
real sets pictures that have nothing to do with each other stay below 0.9, and neighbouring frames of a video
are above 0.98.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ocellus.data.dataset import Finding, Record
from ocellus.data.findings import finding
from ocellus.data.pixels import DEEP, upright

SIDE = 32
ALIKE = 0.98
FLAT = 2.0  # deviation in greys of 255 below which there is nothing to compare
STEPS = 31.0  # of int8 in one deviation; four deviations fit
LARGE_SIDE = 2048  # larger pictures are thinned out before they are averaged, so that no copy of them is made
ROWS = 4096


def glance(image: Image.Image, orientation: int) -> bytes:
    """A decoded picture as 32 x 32 int8, upright, of mean 0 and deviation 31; b"" where it is of one grey."""
    if max(image.size) > LARGE_SIDE:
        image = image.resize(
            (min(image.width, LARGE_SIDE), min(image.height, LARGE_SIDE)), Image.Resampling.NEAREST
        )
    grey = image.convert("F" if image.mode in DEEP else "L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    deviation = float(small.std())
    white = max(255.0, float(small.max()))
    if not deviation > FLAT * white / 255:
        return b""
    scaled = np.clip(np.rint((small - small.mean()) * (STEPS / deviation)), -127, 127).astype(np.int8)
    return upright(torch.from_numpy(scaled)[None], orientation)[0].numpy().tobytes()


def check_alike(
    records: Sequence[tuple[str, Record]], glances: dict[Path, bytes], twins: set[str]
) -> list[Finding]:
    """A finding for each picture that is nearly the same as one of an earlier split.

    Args:
        records: every record with its split, the splits one after the other.
        glances: what `glance` gave for each file.
        twins: files already known to be the same, pixel for pixel, which are left out.
    """
    known = [(split, record) for split, record in records if glances.get(record.image)]
    found: list[Finding] = []
    for split in dict.fromkeys(split for split, _ in known):
        earlier = known[: next(place for place, (other, _) in enumerate(known) if other == split)]
        mine = [record for other, record in known if other == split and str(record.image) not in twins]
        if not earlier or not mine:
            continue
        places, scores = nearest(
            stacked([glances[record.image] for record in mine]),
            stacked([glances[record.image] for _, record in earlier]),
        )
        for record, place, score in zip(mine, places.tolist(), scores.tolist(), strict=True):
            if score >= ALIKE:
                other, like = earlier[place]
                value = f"in {split}, like {like.name} in {other} ({score:.3f})"
                found.append(finding("picture-alike", record.image, value=value))
    return found


def stacked(glances: Sequence[bytes]) -> NDArray[np.int8]:
    """(N, 1024) int8."""
    return np.frombuffer(b"".join(glances), np.int8).reshape(len(glances), SIDE * SIDE)


def nearest(
    queries: NDArray[np.int8], known: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each query (Q, D) the row of `known` (N, D) that correlates most, and how much; block by block."""
    places = np.zeros(len(queries), np.int64)
    scores = np.full(len(queries), -1, np.float32)
    for first in range(0, len(known), ROWS):
        block = unit(known[first : first + ROWS])
        for start in range(0, len(queries), ROWS):
            best, at = (unit(queries[start : start + ROWS]) @ block.T).max(dim=1)
            rows = slice(start, start + len(best))
            better = best.numpy() > scores[rows]
            places[rows] = np.where(better, at.numpy() + first, places[rows])
            scores[rows] = np.where(better, best.numpy(), scores[rows])
    return places, scores


def unit(rows: NDArray[np.int8]) -> torch.Tensor:
    """(N, D) float32 rows of length 1."""
    values = torch.from_numpy(rows.astype(np.float32))
    lengths: torch.Tensor = torch.linalg.vector_norm(values, dim=1, keepdim=True)
    return values / lengths.clamp(min=1)
