"""What is said, listed and drawn of the class of every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ocellus.data.images import write_picture
from ocellus.draw.segmentation import class_colors, draw_segmentation, draw_uncertainty
from ocellus.errors import OcellusError
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED

MOST_NAMED = 6
"""Classes that a line names."""


def kept(value: Segmentation, *, score: float) -> Segmentation:
    """Itself without the picture: every pixel has a class, whatever its score."""
    return replace(value, picture=None)


def summary(value: Segmentation) -> str:
    """ "road 41 %, car 12 % and 3 more"."""
    return summary_of(value.shares())


def details(value: Segmentation) -> dict[str, Any]:
    """For JSON: the share of the picture that each class covers, and how sure the network was on average."""
    sure = None if value.confidence is None else float(value.confidence.float().mean())
    return details_of(value.shares(), sure)


def draw(picture: Picture, value: Segmentation) -> Picture:
    """The picture with the classes over it, and a legend."""
    return draw_segmentation(picture, value)


def write_labels(value: Segmentation, path: Path) -> None:
    """Write the labels as a PNG whose values are the labels; its palette has the classes' colors.

    Raises:
        OcellusError: the disk refuses.
    """
    image = Image.fromarray(value.labels.numpy(), "P")
    palette = [channel for color in class_colors(value.colors, IGNORED + 1) for channel in color]
    image.putpalette([*palette[: 3 * IGNORED], 255, 255, 255])
    try:
        image.save(path)
    except OSError as error:
        raise OcellusError(
            f"{path} cannot be written ({error.strerror or error}); free some space"
        ) from error


def write_uncertainty(value: Segmentation, path: Path) -> None:
    """Write the map of what the network is unsure of.

    Raises:
        OcellusError: the disk refuses.
    """
    write_picture(draw_uncertainty(value), path)


def summary_of(shares: Mapping[str, float]) -> str:
    """The largest classes and their shares of the picture."""
    named = ", ".join(f"{name} {percent(share)}" for name, share in list(shares.items())[:MOST_NAMED])
    more = len(shares) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named or "nothing"


def details_of(shares: Mapping[str, float], confidence: float | None) -> dict[str, Any]:
    """The shares, and the mean confidence where it is known."""
    found: dict[str, Any] = {"shares": {name: round(share, 6) for name, share in shares.items()}}
    return found if confidence is None else found | {"confidence": round(confidence, 4)}


def percent(share: float) -> str:
    """ "41 %", "0.3 %", "under 0.1 %"."""
    if share >= 0.01:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"
