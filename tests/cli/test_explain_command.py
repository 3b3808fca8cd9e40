"""`ocellus explain`: kinds of model, targets, files, measures, videos, and what users give by mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from small_streets import write_segmenter
from small_world import write_model, write_video

import ocellus
from ocellus import weights
from ocellus.cli import main
from ocellus.see.classifier.config import TINY
from ocellus.see.classifier.model import build
from ocellus.values import Heatmap
from tests.report.pages import Page, accessible, self_contained

SQUEEZENET = "torchvision:squeezenet1_1=squeezenet.pth"
SMALL = ["--short-side", "64"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pictures, a video, and a network of each kind; none has learned anything."""
    root = tmp_path_factory.mktemp("why")
    before = Path.cwd()
    os.chdir(root)
    random = np.random.default_rng(0)
    for name, size in (("cat.png", (48, 64, 3)), ("dog.png", (64, 72, 3)), ("tiny.png", (6, 6, 3))):
        Image.fromarray(random.integers(0, 255, size, dtype=np.uint8)).save(name)
    write_video(Path("clip.avi"), frames=3)
    write_model(Path("detector.safetensors"))
    write_segmenter(Path("segmenter.safetensors"))
    torch.manual_seed(0)
    header = weights.describe("see/classifier", TINY, labels=("tabby", "poodle"))
    weights.save(Path("classifier.safetensors"), build(TINY), header)
    network = torchvision.models.squeezenet1_1(num_classes=4)
    torch.save(network.state_dict(), "squeezenet.pth")
    yield root
    os.chdir(before)


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command prints on standard output."""
    capsys.readouterr()
    assert main(["explain", *map(str, words)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def facts(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = shows(capsys, *words, "--json").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """The one line of a command that fails."""
    capsys.readouterr()
    given = main(["explain", *map(str, words)])
    error = capsys.readouterr().err.strip()
    assert given == code, error
    assert len(error.splitlines()) == 1 and error.startswith("ocellus: "), error
    return error


def test_overlay_values_and_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "found"
    line = shows(capsys, "gradcam,saliency", "classifier.safetensors", "cat.png", "dog.png", "--out", out)
    assert "cat.png: class " in line and "Grad-CAM at " in line and "Saliency (" in line
    names = {path.name for path in out.iterdir()}
    stems = {f"{name}-{method}" for name in ("cat", "dog") for method in ("gradcam", "saliency")}
    assert names == {f"{stem}{end}" for stem in stems for end in (".png", ".npz")} | {
        "explained.jsonl", "explanations.html"
    }  # fmt: skip
    heat = Heatmap.load(out / "cat-gradcam.npz")
    assert heat.size == (48, 64) and heat.method == "gradcam" and heat.layer
    assert Image.open(out / "cat-gradcam.png").size[0] == 64
    page = Page(out / "explanations.html")
    self_contained(page)
    accessible(page)
    assert len(page.all("img")) == 2 * 5
    rows = [json.loads(row) for row in (out / "explained.jsonl").read_text().splitlines()]
    assert [row["picture"] for row in rows] == ["cat.png", "dog.png"]
    assert rows[0]["methods"][0]["overlay"].endswith("cat-gradcam.png")


def test_targets_of_a_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    one = ("saliency", "classifier.safetensors", "cat.png")
    listed = shows(capsys, *one, "--list-layers").splitlines()
    layer = next(row.split()[0] for row in listed if "Conv2d" in row)
    for target, text in (
        ("class:poodle", "class poodle"),
        ("class:0", "class tabby"),
        ("like:dog.png", "likeness to dog.png"),
        (f"unit:{layer},2", f"unit 2 of {layer}"),
    ):
        (row,) = facts(capsys, *one, "--target", target, "--no-out")
        assert row["target"] == text and row["methods"][0]["high"] > 0
    assert {name for name, _ in row["answers"]} == {"tabby", "poodle"}
    assert sum(share for _, share in row["answers"]) == pytest.approx(1, abs=1e-5)


def test_detector_explains_boxes_and_masks(capsys: pytest.CaptureFixture[str]) -> None:
    for target, word in (("top", "box 0"), ("box:1", "box 1"), ("mask:0", "mask 0")):
        (row,) = facts(capsys, "gradcam", "detector.safetensors", "cat.png", "--target", target, "--no-out")
        assert row["target"].startswith(word) and row["methods"][0]["layer"] == "pyramid"
    assert row["answers"][0][0].startswith("box 0: ")
    error = refused(capsys, "gradcam", "detector.safetensors", "cat.png", "--target", "class:disc")
    assert "cannot answer class:disc: give --target box:0 or --target mask:0" in error
    error = refused(capsys, "gradcam", "detector.safetensors", "cat.png", "--target", "box:500", code=1)
    assert "object 500 was asked for" in error


def test_segmenter_explains_a_region(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = facts(
        capsys, "gradcam", "segmenter.safetensors", "cat.png", "--target", "region:4,4,30,30", "--no-out"
    )
    assert "in 4,4,30,30" in row["target"]
    error = refused(capsys, "gradcam", "segmenter.safetensors", "cat.png", "--target", "region:900,9,950,20")
    assert "holds no pixel" in error
    assert "cannot answer box:0" in refused(
        capsys, "gradcam", "segmenter.safetensors", "cat.png", "--target", "box:0"
    )


def test_networks_of_others_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = facts(capsys, "cam,occlusion", SQUEEZENET, "cat.png", *SMALL, "--no-out", "--target", "class:3")
    assert row["target"] == "class 3" and [one["method"] for one in row["methods"]] == ["cam", "occlusion"]
    error = refused(capsys, "cam", "torchvision:squeezenet1_2=squeezenet.pth", "cat.png")
    assert "did you mean squeezenet1_" in error
    assert "wants an architecture and a file" in refused(capsys, "cam", "torchvision:resnet50", "cat.png")
    error = refused(capsys, "cam", "torchvision:resnet18=squeezenet.pth", "cat.png", code=1)
    assert "does not fit the network" in error
    assert "is not there" in refused(capsys, "cam", "torchvision:resnet18=none.pth", "cat.png", code=1)


def test_networks_of_timm_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("test_resnet.r160_in1k", num_classes=5).state_dict(), "small.pth")
    (row,) = facts(capsys, "gradcam", "timm:test_resnet.r160_in1k=small.pth", "cat.png", *SMALL, "--no-out")
    assert row["target"].startswith("class ") and row["size"] == [48, 64]
    assert "timm has no architecture" in refused(capsys, "cam", "timm:resnet5O=small.pth", "cat.png")


def test_layers_are_listed_and_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    listed = shows(capsys, "gradcam", SQUEEZENET, "cat.png", *SMALL, "--list-layers")
    assert "features.12.expand1x1" in listed and listed.count("<- default") == 1
    assert "x1x1  no map" in listed
    assert "features.12" in shows(capsys, "gradcam", SQUEEZENET, "--list-layers")
    (row,) = facts(capsys, "gradcam", SQUEEZENET, "cat.png", *SMALL, "--layer", "features.6", "--no-out")
    assert row["methods"][0]["layer"] == "features.6"
    error = refused(capsys, "gradcam", SQUEEZENET, "cat.png", *SMALL, "--layer", "feature.6")
    assert "no layer 'feature.6'" in error and "features.6" in error
    error = refused(capsys, "gradcam", SQUEEZENET, "cat.png", *SMALL, "--layer", "classifier.3")
    assert "has no places" in error


def test_settings_of_methods_are_flags(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("cat.png", *SMALL, "--no-out", "--window", "16", "--stride", "8")
    (row,) = facts(
        capsys, "occlusion,gradcam", SQUEEZENET, *words, "--part", "both", "--fills", "mean", "0.5"
    )
    assert [one["signed"] for one in row["methods"]] == [True, True]
    assert "stride is 40" in refused(
        capsys, "occlusion", SQUEEZENET, "cat.png", *SMALL, "--stride", "40", "--no-out"
    )
    error = refused(capsys, "occlusion", "classifier.safetensors", "tiny.png", "--window", "64", code=1)
    assert "less than the window of 64" in error
    with pytest.raises(SystemExit) as stopped:
        main(["explain", "saliency", SQUEEZENET, "cat.png", "--window", "4"])
    assert stopped.value.code == 2


def test_measures_are_printed_and_on_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "measured"
    words = ("saliency,gradcam", "classifier.safetensors", "cat.png", "--measure", "--truth", "0,0,30,40")
    line = shows(capsys, *words, "--out", out)
    assert "  Saliency: deletion " in line and "likeness" in line and "pointing" in line
    row = json.loads((out / "explained.jsonl").read_text())["methods"][0]
    assert {"deletion", "insertion", "likeness", "pointing", "inside", "overlap", "unchanged"} <= set(row)
    assert 0 <= row["deletion"] <= 1 and row["pointing"] in (0, 1)
    page = Page(out / "explanations.html")
    assert "How far to trust" in page.text and "probability of the class" in page.text
    (row,) = facts(capsys, "saliency", "detector.safetensors", "cat.png", "--measure", "--no-out")
    assert "insertion" in row["methods"][0]


def test_video_has_a_map_for_each_frame(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "frames"
    rows = facts(capsys, "saliency", "classifier.safetensors", "clip.avi", "--out", out)
    assert [row["picture"] for row in rows] == [f"clip.avi#{index}" for index in range(3)]
    with av.open(str(out / "clip-saliency.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 3 and frames[0].width == 64 and frames[0].height > 48
    assert len(Page(out / "explanations.html").all("img")) == 3


def test_mistakes_are_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = ("classifier.safetensors", "cat.png", "--no-out")
    assert "did you mean gradcam?" in refused(capsys, "gradcm", *one)
    assert "there is cam" in refused(capsys, "x", *one)
    assert "no class 'tabi'" in (found := refused(capsys, "cam", *one, "--target", "class:tabi"))
    assert "tabby" in found
    assert "no class '7' (0 to 1)" in refused(capsys, "cam", *one, "--target", "class:7")
    assert "it takes class:NAME" in refused(capsys, "cam", *one, "--target", "klass:0")
    assert "a box is x1,y1,x2,y2" in refused(capsys, "cam", *one, "--truth", "1,2,3")
    assert "no picture was given" in refused(capsys, "cam", "classifier.safetensors")
    assert "leave out short_side" in refused(capsys, "cam", *one, *SMALL)
    assert "there is no none.png" in refused(capsys, "cam", "classifier.safetensors", "none.png", code=1)
    assert "is no model here" in refused(capsys, "cam", "none.safetensors", "cat.png", code=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is there already" in refused(capsys, "cam", *one[:2], "--out", tmp_path / "full")
    assert "the network fails on tiny.png (6x6)" in refused(
        capsys, "cam", SQUEEZENET, "tiny.png", "--short-side", "0", code=1
    )
    error = refused(
        capsys, "cam", "torchvision:squeezenet1_1=squeezenet.pth", "cat.png", "--target", "class:9"
    )
    assert "'9' (0 to 3)" in error


def test_what_one_method_cannot_do_another_can(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["explain", "cam,gradcam", "detector.safetensors", "cat.png", "--no-out"]) == 0
    heard = capsys.readouterr()
    assert "passed over: CAM explains the score of a class" in heard.err and "Grad-CAM" in heard.out
    assert "CAM explains the score" in refused(capsys, "cam", "detector.safetensors", "cat.png", "--no-out")


@pytest.mark.parametrize(
    ("model", "titles"),
    [
        ("detector", {"Features", "Pyramid", "Proposals", "RoI grid points", "Class scores", "Mask bins"}),
        ("segmenter", {"Features", "Answer"}),
        ("classifier", {"Features", "Answer"}),
    ],
)
def test_look_inside(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: str, titles: set[str]
) -> None:
    out = tmp_path / "in"
    found = json.loads(shows(capsys, "inside", f"{model}.safetensors", "dog.png", "--out", out, "--json"))
    assert {"Picture", *titles} <= {row["part"] for row in found}
    page = Page(out / "inside.html")
    self_contained(page)
    accessible(page)
    assert len(page.all("img")) == len(found) == len(list(out.glob("*.png")))
    assert all(row["name"] in page.text for row in found)


def test_look_inside_at_some_layers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = ("inside", SQUEEZENET, "cat.png", *SMALL, "--out", tmp_path / "in")
    assert "Features: features.0, features.5\n" in shows(capsys, *one, "--layers", "features.5", "features.0")
    assert "is there already" in refused(capsys, *one)
    error = refused(capsys, *one[:-1], tmp_path / "new", "--layers", "feature.5")
    assert "no layer 'feature.5'" in error
    assert not (tmp_path / "new").exists()


def test_from_python_too() -> None:
    model = ocellus.load("classifier.safetensors", fused=False)
    (why,) = ocellus.explain("all", model, "cat.png")
    assert set(why.heatmaps) >= {"cam", "gradcam", "saliency", "occlusion", "deconvnet"}
    assert why.heatmaps["cam"].picture is not None and "svg" in why._repr_html_()
    (own,) = ocellus.explain("gradcam", model.network, "cat.png", names=("a", "b"), target="class:b")
    assert own.explained.target == "class b"
    picture = own.explained.picture
    (again,) = ocellus.explain("gradcam", model.network, picture, target="class:1")
    assert torch.equal(again.heatmaps["gradcam"].values, own.heatmaps["gradcam"].values)
    from ocellus.explain import gradcam

    assert callable(ocellus.explain) and ocellus.explain.gradcam is gradcam
