"""Pictures for `ocellus run`: from files, folders, patterns, videos, a camera, a list on standard input."""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from ocellus.data.drawings import Drawings, is_drawings, member
from ocellus.data.images import is_picture, read_picture
from ocellus.data.video import camera_frames, is_video, video_frames, video_rate
from ocellus.errors import OcellusError

Broken = Callable[[OcellusError], None]
Read = Callable[[Path], Any]
WANTED = (
    "a picture, a video, a folder, a pattern ('photos/*.jpg'), a camera's number, or - for a list on stdin"
)


def pictures(
    source: str | Sequence[str], *, broken: Broken | None = None, read: Read | None = None
) -> Iterator[Any]:
    """The pictures of a source, one at a time; only the one in hand is in memory.

    Args:
        source: a picture, a video file, a folder (its pictures and videos in natural order, 2 before 10; not
            the folders in it), a pattern ("photos/**/*.jpg"), a camera's number ("0"), "-" (a list of these
            on standard input, one a line), or several of them. A file called "0" is taken before a camera.
        broken: called with the error of each picture or video that cannot be read, which is then passed over;
            None: the error is raised.
        read: reads a picture file, as a Picture or what stands for one that is too large; None: as a Picture.

    Returns:
        An iterator. Frames of a video have the path "clip.mp4#12" (from 0), those of a camera "camera 0#12".

    Raises:
        OcellusError: nothing is there, or holds no picture, as far as that shows before the first is read.
    """
    sources = [source] if isinstance(source, str) else list(source)
    if not sources:
        raise OcellusError(f"no picture was given; wanted is {WANTED}", exit_code=2)
    for one in sources:  # what can be known to be missing is, before hours of work begin
        if one != "-":
            resolve(one)
    lines = (lines_of_stdin() if one == "-" else iter([one]) for one in sources)
    return read_all(chain.from_iterable(lines), broken, read)


def how_many(source: str | Sequence[str]) -> int | None:
    """How many pictures a source holds, for a progress bar; None where only reading it would tell."""
    sources = [source] if isinstance(source, str) else list(source)
    if "-" in sources:
        return None
    found = [item for one in sources for item in resolve(one)]
    return None if any(isinstance(item, int) or is_video(item) for item in found) else len(found)


def frame_rate(source: str | Sequence[str]) -> Fraction | None:
    """Frames a second of a source that is one video; None for anything else."""
    sources = [source] if isinstance(source, str) else list(source)
    if len(sources) != 1 or sources[0] == "-":
        return None
    found = resolve(sources[0])
    if len(found) != 1 or isinstance(found[0], int) or not is_video(found[0]):
        return None
    return video_rate(found[0])


def resolve(source: str) -> list[Path | int]:
    """The files, or the camera's number, that one source means.

    Raises:
        OcellusError: there are none.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return list(files_of(path))
    if is_drawings(path):
        return [path.with_name(f"{path.name}#{number}") for number in range(len(Drawings(path)))]
    if (inner := member(path)) is not None and inner[0].is_file():
        return [path]
    if path.exists():
        return [path]
    if source.isdecimal():
        return [int(source)]
    if any(character in source for character in "*?["):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
        found = sorted(map(Path, names), key=natural)
        chosen: list[Path | int] = [
            one for one in found if one.is_file() and (is_picture(one) or is_video(one))
        ]
        if not chosen:
            raise OcellusError(
                f"no picture or video matches {source}; try the pattern with ls, and keep it in quotes"
            )
        return chosen
    raise OcellusError(f"there is no {source}; wanted is {WANTED}")


def files_of(folder: Path) -> list[Path]:
    """The pictures and videos in a folder, in natural order.

    Raises:
        OcellusError: there are none.
    """
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    chosen = sorted(
        (one for one in entries if one.is_file() and (is_picture(one) or is_video(one))), key=natural
    )
    if chosen:
        return chosen
    if any(entry.is_dir() for entry in entries):
        raise OcellusError(
            f"{folder} holds folders, but no picture itself; name one of them, or '{folder}/**/*.jpg'"
        )
    what = f"{len(entries)} files, none of them a picture or a video" if entries else "nothing"
    raise OcellusError(f"{folder} holds {what}; name a folder of pictures")


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts as people count: frame2 before frame10, case aside."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def lines_of_stdin() -> Iterator[str]:
    """The sources listed on standard input, as they come.

    Raises:
        OcellusError: the list is empty.
    """
    none = True
    for line in sys.stdin:
        if name := line.strip():
            none = False
            yield name
    if none:
        raise OcellusError("the list on stdin is empty; write a path a line: ls *.jpg | ocellus run MODEL -")


def read_all(sources: Iterator[str], broken: Broken | None, read: Read | None) -> Iterator[Any]:
    """The pictures of each source in turn; errors go to `broken` where there is one."""
    for source in sources:
        try:
            found = resolve(source)
        except OcellusError as error:
            if broken is None:
                raise
            broken(error)
            continue
        for item in found:
            try:
                yield from read_one(item, read)
            except OcellusError as error:
                if broken is None:
                    raise
                broken(error)


def read_one(item: Path | int, read: Read | None) -> Iterator[Any]:
    """The picture or the frames of a file or a camera."""
    if isinstance(item, int):
        yield from camera_frames(item)
    elif is_video(item):
        yield from video_frames(item)
    else:
        yield (read or read_picture)(item)
