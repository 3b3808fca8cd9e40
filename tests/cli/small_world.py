"""A COCO data set and a model, small enough that every command answers within a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image, ImageDraw

from ocellus import weights
from ocellus.see.mask_rcnn.config import TINY
from ocellus.see.mask_rcnn.model import build

NAMES = ("disc", "box")
QUICK = ["--preset", "tiny", "--device", "cpu", "--precision", "32", "--log-every", "1"]


def write_coco(
    folder: Path,
    *,
    count: int = 6,
    names: tuple[str, ...] = NAMES,
    file_names: tuple[str, ...] = (),
    empty: tuple[int, ...] = (),
) -> Path:
    """Pictures of 64x48 pixels with a disc and a box each, and annotations.json, written by hand.

    Args:
        folder: is made.
        count: of pictures.
        names: of the classes; objects take them in turn.
        file_names: of the pictures; default 0.png, 1.png, ...
        empty: pictures without objects.
    """
    folder.mkdir(parents=True)
    file_names = file_names or tuple(f"{index}.png" for index in range(count))
    random = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for index, name in enumerate(file_names):
        pixels = random.integers(0, 90, (48, 64, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        images.append({"id": index + 1, "file_name": name, "width": 64, "height": 48})
        if index not in empty:
            pen = ImageDraw.Draw(image)
            x, y = int(random.integers(4, 14)), int(random.integers(4, 20))
            pen.ellipse((x, y, x + 17, y + 17), fill=(230, 60, 40))
            pen.rectangle((x + 26, y + 2, x + 43, y + 21), fill=(40, 90, 230))
            angles = np.arange(12) * np.pi / 6
            disc = np.stack([x + 9 + 9 * np.cos(angles), y + 9 + 9 * np.sin(angles)], 1).round(2)
            left, top = x + 26, y + 2
            box = np.array([[left, top], [left + 18, top], [left + 18, top + 20], [left, top + 20]], float)
            for place, ring in enumerate((disc, box)):
                objects.append(annotation(ring, image=index + 1, category=place % len(names) + 1))
        image.save(folder / name)
    for number, entry in enumerate(objects):
        entry["id"] = number + 1
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(names)]
    page = {"images": images, "annotations": objects, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(page, ensure_ascii=False), encoding="utf-8")
    return folder


def annotation(ring: np.ndarray, *, image: int, category: int) -> dict[str, Any]:
    """One object as COCO writes it."""
    (left, top), (right, bottom) = ring.min(0), ring.max(0)
    following = np.roll(ring, -1, 0)
    area = abs(float((ring[:, 0] * following[:, 1] - ring[:, 1] * following[:, 0]).sum())) / 2
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
        "segmentation": [ring.ravel().tolist()],
        "area": area,
        "iscrowd": 0,
    }


def write_model(path: Path, *, names: tuple[str, ...] = NAMES, seed: int = 0) -> Path:
    """Weights that find ten things of both classes in any picture: they have learned nothing."""
    torch.manual_seed(seed)
    network = build(TINY)
    header = weights.describe("see/mask_rcnn", TINY, labels=names, data="nothing")
    weights.save(path, network, header)
    return path


def write_video(path: Path, *, frames: int) -> None:
    """A video in an .avi; Python's FFmpeg writes one without frames too."""
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()
        for shade in range(frames):
            pixels = np.full((48, 64, 3), 40 * shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
