"""A class for every pixel: from label maps to a report, pictures, videos, and what users give by mistake."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from small_streets import COLORS, NAMES, QUICK, write_segmenter, write_streets
from small_world import write_coco, write_model, write_video

import ocellus
from ocellus import weights
from ocellus.cli import main
from ocellus.data import windows
from ocellus.data.sources import pictures
from ocellus.nn import dense
from ocellus.values import Segmentation


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set of label maps, a segmenter, and a run of three steps."""
    root = tmp_path_factory.mktemp("streets")
    before = Path.cwd()
    os.chdir(root)
    write_streets(Path("data"))
    write_segmenter(Path("model.safetensors"))
    assert main(["train", "see/unet", "data", "--out", "first", "--steps", "3", *QUICK]) == 0
    yield root
    os.chdir(before)


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints on standard output."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    """The one line of a command that fails."""
    capsys.readouterr()
    given = main([str(word) for word in words])
    error = capsys.readouterr().err.strip()
    assert given == code, error
    lines = [line for line in error.splitlines() if "looks odd" not in line]
    assert len(lines) == 1 and lines[0].startswith("ocellus: "), error
    return lines[0]


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_train_leaves_a_whole_run() -> None:
    header = weights.read_header("first/best.safetensors")
    assert header.labels == NAMES and "mIoU" in header.metrics
    page = Path("first/report.html").read_text(encoding="utf-8")
    assert "U-Net on data" in page and "missed</th>" not in page and "wrong (red)" in page
    assert any("mIoU" in line for line in Path("first/metrics.jsonl").read_text().splitlines())


def test_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    text = shows(capsys, "evaluate", "first", "data", "--split", "train")
    assert re.search(r"mIoU +0\.\d{4}", text) and "IoU/road" in text and "boundary" not in text
    answer = strict(shows(capsys, "evaluate", "first", "data", "--boundaries", "--out", "edges", "--json"))
    assert {"mIoU", "boundary_IoU", "boundary_IoU/car", "Dice/sky"} <= set(answer["metrics"])
    assert "boundary IoU" in Path("edges/report.html").read_text(encoding="utf-8")


def test_how_pictures_reach_the_network_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command sets is what the function does, and it changes the answer."""
    asked = ["evaluate", "model.safetensors", "data", "--json"]
    plain = json.loads(shows(capsys, *asked))["metrics"]
    looks = json.loads(shows(capsys, *asked, "--set", "views=2", "--set", "scales=0.5,1"))["metrics"]
    assert looks["mIoU"] != plain["mIoU"]
    model = ocellus.load("model.safetensors", settings={"views": 2, "scales": (0.5, 1)})
    assert model.network.config.scales == (0.5, 1.0)
    found = ocellus.evaluate(model, "data").metrics["mIoU"]
    assert looks["mIoU"] == pytest.approx(found, abs=1e-6)
    picture = next(Path("data").rglob("*.png"))
    shows(capsys, "run", "--set", "short-side=40", "model.safetensors", picture, "--no-out")
    for value, words in (
        ("views=3", "views"),
        ("scales=big", "setting scales takes float"),
        ("shortside=40", "did you mean short_side"),
        ("width=4", "no setting of how see/unet looks at pictures"),
    ):
        assert words in refused(capsys, *asked, "--set", value, code=2)
    with pytest.raises(SystemExit):
        main(["run", "model.safetensors", str(picture), "--set", "views"])
    assert "is not NAME=VALUE" in capsys.readouterr().err


def test_figures_are_those_of_the_label_maps(capsys: pytest.CaptureFixture[str]) -> None:
    """IoU by hand from the maps that `run` writes."""
    shows(capsys, "run", "first", "data/images", "--out", "all", "--maps")
    answer = strict(shows(capsys, "evaluate", "first", "data", "--split", "train", "--out", "ev", "--json"))
    names = [Path(record.name).stem for record in ocellus.read("data", view="classes").splits["train"]]
    matrix = np.zeros((3, 3))
    for name in names:
        found = np.asarray(Image.open(f"all/{name}-labels.png"))
        truth = np.asarray(Image.open(f"data/masks/{name}.png"))
        np.add.at(matrix, (truth[truth < 255], found[truth < 255]), 1)
    right = matrix.diagonal()
    wanted = right / (matrix.sum(0) + matrix.sum(1) - right)
    got = [answer["metrics"][f"IoU/{name}"] for name in NAMES]
    assert got == pytest.approx(wanted.tolist(), abs=1e-5)
    assert answer["metrics"]["mIoU"] == pytest.approx(wanted.mean(), abs=1e-5)


