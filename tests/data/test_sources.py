"""Pictures from files, folders, patterns, videos, cameras and lists; videos written and read back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from ocellus.data import video
from ocellus.data.sources import frame_rate, how_many, pictures
from ocellus.data.video import VideoWriter, video_frames
from ocellus.errors import OcellusError
from ocellus.values import Picture


def photo(path: Path, shade: int = 0, size: tuple[int, int] = (6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (shade, shade, shade)).save(path)
    return path


def clip(path: Path, *, frames: int = 5, size: tuple[int, int] = (48, 64), rotation: int = 0) -> Path:
    """A video whose frame i has the grey 40 * i, and a white left upper corner."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(frames):
            pixels = np.full((*size, 3), 40 * index % 240, np.uint8)
            pixels[:16, :16] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def names(source: str | list[str]) -> list[str]:
    return [Path(str(picture.path)).name for picture in pictures(source)]


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.PNG", "frame1.png", "강아지.png", ".hidden.png", "inner/a.png"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert names(str(tmp_path)) == ["frame1.png", "frame2.PNG", "frame10.png", "강아지.png"]
    assert how_many(str(tmp_path)) == 4


def test_files_patterns_and_several(tmp_path: Path) -> None:
    for name in ("a1.png", "a10.png", "a9.png", "b/c.png", "[x].png"):
        photo(tmp_path / name)
    (tmp_path / "a2.txt").write_text("no picture")
    assert names(str(tmp_path / "a*")) == ["a1.png", "a9.png", "a10.png"]
    assert names(str(tmp_path / "**" / "c.png")) == ["c.png"]
    assert names(str(tmp_path / "[x].png")) == ["[x].png"]  # a file of that name, not a pattern
    assert names([str(tmp_path / "a9.png"), str(tmp_path / "b")]) == ["a9.png", "c.png"]


def test_one_picture_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocellus.data import sources

    read: list[str] = []
    true_reader = sources.read_picture

    def reader(path: Path) -> Picture:
        read.append(path.name)
        return true_reader(path)

    monkeypatch.setattr(sources, "read_picture", reader)
    for number in range(5):
        photo(tmp_path / f"{number}.png")
    found = pictures(str(tmp_path))
    assert read == []
    next(found)
    next(found)
    assert read == ["0.png", "1.png"]


def test_a_list_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = photo(tmp_path / "a b.png"), photo(tmp_path / "강아지.png")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{first}\n\n  {second}  \n"))
    assert names("-") == ["a b.png", "강아지.png"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(OcellusError, match="list on stdin is empty"):
        names("-")


def test_stdin_is_read_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(3):
            taken.append(number)
            yield str(photo(tmp_path / f"{number}.png"))

    monkeypatch.setattr("sys.stdin", lines())
    found = pictures("-")
    next(found)
    assert taken == [0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.jpg", "there is no"),
        ("gone/*.jpg", "no picture or video matches"),
        ("empty", "holds nothing"),
        ("texts", "1 files, none of them"),
        ("nested", "holds folders"),
        ("text.jpg", "not a picture"),
        ("text.mp4", "cannot be read as a video"),
        ("zero.mp4", "0 bytes"),
    ],
)
def test_nothing_to_see_is_said_in_a_line(tmp_path: Path, name: str, words: str) -> None:
    for folder in ("empty", "texts", "nested/inner"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("texts/a.txt", "text.jpg", "text.mp4"):
        (tmp_path / file).write_text("hello")
    (tmp_path / "zero.mp4").touch()
    with pytest.raises(OcellusError, match=words) as caught:
        list(pictures(str(tmp_path / name)))
    assert name in str(caught.value)


def test_a_missing_source_is_told_before_the_first_is_read(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="gone"):
        pictures([str(photo(tmp_path / "a.png")), str(tmp_path / "gone.png")])
    with pytest.raises(OcellusError, match="no picture was given"):
        pictures([])


def test_broken_ones_can_be_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "c.png")
    (tmp_path / "b.jpg").write_text("hello")
    errors: list[str] = []
    kept = [
        Path(str(one.path)).name for one in pictures(str(tmp_path), broken=lambda e: errors.append(str(e)))
    ]
    assert kept == ["a.png", "c.png"]
    assert len(errors) == 1
    assert "b.jpg" in errors[0]
    listed = "\n".join(str(tmp_path / name) for name in ("a.png", "gone.png", "c.png"))
    monkeypatch.setattr("sys.stdin", io.StringIO(listed))
    assert len(list(pictures("-", broken=lambda e: errors.append(str(e))))) == 2
    assert "gone.png" in errors[1]


