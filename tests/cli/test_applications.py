"""portrait, organs and driving: on tiny networks that know a made-up scene, and with bad input."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from small_world import write_model, write_video
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[1] / "imagine" / "portrait"))

from taught import chest, scene, taught, write_taught

from ocellus import weights
from ocellus.cli import main
from ocellus.see.mask_rcnn.config import TINY
from ocellus.see.mask_rcnn.model import build

NAMES = ("background", "person")
CHEST = ("background", "left_lung", "right_lung", "cardiomediastinum")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = taught([scene(x=x) for x in (30, 48, 66, -200)], classes=2)
    return write_taught(tmp_path_factory.mktemp("model") / "person.safetensors", network, NAMES)


@pytest.fixture(scope="module")
def lungs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels, labels = chest()
    blank = torch.full_like(pixels, 120), torch.zeros_like(labels)
    network = taught([(pixels, labels), blank], classes=4)
    return write_taught(tmp_path_factory.mktemp("model") / "lungs.safetensors", network, CHEST)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(pixels: torch.Tensor, name: str) -> str:
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(name)
    return name


def film(name: str, *, frames: int = 8, places: tuple[int, ...] = (), noise: float = 0.0) -> str:
    """A person walks to the right, or stands at those places; grey levels of noise on top."""
    dice = np.random.default_rng(0)
    walk = places or tuple(36 + 3 * number for number in range(frames))
    with av.open(name, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for x in walk:
            pixels = scene(x=x)[0].permute(1, 2, 0).contiguous().numpy()
            if noise:
                pixels = (pixels + dice.normal(0, noise, pixels.shape)).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return name


def frames_of(name: str | Path) -> np.ndarray:
    with av.open(str(name)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def told(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    capsys.readouterr()
    code = main([str(word) for word in words] + ["--json"])
    output = capsys.readouterr()
    assert code == 0, output.err
    return [json.loads(line) for line in output.out.splitlines()]


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int) -> str:
    capsys.readouterr()
    given = main([str(word) for word in words])
    error = capsys.readouterr().err.strip().splitlines()
    assert given == code, error
    assert error[-1].startswith("ocellus: "), error
    return error[-1]


def test_cutout_is_a_png_with_soft_alpha(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fine = scene(height=256, width=384, x=192, radius=72)
    pixels, labels = (F.avg_pool2d(part.float(), 4) for part in (fine[0], fine[1][None]))
    name = save(pixels.round().to(torch.uint8), "selfie.png")
    (one,) = told(capsys, "portrait", person, name, "--out", "cut")
    image = Image.open("cut/selfie.png")
    assert image.mode == "RGBA" and image.size == (96, 64) and one["file"] == "cut/selfie.png"
    alpha = np.asarray(image)[..., 3] / 255
    assert abs(alpha - labels[0].numpy()).mean() < 0.04
    assert one["subject"] == "person" and one["share"] == pytest.approx(
        float(labels.float().mean()), abs=0.03
    )
    assert len(np.unique(np.asarray(image)[..., 3])) > 10


def test_blur_and_backgrounds(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, _ = scene()
    name = save(pixels, "selfie.png")
    save(torch.tensor([200, 20, 20], dtype=torch.uint8)[:, None, None].expand(3, 30, 30), "beach.png")
    told(capsys, "portrait", person, name, "--mode", "blur", "--strength", "5", "--out", "blur.jpg")
    told(capsys, "portrait", person, name, "--background", "#00b140", "--out", "green.png")
    told(capsys, "portrait", person, name, "--background", "beach.png", "--out", "beach", "--depth")
    blurred = np.asarray(Image.open("blur.jpg")).astype(int)
    plain = pixels.permute(1, 2, 0).numpy()
    assert blurred[:, :20].std(axis=1).mean() < 0.6 * plain[:, :20].std(axis=1).mean()
    assert abs(blurred[30, 48] - plain[30, 48]).max() < 12
    assert np.asarray(Image.open("green.png"))[3, 3].tolist() == [0, 177, 64]
    assert abs(np.asarray(Image.open("beach/selfie.jpg"))[3, 3].astype(int) - (200, 20, 20)).max() < 8


def test_videos_are_smoothed_and_keep_size_and_length(
    person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = film("walk.mp4")
    (one,) = told(capsys, "portrait", person, name, "--background", "white", "--out", "made")
    made = frames_of("made/walk.mp4")
    assert made.shape == (8, 64, 96, 3) and one["frames"] == 8
    assert made[:, 4:12, :8].min() > 240  # white where nobody was
    for number in (0, 7):  # the person is where it is now, in its color
        assert abs(made[number, 30, 36 + 3 * number].astype(int) - (235, 140, 60)).max() < 25
    (plain,) = told(capsys, "portrait", person, name, "--mode", "blur", "--no-smooth", "--out", "other.mp4")
    assert plain["flicker"] == pytest.approx(plain["flicker_before"])


def test_smoothing_halves_the_flicker_of_a_noisy_clip(
    person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing moves; what changes from frame to frame is noise that the eye hardly sees."""
    name = film("noisy.mp4", places=(48,) * 12, noise=6.0)
    (one,) = told(capsys, "portrait", person, name, "--mode", "blur", "--out", "calm.mp4")
    (raw,) = told(capsys, "portrait", person, name, "--mode", "blur", "--no-smooth", "--out", "raw.mp4")
    assert raw["flicker"] == pytest.approx(one["flicker_before"], rel=1e-3)
    assert one["flicker_before"] > 3e-4 and one["flicker"] < 0.5 * one["flicker_before"]