def test_classes_by_name_and_classes_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A data set with the classes in another order, and without one of them: measured all the same."""
    write_streets(Path("turned"), names=("road", "sky"))
    told = shows(capsys, "evaluate", "model.safetensors", "turned", "--split", "train", "--out", "turned-ev")
    assert "the truth has no pixel of car" in told
    maps = [np.asarray(Image.open(path)) for path in sorted(Path("turned/masks").iterdir())]
    model = ocellus.load("model.safetensors")
    result = ocellus.evaluate(model, "turned", split="train")
    counts = np.array(result.found.confusion.counts if result.found.confusion else ())
    train = {Path(record.name).stem for record in ocellus.read("turned", view="classes").splits["train"]}
    pixels = sum(int((one == 0).sum()) for index, one in enumerate(maps) if str(index) in train)
    assert result.found.confusion is not None and result.found.confusion.names == NAMES
    assert counts[1].sum() == pixels, "label 0 of the data is road, the model's label 1"
    assert counts[2].sum() == 0


def test_run_says_lists_and_draws(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--out", "out", "--maps", "--uncertainty"]
    line = shows(capsys, "run", "model.safetensors", "data/images/0.png", *flags)
    assert re.fullmatch(
        r"data/images/0.png: ((sky|road|car) (\d+|\d\.\d|under 0\.1) %(, )?)+ \(\d+\.\d\d s\)\n", line
    ), line
    assert {path.name for path in Path("out").iterdir()} == {
        "0.jpg", "0-labels.png", "0-uncertainty.jpg", "found.jsonl"
    }  # fmt: skip
    facts = strict(Path("out/found.jsonl").read_text())
    assert sum(facts["shares"].values()) == pytest.approx(1, abs=1e-4) and 0 < facts["confidence"] <= 1
    assert facts["labels"] == "out/0-labels.png" and facts["uncertainty"] == "out/0-uncertainty.jpg"
    found = ocellus.load("model.safetensors")("data/images/0.png")
    with Image.open("out/0-labels.png") as image:
        assert np.array_equal(np.asarray(image), found.labels.numpy())
        palette = image.getpalette()
    assert palette is not None and palette[:9] == [value for color in COLORS for value in color]


def test_run_on_a_video_writes_a_video(capsys: pytest.CaptureFixture[str]) -> None:
    write_video(Path("clip.avi"), frames=3)
    lines = shows(capsys, "run", "model.safetensors", "clip.avi", "--out", "clip", "--maps").splitlines()
    assert len(lines) == 3 and lines[2].startswith("clip.avi#2: ")
    assert {path.name for path in Path("clip").iterdir()} == {
        "clip.mp4", "found.jsonl", *(f"clip-{number:06d}-labels.png" for number in range(3))
    }  # fmt: skip
    assert len(list(pictures("clip/clip.mp4"))) == 3


def test_from_python() -> None:
    model = ocellus.load("model.safetensors")
    found = model("data/images/0.png", probabilities=True)
    assert isinstance(found, Segmentation) and found.picture is not None and found.colors == COLORS
    assert found.probabilities is not None and tuple(found.probabilities.shape) == (3, 48, 64)
    assert "<image" in found._repr_html_()
    (answer,) = ocellus.run(model, "data/images/0.png")
    assert answer.value.picture is None and "<image" in answer._repr_html_()
    assert answer.text in answer.line()


def test_compare(capsys: pytest.CaptureFixture[str]) -> None:
    shows(capsys, "train", "--from", "first/run.toml", "--out", "other", "--learning-rate", "0.002")
    text = shows(capsys, "compare", "first", "other", "--out", "page.html")
    assert "mIoU" in text and "fit.learning_rate" in text


def test_huge_pictures_are_read_and_written_part_by_part(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same labels as of the whole, from a tiled TIFF, as a tiled TIFF.

    With batch norm: group norm looks at all of what the network is given, a tile or the whole.
    """
    model = write_segmenter(Path("batch.safetensors"), norm="batch")
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((704, 512)))
    tifffile.imwrite("huge.tif", pixels, photometric="rgb", tile=(64, 64), compression="zlib")
    whole = ocellus.load(model, precision="32")("huge.tif")
    monkeypatch.setattr(windows, "LARGE", 300_000)
    monkeypatch.setattr(dense, "TILE", 256)
    line = shows(capsys, "run", model, "huge.tif", "--out", "huge", "--json", "--precision", "32")
    facts = strict(line)
    assert facts["size"] == [512, 704] and facts["labels"] == "huge/huge-labels.tif"
    with tifffile.TiffFile("huge/huge-labels.tif") as file:
        assert file.pages.first.is_tiled
        labels = file.asarray()
    assert (labels == whole.labels.numpy()).mean() > 0.9999
    shares = {name: float((labels == index).mean()) for index, name in enumerate(NAMES)}
    assert facts["shares"] == pytest.approx({k: v for k, v in shares.items() if v}, abs=1e-5)
    assert facts["confidence"] == pytest.approx(float(whole.confidence.float().mean()), abs=1e-3)
    assert Path("huge/huge.jpg").is_file()
    np.save("huge.npy", pixels)
    answer = strict(shows(capsys, "run", model, "huge.npy", "--no-out", "--json", "--precision", "32"))
    assert answer["shares"] == facts["shares"] and "labels" not in answer


