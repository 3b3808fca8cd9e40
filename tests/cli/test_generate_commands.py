"""Commands with systems that make pictures: train, evaluate, run on pictures, folders, videos and classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ocellus
from ocellus import weights
from ocellus.cli import main
from ocellus.data.images import read_picture, write_picture
from ocellus.data.video import VideoWriter, video_frames
from ocellus.errors import OcellusError
from ocellus.jobs.evaluate import evaluate
from ocellus.jobs.run import run
from ocellus.values import Picture

STEPS = ("--preset", "tiny", "--steps", "4", "--batch-size", "2", "--device", "cpu", "--precision", "32")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pairs side by side, 40 x 40 pixels each half."""
    folder = tmp_path_factory.mktemp("pairs")
    dice = np.random.default_rng(0)
    for number in range(10):
        coarse = dice.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        left = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pix2pix, with two validations."""
    out = tmp_path_factory.mktemp("runs") / "translated"
    flags = ["--validate-every", "2", "--log-every", "1"]
    assert main(["train", "imagine/pix2pix", str(pairs), "--out", str(out), *STEPS, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained conditional GAN that knows a cat and a dog."""
    system = ocellus.catalog.system("imagine/conditional_gan")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "drawer.safetensors"
    header = weights.describe("imagine/conditional_gan", system.TINY, labels=("cat", "dog"))
    weights.save(path, system.build(system.TINY), header)
    return path


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refuses(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) in (1, 2)
    return capsys.readouterr().err


def test_training_leaves_sheets_and_companions(trained: Path) -> None:
    assert sorted(path.name for path in (trained / "samples").iterdir()) == ["000002.png", "000004.png"]
    network, header = weights.load(trained / "discriminator.safetensors")
    assert header.part == "discriminator" and header.system == "imagine/pix2pix"
    kept = torch.load(trained / "last.ckpt", weights_only=True)["recipe"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, kept[f"discriminator.{name}"])
    board = EventAccumulator(str(trained))
    board.Reload()
    (tag,) = board.Tags()["images"]
    assert tag.startswith("samples/") and [image.step for image in board.Images(tag)] == [2, 4]


