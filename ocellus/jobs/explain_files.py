"""The folder that explanations go to: overlays, values, videos, a list for machines, and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ocellus.data.drawings import member
from ocellus.data.images import write_picture
from ocellus.data.sources import frame_rate
from ocellus.data.video import VideoWriter
from ocellus.draw.heatmap import draw_heatmap, full_color
from ocellus.errors import OcellusError
from ocellus.report.explanations import MOST, Explained, write_explanations
from ocellus.values import Heatmap, Picture

STEADY = 0.9
"""Share of the last frame's color scale that the next one keeps, so that a video does not flicker."""

Named = Mapping[str, Mapping[str, str]]


class Files:
    """Writes what is explained as it comes; the page is written at the end.

    Args:
        folder: new or empty.
        sources: what is explained; one video gives one video for each method, at its rate.
        model: the network's name, for the page.
        about: what it is.

    Raises:
        OcellusError: the folder holds something already. Exit code 2.
    """

    def __init__(self, folder: Path, sources: Sequence[str], *, model: str, about: str = "") -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            message = f"{folder} is there already: give a new or empty folder with --out"
            raise OcellusError(message, exit_code=2)
        self.folder, self.model, self.about = folder, model, about
        self.rate = frame_rate(sources)
        self.videos: dict[tuple[str, str], VideoWriter] = {}
        self.limits: dict[tuple[str, str], float] = {}
        self.names: set[str] = set()
        self.shown: list[Explained] = []
        self.count = 0
        self.list: Any = None

    def __enter__(self) -> Files:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.list = (self.folder / "explained.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise OcellusError(f"{self.folder} cannot be written: {error.strerror}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.list.close()
        self._close_videos()
        if self.shown and kind is None:
            left_out = self.count - len(self.shown)
            write_explanations(self.page, self.shown, model=self.model, about=self.about, left_out=left_out)

    @property
    def page(self) -> Path:
        return self.folder / "explanations.html"

    def write(self, explained: Explained) -> Named:
        """Write one picture's maps.

        Returns:
            For each method its files: "overlay" and "values", or of a video's frame "video".

        Raises:
            OcellusError: the disk refuses.
        """
        clip = clip_of(explained.name)
        first = bool(clip) and not any(name == clip for name, _ in self.videos)
        files = self._frame(clip, explained) if clip else self._still(explained)
        if (first or not clip) and len(self.shown) < MOST:
            self.shown.append(explained)
        self.count += int(first or not clip)
        return files

    def note(self, facts: Mapping[str, Any]) -> None:
        """A line of explained.jsonl.

        Raises:
            OcellusError: the disk refuses.
        """
        try:
            self.list.write(json.dumps(facts, ensure_ascii=False) + "\n")
            self.list.flush()
        except OSError as error:
            place = self.folder / "explained.jsonl"
            raise OcellusError(f"{place} cannot be written ({error.strerror}); free some space") from error

    def skip(self, picture: Picture, methods: Sequence[str], why: str) -> None:
        """A frame of which nothing can be explained; it has its place in the video all the same."""
        if clip := clip_of(picture.path or ""):
            for method in methods:
                nothing = Heatmap(
                    values=torch.zeros(picture.size), method=method, target=why, picture=picture
                )
                self._video(clip, method).write(draw_heatmap(nothing, limit=1.0))

    def _still(self, explained: Explained) -> Named:
        files = {}
        for one in explained.explanations:
            stem = self._free(f"{Path(explained.name).stem}-{one.heat.method}")
            overlay, values = self.folder / f"{stem}.png", self.folder / f"{stem}.npz"
            write_picture(draw_heatmap(one.heat, explained.picture), overlay)
            try:
                one.heat.save(values)
            except OSError as error:
                message = f"{values} cannot be written ({error.strerror})"
                raise OcellusError(f"{message}; free some space, or name another place") from error
            files[one.heat.method] = {"overlay": str(overlay), "values": str(values)}
        return files

    def _frame(self, clip: str, explained: Explained) -> Named:
        files = {}
        for one in explained.explanations:
            key, own = (clip, one.heat.method), full_color(one.heat.values)
            self.limits[key] = STEADY * self.limits.get(key, own) + (1 - STEADY) * own
            video = self._video(clip, one.heat.method)
            video.write(draw_heatmap(one.heat, explained.picture, limit=self.limits[key]))
            files[one.heat.method] = {"video": str(video.path)}
        return files

    def _video(self, clip: str, method: str) -> VideoWriter:
        if (clip, method) not in self.videos:
            if any(name != clip for name, _ in self.videos):
                self._close_videos()
            path = self.folder / f"{self._free(f'{Path(clip).stem}-{method}')}.mp4"
            self.videos[clip, method] = VideoWriter(path, rate=self.rate) if self.rate else VideoWriter(path)
        return self.videos[clip, method]

    def _close_videos(self) -> None:
        for video in self.videos.values():
            video.close()
        self.videos.clear()

    def _free(self, stem: str) -> str:
        """A name not used yet: pictures of the same name in two folders must not meet."""
        name, number = stem, 2
        while name in self.names:
            name, number = f"{stem}-{number}", number + 1
        self.names.add(name)
        return name


def clip_of(name: str) -> str:
    """The video that a frame is of, by the frame's name "clip.mp4#12"; "" for a picture or a drawing."""
    clip, _, frame = name.rpartition("#")
    still = Path(name).is_file() or member(Path(name)) is not None
    return clip if clip and frame.isdecimal() and not still else ""
