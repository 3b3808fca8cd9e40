"""Use a model on pictures, folders, videos or a camera: drawings, and a list for machines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ocellus.data.images import is_picture, read_picture, write_picture
from ocellus.data.sources import frame_rate, pictures
from ocellus.data.video import VideoWriter
from ocellus.draw.instances import draw_instances
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, check_score, load
from ocellus.values import Instances, Picture


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a model said of one picture.

    Args:
        picture: the picture's path, or its place in a video ("clip.mp4#12").
        value: what was found; without the picture, so that a list of thousands stays small.
        seconds: reading, network and decoding, without drawing.
        drawing: the file it was drawn into, or "".
    """

    picture: str
    value: Instances
    seconds: float
    drawing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: boxes in pixels, masks as COCO's compressed run lengths."""
        return {
            "picture": self.picture,
            "size": list(self.value.size),
            "seconds": round(self.seconds, 4),
            "drawing": self.drawing,
            "objects": objects(self.value),
        }

    def line(self) -> str:
        """ "street.jpg: 3 car, 1 dog (0.21 s)"."""
        counts = Counter(self.value.name(index) for index in range(len(self.value)))
        found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        return f"{self.picture}: {found} ({self.seconds:.2f} s)"

    def _repr_html_(self) -> str:
        path = Path(self.picture)
        there = is_picture(path) and path.is_file()
        return replace(self.value, picture=read_picture(path) if there else None)._repr_html_()


def run(
    model: Model | str | Path,
    source: str | Path | Sequence[str],
    *,
    out: str | Path | None = None,
    score: float = 0.5,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Found]:
    """What a model finds, picture by picture, as they are read.

    Args:
        model: a Model, or what `ocellus.load` takes.
        source: a picture, folder, pattern, video, camera number, "-" for a list on stdin; or several.
        out: folder for drawings and found.jsonl; None: nothing is written.
        score: detections below it are left out.
        say: is told of pictures that cannot be read, which are passed over.

    Returns:
        An iterator: one `Found` a picture, when it is asked for. It raises an OcellusError where no picture
        could be read, or `out` cannot be written.

    Raises:
        OcellusError: no such model or source, `out` holds something, or a score that is none.
    """
    check_score(score)
    sources = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    broken = Broken(say)
    stream = pictures(sources, broken=broken.add)
    sink = Sink(Path(out), sources) if out is not None else None
    ready = model if isinstance(model, Model) else load(model)
    return answers(ready, stream, sink=sink, score=score, broken=broken)


def answers(
    ready: Model, stream: Iterator[Picture], *, sink: Sink | None, score: float, broken: Broken
) -> Iterator[Found]:
    """What `run` returns.

    Raises:
        OcellusError: no picture could be read, or the drawings cannot be written.
    """
    seen = False
    start = time.perf_counter()
    first = next(stream, None)  # before a folder is made for the drawings
    if first is not None:
        with sink or nullcontext():
            for picture in chain([first], stream):
                broken.tell()
                value = ready(picture)
                value = replace(value[value.scores >= score], picture=None)
                found = Found(picture=picture.path or "", value=value, seconds=time.perf_counter() - start)
                yield sink.write(picture, found) if sink else found
                seen = True
                start = time.perf_counter()
            broken.tell()
    if not seen:
        raise broken.error()


class Broken:
    """Pictures that could not be read: told of one by one, unless there is no other.

    Args:
        say: is told.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.errors: list[OcellusError] = []
        self.told = 0

    def add(self, error: OcellusError) -> None:
        """One more; the first is held back until it is known that it is not alone."""
        self.errors.append(error)
        if len(self.errors) > 1:
            self.tell()

    def tell(self) -> None:
        """Tell of those that were held back."""
        for error in self.errors[self.told :]:
            self.say(f"passed over: {error}")
        self.told = len(self.errors)

    def error(self) -> OcellusError:
        """Where none could be read."""
        if len(self.errors) == 1:
            return self.errors[0]
        return OcellusError(f"none of {len(self.errors)} pictures could be read")


class Sink:
    """A folder that drawings and found.jsonl go to; a video's frames go to one video.

    Args:
        folder: new or empty.
        sources: what is run on; one video gives one video.

    Raises:
        OcellusError: the folder holds something already (exit code 2), or cannot be written.
    """

    def __init__(self, folder: Path, sources: Sequence[str]) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OcellusError(
                f"{folder} is there already: give a new or empty folder with --out", exit_code=2
            )
        self.folder = folder
        self.rate = frame_rate(sources)
        self.video: VideoWriter | None = None
        self.source = ""
        self.list: Any = None
        self.names: set[str] = set()

    def __enter__(self) -> Sink:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.list = (self.folder / "found.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise OcellusError(f"{self.folder} cannot be written: {error.strerror}") from error
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.list.close()
        except OSError as reason:
            raise self.refused(reason) from reason
        finally:
            if self.video is not None:
                self.video.close()

    def write(self, picture: Picture, found: Found) -> Found:
        """Draw one picture and note what was found in it; the same with the name of the drawing.

        Raises:
            OcellusError: the disk refuses.
        """
        drawn = draw_instances(picture, found.value)
        name, _, frame = found.picture.rpartition("#")
        if name and frame.isdecimal() and not Path(found.picture).is_file():
            path = self.add_frame(drawn, name)
        else:
            path = self.folder / self.free_name(Path(found.picture).stem)
            write_picture(drawn, path)
        named = replace(found, drawing=str(path))
        try:
            self.list.write(json.dumps(named.to_dict(), ensure_ascii=False) + "\n")
            self.list.flush()
        except OSError as error:
            raise self.refused(error) from error
        return named

    def add_frame(self, drawn: Picture, name: str) -> Path:
        """Write a frame of a video to the video of its drawings."""
        if self.video is None or self.source != name:
            if self.video is not None:
                self.video.close()
            path = self.folder / self.free_name(Path(name).stem, ending=".mp4")
            self.video = VideoWriter(path, rate=self.rate) if self.rate else VideoWriter(path)
            self.source = name
        self.video.write(drawn)
        return self.video.path

    def refused(self, error: OSError) -> OcellusError:
        """The error for a disk that does not take the list."""
        return OcellusError(
            f"{self.folder / 'found.jsonl'} cannot be written ({error.strerror or error}); what was written "
            "before is there. Free some space, or name another place with --out"
        )

    def free_name(self, stem: str, *, ending: str = ".jpg") -> str:
        """A file name not used yet: pictures of the same name in two folders must not meet."""
        name, number = f"{stem or 'picture'}{ending}", 2
        while name in self.names:
            name, number = f"{stem}-{number}{ending}", number + 1
        self.names.add(name)
        return name


def objects(found: Instances) -> list[dict[str, Any]]:
    """The objects of a picture for JSON."""
    masks = found.masks.to_coco() if found.masks is not None else []
    rows = []
    for index in range(len(found)):
        row: dict[str, Any] = {
            "label": found.name(index),
            "box": [round(value, 2) for value in found.boxes[index].tolist()],
        }
        if found.scores is not None:
            row["score"] = round(float(found.scores[index]), 4)
        if masks:
            row["mask"] = masks[index] | {"counts": masks[index]["counts"].decode()}
        if found.keypoints is not None:
            row["keypoints"] = [[round(v, 2) for v in point] for point in found.keypoints[index].tolist()]
        rows.append(row)
    return rows
