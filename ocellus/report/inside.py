"""One page that goes through a network: a picture for each inner tensor, low level to high level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocellus.report import page
from ocellus.values import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Tile:
    """One tensor, drawn.

    Args:
        name: of it: "backbone.stages.0.1", "P3".
        picture: what it looks like.
        shape: "1x64x56x56".
        note: a few words: the kind of module, the range of the values.
    """

    name: str
    picture: Picture
    shape: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Tensors that belong together.

    Args:
        title: what they are.
        about: what can be seen, in a sentence or two.
        tiles: in order.
    """

    title: str
    about: str
    tiles: tuple[Tile, ...]


def write_inside(path: Path | str, parts: Sequence[Part], *, model: str, name: str, about: str = "") -> Path:
    """Write one HTML page.

    Args:
        path: the page to write; a folder: inside.html in it.
        parts: from the picture to the answer.
        model: the network's name.
        name: the picture's.
        about: what the network is, in a sentence.

    Returns:
        The page's path.

    Raises:
        OcellusError: the place cannot be written to.
    """
    path = Path(path)
    path = path / "inside.html" if path.is_dir() or not path.suffix else path
    shown = [part for part in parts if part.tiles]
    values = {
        "title": f"Inside {Path(model).name}",
        "name": name,
        "about": about,
        "parts": shown,
        "uri": page.Pictures([tile.picture for part in shown for tile in part.tiles]),
    }
    return page.write_page(path, page.render("inside.html", values))