def test_a_discriminator_is_refused_where_it_cannot_answer(
    trained: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge, out = trained / "discriminator.safetensors", tmp_path / "out"
    told = refuses(capsys, "evaluate", judge, pairs)
    assert "discriminator.safetensors holds the discriminator of imagine/pix2pix" in told
    assert "best.safetensors beside it" in refuses(capsys, "run", judge, pairs, "--out", out)
    start = refuses(capsys, "train", "imagine/pix2pix", pairs, "--start", judge, "--out", out, *STEPS)
    assert "holds the discriminator of imagine/pix2pix: give the best.safetensors beside it" in start
    assert not out.exists()


@pytest.mark.parametrize(
    ("system", "flag"),
    [("pix2pix", "--l1-weight"), ("cyclegan", "--cycle"), ("cyclegan", "--identity")],
)
def test_negative_weights_of_losses_are_refused(
    system: str, flag: str, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refuses(capsys, "train", f"imagine/{system}", pairs, "--out", tmp_path / "out", *STEPS, flag, "-1")
    assert f"{flag[2:].replace('-', '_')} is -1.0; it must be 0 or more" in told


def test_best_weights_are_those_of_the_lowest_figure(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    recipe = ocellus.catalog.system("imagine/pix2pix").Train().monitor
    measured = [line[recipe] for line in lines if line["split"] == "val"]
    assert len(measured) == 2
    kept = weights.read_header(trained / "best.safetensors").metrics[recipe]
    assert kept == pytest.approx(min(measured), abs=1e-5)


def test_report_shows_what_was_made(trained: Path) -> None:
    page = (trained / "report.html").read_text()
    assert "What it made while it learned" in page and "What it makes" in page
    assert "What is taken for what" not in page and "Ground truth" not in page
    assert "How often the discriminator is right" in page and "Length of the gradient" in page


def test_evaluate_measures_as_the_validation_did(trained: Path, pairs: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    found = evaluate(trained, str(pairs), out=tmp_path / "page")
    kept = weights.read_header(trained / "best.safetensors").metrics
    assert set(kept) <= set(found.metrics) and any(line["split"] == "val" for line in lines)
    for name, value in kept.items():
        assert found.metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5)
    assert [example.why for example in found.found.examples] == ["sheet"]
    model = ocellus.load(trained)
    before = torch.random.get_rng_state()
    again = evaluate(model, str(pairs), limit=1)
    assert again.found.pictures == 1 and torch.equal(torch.random.get_rng_state(), before)


def test_evaluate_has_nothing_of_pixels(
    trained: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "imagine/pix2pix makes pictures" in refuses(capsys, "evaluate", trained, pairs, "--boundaries")


def test_run_writes_pngs_with_the_names_of_the_sources(
    trained: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd.jpg"
    Image.new("RGB", (53, 37), (9, 90, 200)).save(odd)
    out = tmp_path / "made"
    lines = shows(capsys, "run", trained, pairs / "0.png", odd, "--out", out, "--json").splitlines()
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "found.jsonl", "odd.png"]
    facts = [json.loads(line) for line in lines]
    assert [fact["made"] for fact in facts] == [[40, 80], [37, 53]]
    with Image.open(out / "odd.png") as image:
        assert image.size == (53, 37)
        assert image.text["Source"].startswith("Made by imagine/pix2pix")
        assert image.text["Synthetic"] == "yes"
        pixels = np.asarray(image)
    model = ocellus.load(trained)
    answer = model(odd)
    assert isinstance(answer, Picture) and answer.path == str(odd)
    assert np.array_equal(answer.pixels.permute(1, 2, 0).numpy(), pixels)


def test_options_of_the_system_are_flags(
    trained: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, flags in (("one", ["--seed", "1"]), ("two", ["--seed", "2"]), ("none", ["--no-noise"])):
        shows(capsys, "run", trained, pairs / "0.png", "--out", tmp_path / name, *flags)
    one, two, none = (read_picture(tmp_path / name / "0.png").pixels for name in ("one", "two", "none"))
    assert not torch.equal(one, two) and not torch.equal(one, none)
    options = ocellus.catalog.system("imagine/pix2pix").Run(seed=2)
    assert torch.equal(ocellus.load(trained)(pairs / "0.png", options=options).pixels, two)


def test_help_names_the_options(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", str(trained), "--help"])
    text = capsys.readouterr().out
    assert "options of this model" in text and "--no-noise" in text and "Of what is dropped. (0)" in text


def test_video_becomes_a_video(trained: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    writer = VideoWriter(clip, rate=10)
    for number in range(4):
        writer.write(Picture(pixels=torch.full((3, 32, 48), 40 * number, dtype=torch.uint8)))
    writer.close()
    found = list(run(trained, clip, out=tmp_path / "made"))
    assert len(found) == 4 and {one.drawing for one in found} == {str(tmp_path / "made" / "clip.mp4")}
    assert [frame.size for frame in video_frames(tmp_path / "made" / "clip.mp4")] == [(32, 48)] * 4


def test_maps_are_of_what_gives_maps(trained: Path, pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "makes pictures" in refuses(capsys, "run", trained, pairs / "0.png", "--maps")


def test_classes_are_drawn(drawer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "drawn"
    text = shows(capsys, "run", drawer, "all", "--count", "3", "--out", out)
    names = [f"{name}{end}.png" for name in ("cat", "dog") for end in ("", "-000", "-001", "-002")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "found.jsonl"])
    assert "cat: 3 of 16x16" in text and "dog: 3 of 16x16" in text
    with Image.open(out / "dog-001.png") as image:
        assert image.size == (16, 16) and "conditional_gan" in image.text["Source"]
    with Image.open(out / "dog.png") as sheet:
        assert sheet.width > 3 * 64
    rows = [json.loads(line) for line in (out / "found.jsonl").read_text().splitlines()]
    assert [row["picture"] for row in rows] == ["cat", "dog"] and len(rows[0]["files"]) == 3
    pictures = ocellus.load(drawer)(
        "dog", options=ocellus.catalog.system("imagine/conditional_gan").Run(count=3)
    )
    assert torch.equal(pictures[1].pixels, read_picture(out / "dog-001.png").pixels)


def test_class_that_is_not_known(drawer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "drawn"
    text = refuses(capsys, "run", drawer, "cot", "--out", out)
    assert "draws no 'cot': did you mean cat?" in text and "all" in text
    assert not out.exists()


def test_options_only_where_there_are_some(tmp_path: Path) -> None:
    from small_world import write_model

    write_model(tmp_path / "model.safetensors")
    model = ocellus.load(tmp_path / "model.safetensors")
    with pytest.raises(OcellusError, match="see/mask_rcnn has no options"):
        model(Picture(pixels=torch.zeros(3, 32, 32, dtype=torch.uint8)), options=3)


@pytest.mark.parametrize(
    ("view", "message"),
    [("pairs", "pair-alone"), ("one", "picture-lone"), ("odd", "pair-odd")],
)
def test_training_refuses_what_is_no_pairs(
    view: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    sizes = {"one": [(80, 40)], "odd": [(81, 40)] * 3}.get(view, [(40, 40)] * 4)
    for side, count in (("A", 4), ("B", 3)) if view == "pairs" else ((".", len(sizes)),):
        (data / side).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", sizes[number], (number, 2, 3)).save(data / side / f"{number}.png")
    out = tmp_path / "run"
    text = refuses(capsys, "train", "imagine/pix2pix", data, "--out", out, *STEPS)
    assert message in text and "Traceback" not in text


def test_data_read_otherwise_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match=r'learns pairs of pictures.*view="pairs"'):
        ocellus.train(
            "imagine/pix2pix", ocellus.read(pairs, view="pictures"), out=tmp_path / "run", preset="tiny"
        )


def test_list_and_info(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = {card["name"]: card for card in json.loads(shows(capsys, "list", "--json"))}
    assert cards["imagine/pix2pix"]["data"] == "pairs" and cards["imagine/pix2pix"]["takes"] == "picture"
    assert "discriminator" in shows(capsys, "info", trained / "discriminator.safetensors")
    layers = json.loads(shows(capsys, "info", "imagine/pix2pix", "--preset", "tiny", "--layers", "--json"))
    assert layers["layers"][0]["parameters"] > 0
    drawn = shows(capsys, "info", "imagine/conditional_gan", "--preset", "tiny", "--layers", "--json")
    assert json.loads(drawn)["layers"]


def test_a_command_that_fails_at_once_leaves_no_folder(
    drawer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert "make no sense" in refuses(capsys, "run", drawer, "cat", "--count", "0", "--out", out)
    assert not out.exists()
    shows(capsys, "run", drawer, "cat", "--count", "2", "--out", out)
    assert (out / "found.jsonl").is_file()


def test_nor_does_one_of_a_picture(
    trained: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = next(pairs.rglob("*.png")), tmp_path / "out"
    assert "no seed" in refuses(capsys, "run", trained, picture, "--seed", str(10**20), "--out", out)
    assert not out.exists()


def test_pictures_that_are_no_pairs_are_not_measured(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        write_picture(
            Picture(pixels=torch.zeros(3, 20, 31, dtype=torch.uint8)), tmp_path / f"photos/{number}.png"
        )
    told = refuses(
        capsys, "evaluate", trained, tmp_path / "photos", "--split", "all", "--out", tmp_path / "page"
    )
    assert "pair-odd x 3" in told
