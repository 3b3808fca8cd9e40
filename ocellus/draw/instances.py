"""Objects drawn into their picture: masks, boxes, keypoints and labels that stay readable."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ocellus.draw.chips import Color, chip_size, place_chips
from ocellus.draw.shapes import DARK, mask_window, paint_box, paint_line, paint_mask
from ocellus.errors import OcellusError
from ocellus.values import Instances, Picture
from ocellus.values.html import color as class_color

PARTS = ("masks", "boxes", "keypoints", "labels")
"""What can be shown of an object."""

CROWD_COLOR: Color = (150, 156, 166)

LABEL_SHARE = 0.14
"""Labels say as much as covers no more than this share of the picture."""


def draw_instances(
    picture: Picture,
    instances: Instances,
    *,
    score_threshold: float = 0.0,
    point_threshold: float = 0.0,
    show: Sequence[str] = PARTS,
    colors: str | Sequence[Color] = "auto",
    fill: float = 0.42,
    longest: int | None = None,
) -> Picture:
    """A copy of the picture with the objects drawn into it.

    Lines and letters scale with the drawn picture. Large objects are painted first, so that small ones on top
    of them stay visible; the surest are labelled first, and labels shorten where there are many.

    Args:
        picture: what the objects were seen in.
        instances: the objects; a score below the threshold hides one, annotations have none and are drawn.
        score_threshold: 0 to 1.
        point_threshold: keypoints are drawn where their visibility, or score, is above it.
        show: which of "masks", "boxes", "keypoints" and "labels".
        colors: "class", "object", "auto" (by object where all are of one class), or RGB of each object.
        fill: opacity of the masks, 0 to 1.
        longest: pixels of the longer side to draw at; None: as large as the picture is.

    Raises:
        OcellusError: a word in `show` or `colors` that there is not.
        ValueError: the objects are of a picture of another size, or there are more or fewer colors.
    """
    _check(picture, instances, show, colors)
    scale = 1.0 if longest is None else longest / max(picture.size)
    canvas = to_image(picture, scale=scale)
    instances = instances.to("cpu")
    kept = _kept(instances, score_threshold)
    chosen = instances[kept]
    if len(chosen):
        if isinstance(colors, str):
            paints = object_colors(chosen, colors)
        else:
            paints = [colors[index] for index in kept.tolist()]
        _paint(canvas, chosen, paints, show=show, scale=scale, fill=fill)
        if "keypoints" in show and chosen.keypoints is not None:
            _paint_points(canvas, chosen, paints, scale=scale, threshold=point_threshold)
        if "labels" in show:
            _paint_labels(canvas, chosen, paints, scale=scale)
    return from_image(canvas, path=picture.path)


def to_image(picture: Picture, *, scale: float = 1.0) -> Image.Image:
    """A picture as a Pillow image of its own, resized by a factor."""
    image = Image.fromarray(picture.pixels.permute(1, 2, 0).contiguous().cpu().numpy())
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS)


def from_image(image: Image.Image, *, path: str | None = None) -> Picture:
    """An RGB Pillow image as a picture."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return Picture(pixels=pixels, path=path)


def object_colors(instances: Instances, colors: str = "auto") -> list[Color]:
    """RGB of each object, by its class or its own.

    Args:
        instances: N objects.
        colors: "class", "object" or "auto": by object where all are of one class and no other is known.
    """
    one_class = len(instances.names) <= 1 and len(set(instances.labels.tolist())) <= 1
    by_object = colors == "object" or (colors == "auto" and one_class)
    crowd = instances.crowd if instances.crowd is not None else torch.zeros(len(instances), dtype=torch.bool)
    return [
        CROWD_COLOR if bool(crowd[index]) else class_color(index if by_object else int(label))
        for index, label in enumerate(instances.labels.tolist())
    ]


def line_width(size: tuple[int, int]) -> int:
    """Pixels of an outline in a picture of this (width, height) or (height, width)."""
    return max(1, round(max(size) / 420))


def font_size(size: tuple[int, int], *, count: int = 1) -> int:
    """Pixels of the letters in a picture of this size with so many objects."""
    crowding = 1.0 if count <= 12 else 0.85 if count <= 40 else 0.72
    return max(10, round((max(size) / 42 + 3) * crowding))


def _check(
    picture: Picture, instances: Instances, show: Sequence[str], colors: str | Sequence[Color]
) -> None:
    if picture.size != instances.size:
        raise ValueError(
            f"objects of a {instances.size[1]}x{instances.size[0]} picture cannot be drawn into one of "
            f"{picture.size[1]}x{picture.size[0]}"
        )
    if unknown := [word for word in show if word not in PARTS]:
        raise OcellusError(f"{unknown[0]!r} cannot be shown; there is {', '.join(PARTS)}", exit_code=2)
    if not isinstance(colors, str) and len(colors) != len(instances):
        raise ValueError(f"{len(colors)} colors for {len(instances)} objects")
    if isinstance(colors, str) and colors not in ("auto", "class", "object"):
        raise OcellusError(f"colors={colors!r}; there is auto, class and object", exit_code=2)


