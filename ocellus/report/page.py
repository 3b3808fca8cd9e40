"""From values to one HTML file: templates, inline pictures, and a write that is whole or not at all."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ocellus.draw.instances import to_image
from ocellus.errors import OcellusError
from ocellus.report import measures
from ocellus.values import Picture

TEMPLATES = Path(__file__).parent / "templates"

BUDGET = 1_900_000
"""Bytes of all pictures of a page, before they are written as text, which takes a third more."""

LEVELS = ((960, 86), (640, 82), (480, 76), (360, 70), (240, 60), (160, 45))
"""(longer side in pixels, JPEG quality) from the best to the smallest that pictures are put in with."""


class Pictures:
    """The pictures of a page as data URIs that stay within a budget.

    Args:
        pictures: every picture the page will show.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        for longest, quality in LEVELS:
            encoded = {id(picture): _jpeg(picture, longest, quality) for picture in pictures}
            if sum(map(len, encoded.values())) <= BUDGET:
                break
        self._uris = {
            key: "data:image/jpeg;base64," + base64.b64encode(data).decode() for key, data in encoded.items()
        }
        self._kept = list(pictures)  # so that no other picture takes the place of one of them in memory

    def __call__(self, picture: Picture) -> str:
        """The data URI of one of them."""
        return self._uris[id(picture)]


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template filled in; every value is escaped unless it is markup of ours."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = measures.number
    environment.filters["title_of"] = measures.title
    return environment.get_template(template).render(
        **values, version=version("ocellus"), date=f"{datetime.now().astimezone():%d %B %Y, %H:%M}"
    )


def write_page(path: Path, text: str) -> Path:
    """Write a page, whole or not at all.

    Raises:
        OcellusError: the folder cannot be written to.
    """
    temporary = path.with_name(path.name + ".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OcellusError(
            f"{path} cannot be written ({error.strerror}); free some space, or name another place"
        ) from error
    return path


def _jpeg(picture: Picture, longest: int, quality: int) -> bytes:
    image = to_image(picture)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