def test_subject_of_a_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mask R-CNN's masks, however senseless, become soft alpha."""
    model = write_model(tmp_path / "model.safetensors", seed=1)
    name = save(scene()[0], "a.png")
    (one,) = told(capsys, "portrait", model, name, "--subject", "box", "--score", "0", "--out", "cut")
    assert one["subject"] == "box" and Image.open("cut/a.png").mode == "RGBA"
    assert "did you mean disc?" in refused(capsys, "portrait", model, name, "--subject", "disk", code=2)
    assert "say with --subject" in refused(capsys, "portrait", model, name, code=2)
    config = replace(TINY, mask_branch=False)
    weights.save(
        "boxes.safetensors", build(config), weights.describe("see/mask_rcnn", config, labels=("a", "b"))
    )
    assert "without masks" in refused(capsys, "portrait", "boxes.safetensors", name, "--subject", "a", code=2)


def test_what_portrait_refuses(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, video = save(scene()[0], "selfie.png"), film("walk.mp4", frames=2)
    cases: list[tuple[list[object], int, str]] = [
        ([name, "--subject", "persn"], 2, "did you mean person?"),
        ([name, "--background", "beach.jpg"], 1, "there is no background beach.jpg"),
        ([name, "--background", "greenish"], 2, "neither a picture nor a color"),
        ([name, "--mode", "replace"], 2, "give one"),
        ([name, "--mode", "blur", "--background", "white"], 2, "takes no background"),
        ([name, "--strength", "-3", "--mode", "blur"], 2, "strength -3"),
        ([name, "--score", "7"], 2, "--score 7"),
        ([video], 2, "holds no transparency"),
        ([name, video, "--mode", "blur", "--out", "one.mp4"], 2, "2 files"),
        ([name, "--out", "one.jpg"], 2, "which gives .png"),
        ([name, "--out", "."], 2, "written over itself"),
        (["absent.jpg"], 1, "there is no absent.jpg"),
    ]
    for words, code, says in cases:
        assert says in refused(capsys, "portrait", person, *words, code=code), words
    assert sorted(path.name for path in Path().iterdir()) == ["selfie.png", "walk.mp4"]


def test_pictures_without_a_person(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = scene(x=-200)[0]
    name = save(empty, "empty.png")
    line = refused(capsys, "portrait", person, name, code=1)
    assert "the model finds no person" in line
    save(scene()[0], "full.png")
    made = told(capsys, "portrait", person, name, "full.png", "--out", "cut")
    assert [one["file"] for one in made] == ["cut/full.png"] and not Path("cut/empty.png").exists()


def test_videos_without_frames(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(Path("none.avi"), frames=0)
    assert "none.avi" in refused(capsys, "portrait", person, "none.avi", "--mode", "blur", code=1)
    assert "none.avi" in refused(capsys, "driving", person, "none.avi", code=1)
    assert not list(Path().rglob("*.mp4"))


def test_organs_measures_what_is_there(lungs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, _ = chest()
    name = save(pixels, "chest.png")
    assert main(["organs", str(lungs), name, "--out", "first"]) == 0
    output = capsys.readouterr()
    assert "not a medical device" in output.out and "not a medical device" in output.err
    (one,) = told(capsys, "organs", lungs, name, "--out", "drawn")
    assert one["notice"] == "not a medical device"
    assert one["cardiothoracic_ratio"] == pytest.approx(32 / 80, abs=0.03)
    assert one["heart_width"]["pixels"] == pytest.approx(32, abs=2)
    assert one["thorax_width"]["pixels"] == pytest.approx(80, abs=2)
    assert one["organs"]["heart"]["pixels"] == pytest.approx(40 * 32, rel=0.05)
    assert one["organs"]["left lung"]["share"] == pytest.approx((28 * 64 - 4 * 40) / 96**2, rel=0.05)
    assert not one["mirrored"] and Image.open(one["drawing"]).size == (96, 96)


def test_what_organs_refuses(lungs: Path, person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, _ = chest()
    name = save(pixels, "chest.png")
    line = refused(capsys, "organs", person, name, code=2)
    assert "knows background, person, and no left lung and no right lung and no heart" in line
    blank = torch.full_like(pixels, 120)
    save(blank, "blank.png")
    line = refused(capsys, "organs", lungs, "blank.png", code=1)
    assert "blank.png: no " in line and "frontal X-ray" in line
    assert "no X-ray" in refused(capsys, "organs", lungs, film("walk.mp4", frames=1), code=2)
    found = told(capsys, "organs", lungs, "blank.png", name, "--out", "drawn")
    assert [one["picture"] for one in found] == ["chest.png"]


def test_driving_draws_every_frame(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = film("walk.mp4")
    (one,) = told(capsys, "driving", person, name, "--out", "made")
    made = frames_of("made/walk.mp4")
    assert one["frames"] == len(made) == 8 and made.shape[2] == 96 and made.shape[1] > 64
    assert set(one["shares"]) == {"background", "person"} and one["frames_per_second"] > 0
    assert sum(one["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert (made[0, :20, :10].astype(int) - scene()[0][:, :20, :10].permute(1, 2, 0).numpy()).max() < 40


def test_the_vote_removes_what_a_single_frame_says(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every fourth frame has the person elsewhere: all of that is outvoted by its neighbours."""
    name = film("flickering.mp4", places=(48, 48, 48, 70) * 4)
    (one,) = told(capsys, "driving", person, name, "--out", "calm.mp4")
    (raw,) = told(capsys, "driving", person, name, "--window", "1", "--out", "raw.mp4")
    assert raw["changes"] == raw["changes_before"] == pytest.approx(one["changes_before"], rel=1e-3)
    assert one["changes_before"] > 0.05 and one["changes"] < 0.1 * one["changes_before"]


def test_what_driving_refuses(person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, video = save(scene()[0], "a.png"), film("walk.mp4", frames=2)
    detector = write_model(tmp_path / "detector.safetensors")
    assert "a.png is no video" in refused(capsys, "driving", person, name, code=2)
    assert "there is no video absent.mp4" in refused(capsys, "driving", person, "absent.mp4", code=1)
    for window in ("0", "255"):
        line = refused(capsys, "driving", person, video, "--window", window, code=2)
        assert f"--window {window} makes no sense: it takes 1 to 254 frames" in line
    assert "--fill 2" in refused(capsys, "driving", person, video, "--fill", "2", code=2)
    assert "not give every pixel a class" in refused(capsys, "driving", detector, video, code=2)
    assert "written over itself" in refused(capsys, "driving", person, video, "--out", ".", code=2)
