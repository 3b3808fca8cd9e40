"""Videos and cameras in, videos out, through PyAV: frames as pictures, upright."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.values import Picture

SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".ogv", ".3gp")
)
FALLBACK_RATE = Fraction(25)


def is_video(path: Path) -> bool:
    """Whether a file's ending is that of a video."""
    return path.suffix.lower() in SUFFIXES


def open_video(path: Path) -> Any:
    """A PyAV container that has a video stream.

    Raises:
        OcellusError: the file is missing, no video, or holds only sound.
    """
    if not path.is_file():
        raise OcellusError(f"there is no video {path}; check the name and the folder")
    if path.stat().st_size == 0:
        raise OcellusError(f"{path} is empty (0 bytes); copy or record it again")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise OcellusError(
            f"{path} cannot be read as a video ({reason(error)}); try it in a player, or copy it again"
        ) from error
    if not container.streams.video:
        container.close()
        raise OcellusError(f"{path} holds no pictures, only sound or data; name a video")
    return container


def video_frames(path: Path) -> Iterator[Picture]:
    """The frames of a video, in the order shown, turned as its rotation says; path "clip.mp4#12", from 0.

    Raises:
        OcellusError: the file is missing or no video, has no frame, or breaks off (after those it has).
    """
    with open_video(path) as container:
        yield from frames_of(container, str(path))


def frames_of(container: Any, name: str) -> Iterator[Picture]:
    """The frames of an opened container as pictures.

    Raises:
        OcellusError: it has no frame, or breaks off (after those it has).
    """
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    index = 0
    try:
        for frame in container.decode(stream):
            yield Picture(pixels=pixels_of(frame), path=f"{name}#{index}")
            index += 1
    except av.FFmpegError as error:
        raise OcellusError(
            f"{name} breaks off after {index} frames ({reason(error)}); copy or record it again"
        ) from error
    if index == 0:
        raise OcellusError(f"{name} is a video without frames; copy or record it again")


def pixels_of(frame: Any) -> Tensor:
    """(3, H, W) uint8 RGB of a frame, upright."""
    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
    turns = round(frame.rotation / 90) % 4  # counterclockwise, as rot90 counts
    return torch.rot90(pixels, turns, (1, 2)).contiguous()


def video_rate(path: Path) -> Fraction:
    """Frames a second of a video; 25 where it does not say.

    Raises:
        OcellusError: the file is missing or no video.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
    return Fraction(rate) if rate else FALLBACK_RATE


def camera_frames(number: int) -> Iterator[Picture]:
    """Frames of a camera, for as long as they are asked for.

    Args:
        number: 0 is the first camera.

    Raises:
        OcellusError: there is no such camera, or it may not be used.
    """
    device, form = camera_device(number)
    try:
        container = av.open(device, format=form)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise OcellusError(
            f"camera {number} ({device}) cannot be opened ({reason(error)}); connect one, close the "
            "programs that use it, and allow its use; a video file works too"
        ) from error
    with container:
        yield from frames_of(container, f"camera {number}")


def camera_device(number: int) -> tuple[str, str]:
    """(device, format) by which FFmpeg opens a camera on this platform.

    Raises:
        OcellusError: the platform names its cameras, and has none of this number.
    """
    system = platform.system()
    if system == "Linux":
        return f"/dev/video{number}", "v4l2"
    if system == "Darwin":
        return str(number), "avfoundation"
    try:
        devices = av.enumerate_input_devices("dshow")
    except (av.FFmpegError, OSError, ValueError):
        devices = []
    names = [one.description or one.name for one in devices if "video" in str(one).lower()]
    if number >= len(names):
        have = ", ".join(f"{place}: {name}" for place, name in enumerate(names)) or "none"
        raise OcellusError(f"there is no camera {number}; the cameras are {have}")
    return f"video={names[number]}", "dshow"


def reason(error: Exception) -> str:
    """FFmpeg's words without its numbers."""
    return getattr(error, "strerror", None) or str(error)


class VideoWriter:
    """Writes pictures to an H.264 mp4, which every browser and telephone plays.

    Use it with `with`: the file is completed when the block is left, by an error too. H.264 in its usual form
    wants even sides: a picture with an odd one is written with its last column or row doubled.

    Args:
        path: the file; ends in .mp4.
        rate: frames a second, `frame_rate(source)` for those of the source.
        quality: x264's constant rate factor, from 0 (lossless) to 51; 18 is hardly told from the original.
        preset: how long x264 looks for a small file, "ultrafast" to "veryslow".

    Raises:
        OcellusError: another ending (exit code 2), or the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: Fraction | float = FALLBACK_RATE,
        quality: int = 18,
        preset: str = "medium",
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise OcellusError(
                f"cannot write a video as {self.path.name}; end the name with .mp4", exit_code=2
            )
        self.rate = Fraction(rate).limit_denominator(10_000)
        self.quality = quality
        self.preset = preset
        self.size: tuple[int, int] | None = None
        self.container: Any = None
        self.stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, picture: Picture) -> None:
        """Add a frame.

        Raises:
            OcellusError: it has another size than the first one, or the disk refuses.
        """
        if self.size is None:
            self.size = picture.size
            self._open(*picture.size)
        if picture.size != self.size:
            (height, width), (first_height, first_width) = picture.size, self.size
            raise OcellusError(
                f"{picture.path or 'a frame'} is {width}x{height}, but {self.path} began with {first_width}x"
                f"{first_height}; a video has frames of one size: write pictures instead"
            )
        pixels = picture.pixels.permute(1, 2, 0).cpu().numpy()
        height, width = self.size
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._send(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))

    def close(self) -> None:
        """Complete the file; a writer that was given no frame writes none."""
        if self.container is not None:
            container, self.container = self.container, None
            try:
                container.mux(self.stream.encode(None))
                container.close()
            except (av.FFmpegError, OSError) as error:
                raise self._refused(error) from error

    def _open(self, height: int, width: int) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.container = av.open(str(self.path), mode="w", options={"movflags": "+faststart"})
            self.stream = self.container.add_stream(
                "libx264", rate=self.rate, options={"crf": str(self.quality), "preset": self.preset}
            )
            self.stream.width, self.stream.height = width + width % 2, height + height % 2
            self.stream.pix_fmt = "yuv420p"
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error

    def _send(self, frame: Any) -> None:
        try:
            self.container.mux(self.stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> OcellusError:
        return OcellusError(
            f"cannot write {self.path}: {reason(error)}; check the folder's rights and the free space"
        )
