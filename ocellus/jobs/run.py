"""Use a model on pictures, folders, videos or a camera: drawings, and a list for machines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocellus.data.images import write_picture
from ocellus.data.sources import frame_rate, pictures
from ocellus.data.video import VideoWriter
from ocellus.draw.instances import draw_instances
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, load
from ocellus.values import Instances, Picture


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a model said of one picture.

    Args:
        picture: the picture's path, or its place in a video ("clip.mp4#12").
        value: what was found.
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
        out: folder for drawings and found.json; None: nothing is written.
        score: detections below it are left out.
        say: is told of pictures that cannot be read, which are passed over.

    Yields:
        One `Found` a picture, when it is asked for.

    Raises:
        OcellusError: no such model or source, no picture could be read, or `out` cannot be written.
    """
    ready = model if isinstance(model, Model) else load(model)
    sources = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    broken: list[OcellusError] = []

    def pass_over(error: OcellusError) -> None:
        broken.append(error)
        say(f"passed over: {error}")

    seen = 0
    with ExitStack() as files:
        sink = files.enter_context(Sink(Path(out), sources)) if out is not None else None
        start = time.perf_counter()
        for picture in pictures(sources, broken=pass_over):
            value = ready(picture)
            value = value[value.scores >= score]
            found = Found(picture=picture.path or "", value=value, seconds=time.perf_counter() - start)
            yield sink.write(picture, found) if sink else found
            seen += 1
            start = time.perf_counter()
    if not seen:
        raise broken[0] if broken else OcellusError(f"{', '.join(sources)} holds no picture")


class Sink:
    """A folder that drawings and found.json go to; a video's frames go to one video.

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
        self.list.close()
        if self.video is not None:
            self.video.close()

    def write(self, picture: Picture, found: Found) -> Found:
        """Draw one picture and note what was found in it; the same with the name of the drawing."""
        drawn = draw_instances(picture, found.value)
        name, _, frame = found.picture.rpartition("#") if "#" in found.picture else (found.picture, "", "")
        if frame.isdecimal():
            path = self.folder / f"{Path(name).stem}.mp4"
            if self.video is None or self.video.path != path:
                if self.video is not None:
                    self.video.close()
                self.video = VideoWriter(path, rate=self.rate) if self.rate else VideoWriter(path)
            self.video.write(drawn)
        else:
            path = self.folder / self.free_name(Path(found.picture).stem)
            write_picture(drawn, path)
        named = Found(picture=found.picture, value=found.value, seconds=found.seconds, drawing=str(path))
        self.list.write(json.dumps(named.to_dict(), ensure_ascii=False) + "\n")
        self.list.flush()
        return named

    def free_name(self, stem: str) -> str:
        """A file name not used yet: pictures of the same name in two folders must not meet."""
        name, number = f"{stem or 'picture'}.jpg", 2
        while name in self.names:
            name, number = f"{stem}-{number}.jpg", number + 1
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