def _kept(instances: Instances, threshold: float) -> Tensor:
    """Indices of the objects that are drawn."""
    keep = torch.isfinite(instances.boxes).all(dim=1)
    if instances.scores is not None:
        keep &= instances.scores >= threshold
    return keep.nonzero().flatten()


def _paint(
    canvas: Image.Image,
    instances: Instances,
    paints: Sequence[Color],
    *,
    show: Sequence[str],
    scale: float,
    fill: float,
) -> None:
    """Masks and boxes, the largest object first."""
    thickness = line_width(canvas.size)
    with_masks = instances.masks if "masks" in show else None
    sides = instances.boxes[:, 2:] - instances.boxes[:, :2]
    for index in (sides[:, 0] * sides[:, 1]).argsort(descending=True).tolist():
        if with_masks is not None:
            window, left, top = mask_window(with_masks, index, scale=scale)
            crowd = instances.crowd is not None and bool(instances.crowd[index])
            paint_mask(
                canvas,
                window,
                (left, top),
                color=paints[index],
                fill=fill,
                thickness=thickness,
                stripes=4 * thickness if crowd else 0,
            )
        if "boxes" in show:
            x1, y1, x2, y2 = (instances.boxes[index] * scale).tolist()
            thin, opacity = (thickness, 1.0) if with_masks is None else (max(1, thickness // 2), 0.6)
            paint_box(canvas, (x1, y1, x2, y2), color=paints[index], thickness=thin, opacity=opacity)


def _paint_points(
    canvas: Image.Image, instances: Instances, paints: Sequence[Color], *, scale: float, threshold: float
) -> None:
    """Skeletons: edges in the object's color on a dark rim, points white; a hidden point is hollow."""
    assert instances.keypoints is not None
    predicted = instances.scores is not None
    thickness = line_width(canvas.size)
    for index, points in enumerate(instances.keypoints.tolist()):
        side = float((instances.boxes[index, 2:] - instances.boxes[index, :2]).max()) * scale
        radius = min(max(side / 55, 1.0), 1.4 * thickness)
        seen = {
            k: (x * scale, y * scale)
            for k, (x, y, visibility) in enumerate(points)
            if visibility > threshold and isfinite(x) and isfinite(y)
        }
        edges = [(a, b) for a, b in instances.edges if a in seen and b in seen]
        for a, b in edges:
            paint_line(canvas, seen[a], seen[b], color=DARK, radius=radius + 1, opacity=0.55)
        for a, b in edges:
            paint_line(canvas, seen[a], seen[b], color=paints[index], radius=radius)
        for k, place in seen.items():
            hidden = not predicted and points[k][2] == 1
            paint_line(canvas, place, place, color=DARK, radius=1.7 * radius + 1, opacity=0.7)
            paint_line(canvas, place, place, color=(255, 255, 255), radius=1.7 * radius)
            paint_line(canvas, place, place, color=DARK if hidden else paints[index], radius=0.9 * radius)


def _paint_labels(
    canvas: Image.Image, instances: Instances, paints: Sequence[Color], *, scale: float
) -> None:
    """Labels of the surest objects first, or of the largest where none is surer than another."""
    size = font_size(canvas.size, count=len(instances))
    boxes = instances.boxes * scale
    sides = boxes[:, 2:] - boxes[:, :2]
    rank = instances.scores if instances.scores is not None else sides[:, 0] * sides[:, 1]
    order = rank.argsort(descending=True, stable=True).tolist()
    texts = _texts(instances, order, size=size, area=canvas.width * canvas.height)
    chips = place_chips(
        [texts[index] for index in order],
        boxes[order].tolist(),
        [paints[index] for index in order],
        picture_size=(canvas.height, canvas.width),
        font_size=size,
    )
    for chip in reversed(chips):
        canvas.paste(chip.image, (chip.left, chip.top), chip.image)


def _texts(instances: Instances, order: Sequence[int], *, size: int, area: int) -> list[str]:
    """What the labels say: as much as there is room for, then as many as there is room for."""
    crowd = instances.crowd
    names = [
        f"{instances.name(i)} (crowd)" if crowd is not None and bool(crowd[i]) else instances.name(i)
        for i in range(len(instances))
    ]
    candidates = [names]
    if instances.scores is not None:
        scores = [f"{score:.2f}" for score in instances.scores.tolist()]
        full = [f"{name} {score}" for name, score in zip(names, scores, strict=True)]
        candidates = [full, names] if len(set(names)) > 1 else [full, scores]
    for texts in candidates:
        if sum(_covers(text, size) for text in texts) <= LABEL_SHARE * area:
            return texts
    if len(set(names)) == 1 and len(names) > 12:
        return [""] * len(names)  # the same word on every object says nothing that one caption would not
    left, texts = LABEL_SHARE * area, [""] * len(names)
    for index in order:
        left -= _covers(candidates[-1][index], size)
        texts[index] = candidates[-1][index] if left >= 0 or index == order[0] else ""
    return texts


def _covers(text: str, size: int) -> int:
    height, width = chip_size(text, size)
    return height * width
