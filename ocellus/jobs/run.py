"""Use a model on pictures, folders, videos or a camera: drawings, and a list for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ocellus.data.drawings import member
from ocellus.data.images import is_picture, read_picture, write_picture
from ocellus.data.sources import frame_rate, pictures
from ocellus.data.video import VideoWriter
from ocellus.errors import OcellusError
from ocellus.jobs.huge import Huge, is_huge, look
from ocellus.jobs.kinds import Kind, kind_of
from ocellus.jobs.model import Model, check_score, load, takes_class
from ocellus.values import Classification, Instances, Picture, Segmentation

DOES = {"objects": "finds objects", "labels": "says what a picture shows as a whole"}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a model said of one picture.

    Args:
        picture: the picture's path, or its place in a video ("clip.mp4#12").
        value: what was found; without the picture, so that a list of thousands stays small. Of a picture that
            does not fit into memory it is a smaller copy; `labels` names the file that holds the whole.
        size: (H, W) of the picture.
        text: what was found, in a few words.
        facts: what was found, for JSON.
        seconds: reading, network and decoding, without drawing.
        drawing: the file it was drawn or written into, or "".
        labels: the file of the label map, or "".
        uncertainty: the file of the map of what the network is unsure of, or "".
    """

    picture: str
    value: Instances | Segmentation | Classification | Picture
    size: tuple[int, int]
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float
    drawing: str = ""
    labels: str = ""
    uncertainty: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: objects with boxes in pixels and masks as COCO's compressed run lengths, or the share of
        each class and the file of the label map, or the likeliest classes."""
        about = {"picture": self.picture, "size": list(self.size), "seconds": round(self.seconds, 4)}
        files = {"labels": self.labels, "uncertainty": self.uncertainty}
        written = {name: path for name, path in files.items() if path}
        return {**about, "drawing": self.drawing, **written, **self.facts}

    def line(self) -> str:
        """ "street.jpg: 3 car, 1 dog (0.21 s)", "cat.jpg: tabby 61 %, tiger cat 20 % (0.21 s)"."""
        return f"{self.picture}: {self.text} ({self.seconds:.2f} s)"

    def _repr_html_(self) -> str:
        if isinstance(self.value, Picture):
            return self.value._repr_html_()
        path = Path(self.picture)
        whole = isinstance(self.value, Classification) or self.size == self.value.size
        there = whole and is_picture(path) and path.is_file()
        return replace(self.value, picture=read_picture(path) if there else None)._repr_html_()


def run(
    model: Model | str | Path,
    source: str | Path | Sequence[str],
    *,
    out: str | Path | None = None,
    score: float = 0.5,
    maps: bool = False,
    uncertainty: bool = False,
    options: Any = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Found]:
    """What a model finds or makes, picture by picture, as they are read.

    Args:
        model: a Model, or what `ocellus.load` takes.
        source: a picture, folder, pattern, video, camera number, "-" for a list on stdin; or several. Of a
            system that draws classes: their names, or "all".
        out: folder for drawings and found.jsonl; None: nothing is written. What a system makes is written as
            it is, to PNGs with the names of the pictures it was made from, or to a video.
        score: detections below it are left out.
        maps: of a class for every pixel, write label maps too: PNGs whose values are the labels.
        uncertainty: write maps of what the network is unsure of too, 1 - confidence.
        options: of a system that makes pictures: its `Run`; None: as it stands there.
        say: is told of pictures that cannot be read, which are passed over.

    Returns:
        An iterator: one `Found` a picture, when it is asked for. It raises an OcellusError where no picture
        could be read, or `out` cannot be written.

    Raises:
        OcellusError: no such model or source, `out` holds something, a score that is none, or maps of what is
            no map.
    """
    check_score(score)
    sources = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
    if takes_class(model):
        ready = model if isinstance(model, Model) else load(model)
        refuse_maps(ready, maps or uncertainty)
        return draw_classes(ready, sources, out=None if out is None else Path(out), options=options)
    broken = Broken(say)

    def read(path: Path) -> Picture | Huge:
        if kind.view == "classes" and is_huge(path):
            return Huge(path)
        return read_picture(path, channels=ready.channels)

    stream = pictures(sources, broken=broken.add, read=read)
    sink = Sink(Path(out), sources, maps=maps, uncertainty=uncertainty) if out is not None else None
    ready = model if isinstance(model, Model) else load(model)
    ready.refuse_part()
    kind = kind_of(ready.header.system)
    refuse_maps(ready, maps or uncertainty)
    if sink and kind.generates:
        sink.ending, sink.text = ".png", ready.about()
    return answers(ready, stream, sink=sink, score=score, broken=broken, options=options)


def refuse_maps(ready: Model, asked: bool) -> None:
    """See that maps are asked only of what gives every pixel a class.

    Raises:
        OcellusError: they are asked of something else. Exit code 2.
    """
    kind = kind_of(ready.header.system)
    if asked and (kind.generates or kind.view != "classes"):
        does = "makes pictures" if kind.generates else DOES[kind.view]
        raise OcellusError(
            f"{ready.header.system} {does}, it does not give every pixel a class: leave out --maps and "
            "--uncertainty",
            exit_code=2,
        )


def answers(
    ready: Model,
    stream: Iterator[Picture | Huge],
    *,
    sink: Sink | None,
    score: float,
    broken: Broken,
    options: Any = None,
) -> Iterator[Found]:
    """What `run` returns.

    Raises:
        OcellusError: no picture could be read, or the drawings cannot be written.
    """
    seen = False
    kind = kind_of(ready.header.system)
    start = time.perf_counter()
    first = next(stream, None)  # before a folder is made for the drawings
    if first is not None:
        with sink or nullcontext():
            for picture in chain([first], stream):
                broken.tell()
                if isinstance(picture, Huge):
                    yield of_huge(ready, picture, sink=sink, kind=kind)
                else:
                    value = kind.show().kept(ready(picture, options=options), score=score)
                    found = said(kind, value, picture, seconds=time.perf_counter() - start)
                    yield sink.write(picture, found, kind=kind) if sink else found
                seen = True
                start = time.perf_counter()
            broken.tell()
    if not seen:
        raise broken.error()


def said(kind: Kind, value: Any, picture: Picture, *, seconds: float) -> Found:
    """An answer in words and for JSON."""
    show = kind.show()
    return Found(
        picture=picture.path or "",
        value=value,
        size=picture.size,
        text=show.summary(value),
        facts=show.details(value),
        seconds=seconds,
    )


def of_huge(ready: Model, picture: Huge, *, sink: Sink | None, kind: Kind) -> Found:
    """What is said of a picture that is looked at part by part."""
    start = time.perf_counter()
    stem = picture.path.stem
    labels = sink.folder / sink.free_name(f"{stem}-labels", ending=".tif") if sink else None
    seen = look(ready, picture, labels=labels)
    found = Found(
        picture=str(picture.path),
        value=seen.value,
        size=seen.size,
        text=seen.text,
        facts=seen.facts,
        seconds=time.perf_counter() - start,
        labels=str(labels or ""),
    )
    return sink.write(seen.picture, found, kind=kind) if sink else found


def draw_classes(ready: Model, names: Sequence[str], *, out: Path | None, options: Any) -> Iterator[Found]:
    """What a system that draws classes makes of their names: of each a sheet, and single PNGs beside it."""
    from ocellus.jobs.drawn_classes import chosen, drawn

    wanted = chosen(ready, names)
    sink = Sink(out, ()) if out is not None else None
    return drawn(ready, wanted, sink=sink, options=options)


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
        maps: write label maps.
        uncertainty: write maps of what the network is unsure of.

    Raises:
        OcellusError: the folder holds something already (exit code 2), or cannot be written.
    """

    def __init__(
        self, folder: Path, sources: Sequence[str], *, maps: bool = False, uncertainty: bool = False
    ) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OcellusError(
                f"{folder} is there already: give a new or empty folder with --out", exit_code=2
            )
        self.folder = folder
        self.maps, self.uncertainty = maps, uncertainty
        self.rate = frame_rate(sources)
        self.video: VideoWriter | None = None
        self.source = ""
        self.list: Any = None
        self.made = not folder.exists()
        self.names: set[str] = set()
        self.ending, self.text = ".jpg", dict[str, str]()

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
            if error[0] is not None and not self.names:  # so that the corrected command finds no folder
                with suppress(OSError):
                    (self.folder / "found.jsonl").unlink()
                    if self.made:
                        self.folder.rmdir()

    def write(self, picture: Picture, found: Found, *, kind: Kind) -> Found:
        """Draw one picture and note what was found in it; the same with the names of the files.

        Raises:
            OcellusError: the disk refuses.
        """
        drawn = kind.show().draw(picture, found.value)
        name, _, frame = found.picture.rpartition("#")
        inner = member(Path(found.picture))
        if inner is None and name and frame.isdecimal() and not Path(found.picture).is_file():
            path = self.add_frame(drawn, name)
            stem = f"{Path(name).stem}-{int(frame):06d}"
        else:
            own = f"{inner[0].stem}-{inner[1]}" if inner is not None else Path(found.picture).stem
            path = self.folder / self.free_name(own, ending=self.ending)
            write_picture(drawn, path, text=self.text)
            stem = path.stem
        named = self.with_maps(replace(found, drawing=str(path)), stem, kind=kind)
        try:
            self.list.write(json.dumps(named.to_dict(), ensure_ascii=False) + "\n")
            self.list.flush()
        except OSError as error:
            raise self.refused(error) from error
        return named

    def with_maps(self, found: Found, stem: str, *, kind: Kind) -> Found:
        """Write the maps that were asked for, beside the drawing; the same with their names."""
        labels, uncertainty = found.labels, ""
        if self.maps and not labels:
            labels = str(self.folder / self.free_name(f"{stem}-labels", ending=".png"))
            kind.show().write_labels(found.value, Path(labels))
        if self.uncertainty:
            uncertainty = str(self.folder / self.free_name(f"{stem}-uncertainty"))
            kind.show().write_uncertainty(found.value, Path(uncertainty))
        return replace(found, labels=labels, uncertainty=uncertainty)

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