def test_frames_of_a_video(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4")
    found = list(pictures(str(path)))
    assert [one.path for one in found] == [f"{path}#{index}" for index in range(5)]
    assert all(one.size == (48, 64) for one in found)
    assert [round(float(one.pixels[:, 30:, 30:].float().mean()) / 40) for one in found] == [0, 1, 2, 3, 4]
    assert frame_rate(str(path)) == 10
    assert how_many(str(path)) is None
    assert frame_rate(str(photo(tmp_path / "a.png"))) is None


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))])
def test_a_video_held_sideways_is_turned_upright(
    tmp_path: Path, degrees: int, corner: tuple[int, int]
) -> None:
    """Counterclockwise: by 90 degrees the left upper corner comes to lie left below."""
    picture = next(video_frames(clip(tmp_path / "clip.mp4", rotation=degrees)))
    assert picture.size == ((64, 48) if degrees % 180 else (48, 64))
    bright = picture.pixels.float().mean(0)
    rows, columns = (slice(-8, None) if one else slice(0, 8) for one in corner)
    assert float(bright[rows, columns].mean()) > 240
    assert float(bright.mean()) < 60


def test_a_video_without_frames_or_pictures(tmp_path: Path) -> None:
    none = tmp_path / "none.mp4"
    with av.open(str(none), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.mux(stream.encode(None))
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        audio = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    for path in (none, sound):
        with pytest.raises(OcellusError, match=path.name):
            list(pictures(str(path)))


def test_a_video_cut_short(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", frames=30)
    path.write_bytes(path.read_bytes()[:-600])  # its index stands at the end
    with pytest.raises(OcellusError, match=r"clip\.mp4"):
        list(pictures(str(path)))


def test_no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "camera_device", lambda number: (str(tmp_path / f"video{number}"), "v4l2"))
    with pytest.raises(OcellusError, match=r"camera 7 .* cannot be opened"):
        next(pictures("7"))
    photo(tmp_path / "7.png").rename(tmp_path / "7")
    monkeypatch.chdir(tmp_path)
    assert names("7") == ["7"]  # a file of that name comes first


def test_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's test picture stands in for a camera: the same road, another device."""
    monkeypatch.setattr(video, "camera_device", lambda number: ("testsrc=size=64x48:rate=30", "lavfi"))
    found = pictures("0")
    frames = [next(found) for _ in range(3)]
    assert [one.path for one in frames] == ["camera 0#0", "camera 0#1", "camera 0#2"]
    assert frames[0].size == (48, 64)


@pytest.mark.parametrize(
    ("system", "wanted"),
    [("Linux", ("/dev/video2", "v4l2")), ("Darwin", ("2", "avfoundation"))],
)
def test_devices_by_platform(monkeypatch: pytest.MonkeyPatch, system: str, wanted: tuple[str, str]) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    assert video.camera_device(2) == wanted
    monkeypatch.setattr("platform.system", lambda: "Windows")
    with pytest.raises(OcellusError, match="the cameras are none"):
        video.camera_device(2)


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1), (33, 64)])
def test_written_and_read_back(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "out" / "clip.mp4"
    height, width = size
    rows = torch.linspace(0, 255, height).to(torch.uint8)[None, :, None].expand(3, height, width)
    sent = [Picture(pixels=rows), Picture(pixels=255 - rows)]
    with VideoWriter(path, rate=Fraction(30000, 1001), quality=4) as writer:
        for picture in sent:
            writer.write(picture)
    found = list(pictures(str(path)))
    assert len(found) == 2
    assert found[0].size == (height + height % 2, width + width % 2)
    for given, got in zip(sent, found, strict=True):
        difference = (got.pixels[:, :height, :width].int() - given.pixels.int()).abs()
        assert float(difference.float().mean()) < 4
    assert frame_rate(str(path)) == Fraction(30000, 1001)


def test_a_writer_says_what_is_wrong(tmp_path: Path) -> None:
    small, large = (Picture(pixels=torch.zeros(3, side, side, dtype=torch.uint8)) for side in (16, 32))
    with pytest.raises(OcellusError, match=r"end the name with \.mp4") as caught:
        VideoWriter(tmp_path / "a.gif")
    assert caught.value.exit_code == 2
    path = tmp_path / "a.mp4"
    with pytest.raises(OcellusError, match="frames of one size"), VideoWriter(path) as writer:
        writer.write(small)
        writer.write(large)
    assert len(list(video_frames(path))) == 1  # what was written before stays whole
    (tmp_path / "file").touch()
    with (
        pytest.raises(OcellusError, match="cannot write"),
        VideoWriter(tmp_path / "file" / "a.mp4") as writer,
    ):
        writer.write(small)
    with VideoWriter(tmp_path / "none.mp4"):
        pass
    assert not (tmp_path / "none.mp4").exists()


def test_real_clips(shared: Path) -> None:
    for path in sorted((shared / "data" / "clips").rglob("*.mp4")):
        found = pictures(str(path))
        assert next(found).size == (360, 640)
        assert sum(1 for _ in found) > 200