def test_mistakes_of_users(capsys: pytest.CaptureFixture[str]) -> None:
    write_model(Path("objects.safetensors"))
    objects = write_coco(Path("objects"))
    line = refused(capsys, "run", "objects.safetensors", "data/images", "--maps", "--no-out", code=2)
    assert "finds objects, it does not give every pixel a class: leave out --maps" in line
    words = ["evaluate", "objects.safetensors", objects, "--boundaries", "--split", "train"]
    assert "--boundaries is for classes of pixels" in refused(capsys, *words, code=2)
    with pytest.raises(ocellus.OcellusError, match="leave probabilities out"):
        ocellus.load("objects.safetensors")("data/images/0.png", probabilities=True)
    with pytest.raises(
        ocellus.OcellusError, match=r'read otherwise: give ocellus.read\(path, view="classes"\)'
    ):
        ocellus.train("see/unet", ocellus.read(objects), out="never", preset="tiny")
    with pytest.raises(ocellus.OcellusError, match=r'view="objects"'):
        ocellus.train("see/mask_rcnn", ocellus.read("data", view="classes"), out="never", preset="tiny")
    assert not Path("never").exists()


def test_pictures_of_other_channels(capsys: pytest.CaptureFixture[str]) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (40, 50, 5), dtype=np.uint8)
    tifffile.imwrite("stack.tif", stack, photometric="minisblack", planarconfig="contig")
    line = refused(capsys, "run", "model.safetensors", "stack.tif", "--no-out")
    assert "stack.tif has 5 channels" in line and "--channels 5" in line
    np.save("stack.npy", stack)
    line = refused(capsys, "run", "model.safetensors", "stack.npy", "--no-out")
    assert "stack.npy has 5 channels" in line and "--channels 5" in line


def test_models_of_other_classes(capsys: pytest.CaptureFixture[str]) -> None:
    write_segmenter(Path("two.safetensors"), names=("sky", "road"), colors=())
    line = refused(capsys, "evaluate", "two.safetensors", "data", "--split", "train")
    assert "two.safetensors does not know car (1 of the 3 classes of data)" in line
    start = ["--start", "two.safetensors", "--out", "started", "--steps", "2", *QUICK]
    out = shows(capsys, "train", "see/unet", "data", *start)
    assert "knows sky, road; the 2 tensors for other classes start anew" in out
    network, header = weights.load("model.safetensors")
    weights.save("odd.safetensors", network, replace(header, labels=("sky", "road")))
    line = refused(capsys, "run", "odd.safetensors", "data/images", "--no-out")
    assert "is a network for 3 classes with the names of 2: sky, road" in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--tile", "-1"], "tiles of -1 pixels make no sense"),
        (["--tile", "64", "--overlap", "64"], "tiles of 64 pixels that overlap by 64 do not advance"),
        (["--tile", "64", "--overlap", "-3"], "an overlap of -3 pixels makes no sense"),
    ],
)
def test_tiles_that_make_no_sense(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "train", "see/unet", "data", "--out", "never", *QUICK, *flags, code=2)
    assert words in line and not Path("never").exists()


