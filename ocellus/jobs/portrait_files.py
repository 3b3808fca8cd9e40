"""Files of `ocellus portrait`: where each one goes, soft cut-outs as PNG, what is a background."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageColor

from ocellus.data.images import is_picture, read_picture, write_picture
from ocellus.data.video import is_video
from ocellus.errors import OcellusError
from ocellus.values import Picture

ENDINGS = {"cutout": ".png", "blur": ".jpg", "replace": ".jpg"}


def write(picture: Picture, path: Path) -> None:
    """Write a picture; one of red, green, blue and alpha as PNG with soft transparency.

    Raises:
        OcellusError: the file cannot be written.
    """
    if picture.channels is None or picture.channels.shape[0] != 4 or path.suffix.lower() != ".png":
        write_picture(picture, path)
        return
    pixels = (picture.channels * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise OcellusError(
            f"cannot write {path}: {error.strerror or error}; check the folder's rights and the free space"
        ) from error


def parse_background(text: str) -> Picture | tuple[int, int, int]:
    """A picture's file, or a color as "#00b140", "white" or "rgb(0, 177, 64)".

    Raises:
        OcellusError: neither: no such file, or no such color.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return read_picture(path)
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        looks_like_a_file = is_picture(path) or path.suffix or len(path.parts) > 1
        if looks_like_a_file:
            raise OcellusError(f"there is no background {text}; check the name and the folder") from None
        raise OcellusError(
            f"{text!r} is neither a picture nor a color: give a file, a name such as white, or #00b140",
            exit_code=2,
        ) from None
    return red, green, blue


def targets(files: Sequence[Path | int], out: Path, *, mode: str) -> list[Path]:
    """The file that each picture or video is written to.

    Raises:
        OcellusError: a video's background cannot be transparent, `out` does not suit, or it would replace a
            source. Exit code 2.
    """
    moving = [isinstance(file, int) or is_video(file) for file in files]
    if any(moving) and mode == "cutout":
        first = files[moving.index(True)]
        raise OcellusError(
            f"{first} is a video, which holds no transparency: give --mode blur, or --background with a "
            "color (#00b140 is the green of studios)",
            exit_code=2,
        )
    endings = [".mp4" if video else ENDINGS[mode] for video in moving]
    if out.suffix.lower() in (".png", ".jpg", ".jpeg", ".mp4"):
        fits = (".mp4",) if moving[0] else (".png",) if mode == "cutout" else (".jpg", ".jpeg", ".png")
        if len(files) != 1 or out.suffix.lower() not in fits:
            gives = (
                f"{len(files)} files" if len(files) != 1 else f"{files[0]}, which gives {' or '.join(fits)}"
            )
            raise OcellusError(f"--out {out} is one file, and the source is {gives}", exit_code=2)
        places = [out]
    else:
        places, taken = [], set[str]()
        for file, ending in zip(files, endings, strict=True):
            stem = f"camera-{file}" if isinstance(file, int) else file.stem
            name, number = f"{stem}{ending}", 2
            while name in taken:
                name, number = f"{stem}-{number}{ending}", number + 1
            taken.add(name)
            places.append(out / name)
    own = {file.resolve() for file in files if isinstance(file, Path)}
    if lost := [place for place in places if place.resolve() in own]:
        raise OcellusError(f"{lost[0]} would be written over itself: give another --out", exit_code=2)
    return places
