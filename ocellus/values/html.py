"""How values show themselves in a notebook: one inline SVG, no script, nothing fetched."""

from __future__ import annotations

import base64
import colorsys
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from ocellus.values.classification import Classification
    from ocellus.values.heatmap import Heatmap
    from ocellus.values.instances import Instances
    from ocellus.values.picture import Picture
    from ocellus.values.segmentation import Segmentation


LONGEST = 1800  # pixels of a picture's longer side in a notebook, twice the 900 it is shown at


def color(index: int) -> tuple[int, int, int]:
    """RGB 0..255 of a class: hues a golden angle apart, so that neighbours differ.

    Eight further on a hue all but comes again: it is darker then, and paler after that.
    """
    saturation, value = ((0.75, 0.95), (0.85, 0.6), (0.4, 1.0))[index // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb((0.58 + index * 0.381966) % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def picture_uri(picture: Picture) -> str:
    """A data URI of the picture as JPEG, made smaller where it is larger than a screen."""
    buffer = io.BytesIO()
    step = max(1, max(picture.size) // (2 * LONGEST))  # of huge pictures only some pixels are looked at
    image = Image.fromarray(picture.pixels[:, ::step, ::step].permute(1, 2, 0).cpu().numpy())
    image.thumbnail((LONGEST, LONGEST))
    image.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def svg(size: tuple[int, int], body: str, picture: Picture | None) -> str:
    """An inline SVG of (H, W) pixels: the picture, or a dark ground, and what is drawn on it."""
    height, width = size
    if picture is not None:
        place = f'width="{width}" height="{height}" preserveAspectRatio="none"'
        back = f'<image href="{picture_uri(picture)}" {place}/>'
    else:
        back = f'<rect width="{width}" height="{height}" fill="#222"/>'
    style = f"max-width:100%;width:{min(width, 900)}px"
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{style}"'
    return f"<svg {frame}>{back}{body}</svg>"


def picture_html(picture: Picture) -> str:
    """The picture alone."""
    return svg(picture.size, "", picture)


def instances_html(instances: Instances) -> str:
    """Masks, boxes and keypoints over the picture, where it was kept; names show under the pointer."""
    parts = []
    thickness = max(instances.size) / 500
    for index in range(len(instances)):
        paint = "rgb({},{},{})".format(*color(int(instances.labels[index])))
        x1, y1, x2, y2 = instances.boxes[index].tolist()
        score = f" {float(instances.scores[index]):.2f}" if instances.scores is not None else ""
        title = f"<title>{escape(instances.name(index))}{score}</title>"
        if instances.masks is not None:
            rings = instances.masks.outlines(index)
            path = " ".join("M" + " ".join(f"{x:g},{y:g}" for x, y in ring) + "Z" for ring in rings)
            parts.append(
                f'<path d="{path}" fill="{paint}" fill-opacity=".45" fill-rule="evenodd">{title}</path>'
            )
        parts.append(
            f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" fill="none" '
            f'stroke="{paint}" stroke-width="{thickness:.1f}">{title}</rect>'
        )
        if instances.keypoints is not None:
            for x, y, visibility in instances.keypoints[index].tolist():
                if visibility > 0:
                    parts.append(
                        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 * thickness:.1f}" fill="{paint}"/>'
                    )
    return svg(instances.size, "".join(parts), instances.picture)


def segmentation_html(found: Segmentation) -> str:
    """Class colors over the picture, where it was kept, and a legend of what there is below it."""
    step = max(1, max(found.size) // LONGEST)
    labels = found.labels[::step, ::step].cpu().numpy()
    palette = np.zeros((256, 4), np.uint8)
    for label in range(255):
        paint = found.colors[label] if label < len(found.colors) else color(label)
        palette[label] = (*paint, 150 if found.picture is not None else 255)
    drawn = svg(found.size, _layer(palette[labels], found.size), found.picture)
    rows = []
    for name, share in list(found.shares().items())[:20]:
        label = found.names.index(name) if name in found.names else int(name)
        shade = "rgb({},{},{})".format(*palette[label][:3])
        chip = f'<span style="display:inline-block;width:.8em;height:.8em;background:{shade}"></span>'
        rows.append(f'<span style="margin-right:1em">{chip} {escape(name)} {share:.1%}</span>')
    return f"<div>{drawn}<div>{''.join(rows)}</div></div>"


def heatmap_html(heat: Heatmap) -> str:
    """The map laid over its picture, where it was kept, and what it is of below it."""
    step = max(1, max(heat.size) // LONGEST)
    drawn = svg(heat.size, _layer(heat.rgba()[::step, ::step], heat.size), heat.picture)
    layer = f" at {escape(heat.layer)}" if heat.layer else ""
    key = "; red speaks for it, blue against it" if heat.signed else ""
    return f"<div>{drawn}<div>{escape(heat.method)} of {escape(heat.target)}{layer}{key}</div></div>"


def classification_html(said: Classification) -> str:
    """The picture, where it was kept, and a bar for each of the likeliest classes."""
    rows = []
    for name, share in said.top(5):
        style = f"display:inline-block;width:{12 * share:.2f}em;height:.8em;background:rgb{color(0)}"
        rows.append(f'<div><span style="{style}"></span> {escape(name)} {share:.1%}</div>')
    drawn = picture_html(said.picture) if said.picture is not None else ""
    return f"<div>{drawn}{''.join(rows)}</div>"


def _layer(pixels: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """(h, w, 4) uint8 RGBA as an image that fills an SVG of (H, W) pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return f'<image href="{uri}" width="{size[1]}" height="{size[0]}" preserveAspectRatio="none"/>'