def test_label_maps_of_another_size_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write_streets(Path("uneven"))
    Image.fromarray(np.zeros((40, 64), np.uint8)).save("uneven/masks/2.png")
    line = refused(capsys, "train", "see/unet", "uneven", "--out", "never", *QUICK)
    assert "2.png" in line and not Path("never/run.toml").exists()
    records = ocellus.read("uneven", view="classes").records()
    split = next(split for split, record in records if record.name.endswith("2.png"))
    line = refused(capsys, "evaluate", "model.safetensors", "uneven", "--split", split)
    assert "the label map uneven/masks/2.png is 64x40, its picture uneven/images/2.png is 64x48" in line


def test_colors_of_the_data_reach_the_weights() -> None:
    write_streets(Path("painted"), count=4)
    rows = [f"{name},{r},{g},{b}\n" for name, (r, g, b) in zip(NAMES, COLORS, strict=True)]
    Path("painted/classes.txt").unlink()
    Path("painted/class_dict.csv").write_text("name,r,g,b\n" + "".join(rows))
    table = np.zeros((256, 3), np.uint8)
    table[:3] = COLORS
    for path in Path("painted/masks").iterdir():
        labels = np.asarray(Image.open(path)).copy()
        labels[labels == 255] = 1
        Image.fromarray(table[labels]).save(path)
    quick = {"device": "cpu", "precision": "32", "log_every": 1, "crop": 0, "steps": 1}
    trained = ocellus.train(
        "see/unet", "painted", out="painted-run", preset="tiny", say=lambda _: None, **quick
    )
    assert weights.read_header(trained.weights).colors == COLORS
    assert ocellus.load(trained.weights)("painted/images/0.png").colors == COLORS
    torch.manual_seed(0)


def test_cells_between_membranes_are_scored_as_the_challenge_does(capsys: pytest.CaptureFixture[str]) -> None:
    import ocellus.metrics.rand as rand

    answer = strict(shows(capsys, "evaluate", "model.safetensors", "data", "--cells", "road", "--json"))
    model, data = ocellus.load("model.safetensors"), ocellus.read("data", view="classes")
    score = rand.MembraneScore(1)
    for record in data.splits["val"]:
        found = model(record.image, probabilities=True)
        assert record.label_map is not None
        score.add(found, Segmentation(labels=torch.from_numpy(record.label_map()), names=NAMES))
    for name, value in score.result().items():
        given = answer["metrics"][name]
        assert (given is None and value != value) or given == pytest.approx(value, abs=1e-6), name
    line = refused(capsys, "evaluate", "model.safetensors", "data", "--cells", "raod", code=2)
    assert "road" in line
    write_model(Path("detector.safetensors"))
    write_coco(Path("things"))
    line = refused(capsys, "evaluate", "detector.safetensors", "things", "--cells", "road", code=2)
    assert "--cells" in line


def test_weights_that_are_not_free_say_so_when_they_run(capsys: pytest.CaptureFixture[str]) -> None:
    network, header = weights.load(Path("model.safetensors"))
    for licence, said in (("not for commercial use", True), ("Apache-2.0", False)):
        weights.save(Path("licensed.safetensors"), network, replace(header, licence=licence))
        for command in (["run", "--no-out"], ["portrait", "--subject", "car", "--out", f"p-{said}"]):
            capsys.readouterr()
            words = [command[0], "licensed.safetensors", "data/images/0.png", *command[1:]]
            assert main(words) == 0
            assert (f"Licence of the weights: {licence}." in capsys.readouterr().err) == said
