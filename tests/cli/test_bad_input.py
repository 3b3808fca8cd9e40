"""What users give by mistake: one clear line, the right exit code, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont
from PIL import Image
from safetensors.torch import save_file
from small_world import NAMES, QUICK, write_coco, write_model, write_video

from ocellus import weights
from ocellus.cli import main
from ocellus.data.read import read
from ocellus.draw import fonts
from ocellus.draw.text import text_coverage

STEPS = ["--steps", "2", *QUICK]
CAT = ("고양이", '개 <b>"x"</b> & 새')


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own, where runs/ goes too."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data() -> Path:
    return write_coco(Path("data"))


class Refusal:
    """Runs a command that is to fail with one line."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object, code: int = 1) -> str:
        given = main([str(word) for word in words])
        error = self.capsys.readouterr().err.strip()
        assert given == code, error
        lines = [line for line in error.splitlines() if "looks odd" not in line]
        assert len(lines) == 1 and lines[0].startswith("ocellus: "), error
        return lines[0]


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Refusal:
    capsys.readouterr()
    return Refusal(capsys)


def commands(model: Path, data: object) -> dict[str, list[object]]:
    """Every command that reads a data set or pictures."""
    return {
        "check": ["check", data],
        "train": ["train", "see/mask_rcnn", data, "--out", "run", *STEPS],
        "evaluate": ["evaluate", model, data, "--split", "train"],
        "run": ["run", model, data],
        "convert": ["convert", data, "coco", "converted"],
    }


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command that succeeds prints on standard output."""
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def findings(capsys: pytest.CaptureFixture[str], data: object) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code of `check` and its findings by kind."""
    code = main(["check", str(data), "--json"])
    return code, {found["kind"]: found for found in json.loads(capsys.readouterr().out)["findings"]}


def holds_no_run(folder: str = "run") -> bool:
    """A folder that the command given aright can use."""
    return not Path(folder).exists() or not any(Path(folder).iterdir())


@pytest.mark.parametrize("command", ["check", "train", "evaluate", "run", "convert"])
def test_missing_folder(command: str, model: Path, refuse: Refusal) -> None:
    assert "there is no absent" in refuse(*commands(model, "absent")[command])
    assert not any(Path().iterdir())


@pytest.mark.parametrize("command", ["check", "train", "evaluate", "run", "convert"])
def test_empty_folder(command: str, model: Path, refuse: Refusal) -> None:
    Path("void").mkdir()
    line = refuse(*commands(model, "void")[command])
    assert "void is an empty folder; wanted are COCO's JSON" in line or "void holds nothing" in line
    assert [path.name for path in Path().iterdir()] == ["void"]


def test_text_file_named_jpg(
    model: Path, data: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.jpg").write_text("some notes")
    line = refuse("run", model, "a.jpg")
    assert "a.jpg is not a picture in spite of its name: it begins with 'some notes'" in line
    assert not Path("runs").exists()
    (data / "0.png").write_text("some notes")
    code, found = findings(capsys, data)
    assert code == 1 and found["picture-unreadable"]["value"] == "starts with b'some notes'"
    for command in ("train", "evaluate", "convert"):
        assert "0.png" in refuse(*commands(model, data)[command])
    assert holds_no_run() and not Path("converted").exists()
    # Among good ones it is passed over, and said.
    assert main(["run", str(model), str(data), "--out", "drawn"]) == 0
    assert capsys.readouterr().err.count("passed over: data/0.png") == 1
    assert len(list(Path("drawn").glob("*.jpg"))) == 5
    for path in data.glob("*.png"):
        path.write_text("some notes")
    assert main(["run", str(model), str(data)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "ocellus: none of 6 pictures could be read"


def test_truncated_jpeg(model: Path, data: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]) -> None:
    picture = data / "3.png"
    Image.open(picture).save(picture, "JPEG", quality=95)
    picture.write_bytes(picture.read_bytes()[:-400])
    assert "broken or truncated JPEG" in refuse("run", model, picture)
    code, found = findings(capsys, data)
    assert code == 1 and found["picture-truncated"]["file"] == "data/3.png"
    assert "picture-truncated x 1, first 3.png" in refuse(*commands(model, data)["train"])
    for command in ("evaluate", "convert"):
        line = refuse(*commands(model, data)[command])
        assert "data/3.png is a broken or truncated JPEG" in line
    assert holds_no_run() and not Path("converted").exists()


def test_pictures_of_every_kind(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """16-bit, grey, RGBA, CMYK, palette and 1x1: used like any other."""
    page = json.loads((data / "annotations.json").read_text())
    rgb = Image.open(data / "0.png")
    deep = np.asarray(rgb.convert("L")).astype(np.uint16) * 257
    kinds: dict[str, Any] = {
        "0.png": Image.fromarray(deep),
        "1.png": rgb.convert("L"),
        "2.png": rgb.convert("RGBA"),
        "3.jpg": rgb.convert("CMYK"),
        "4.png": rgb.convert("P"),
        "5.png": rgb.resize((1, 1)),
    }
    (data / "3.png").unlink()
    for entry, (name, image) in zip(page["images"], kinds.items(), strict=True):
        image.save(data / name)
        entry.update(file_name=name, width=image.width, height=image.height)
    page["annotations"] = [one for one in page["annotations"] if one["image_id"] != 6]
    (data / "annotations.json").write_text(json.dumps(page))
    assert {Image.open(data / name).mode for name in kinds} == {"I;16", "L", "RGBA", "CMYK", "P", "RGB"}
    lines = [json.loads(line) for line in shows(
        capsys, "run", model, data, "--score", "0", "--out", "drawn", "--json"
    ).splitlines()]  # fmt: skip
    assert [line["size"] for line in lines] == [[48, 64]] * 5 + [[1, 1]]
    assert all(Image.open(line["drawing"]).size == tuple(line["size"][::-1]) for line in lines)
    code, found = findings(capsys, data)
    assert code == 0 and found["picture-tiny"]["value"] == "1x1"
    shows(capsys, "train", "see/mask_rcnn", data, "--out", "run", *STEPS, "--steps", "3")
    shows(capsys, "evaluate", "run", data, "--split", "train")
    for form in ("coco", "yolo", "voc", "labelme", "id_masks"):
        shows(capsys, "convert", data, form, form)
        assert len(read(form)) == 6


def test_huge_picture(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """108 megapixels: 324 MB as pixels, drawn upon, and found with masks at native size."""
    Image.new("L", (12_000, 9_000), 90).save("huge.jpg", quality=30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = shows(capsys, "run", model, "huge.jpg", "--score", "0", "--json", "--out", "drawn")
    answer = json.loads(line)
    assert answer["size"] == [9000, 12000] and len(answer["objects"]) == 10
    assert Image.open("drawn/huge.jpg").size == (12_000, 9_000)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    assert grown < 2.5, f"{grown:.1f} GB more than before"


def test_json_cut_in_the_middle(model: Path, data: Path, refuse: Refusal) -> None:
    page = data / "annotations.json"
    text = page.read_text()
    page.write_text(text[: len(text) // 2])
    given = commands(model, data)
    for command in ("check", "train", "evaluate", "convert"):
        line = refuse(*given[command])
        assert "data/annotations.json is cut off: it ends at line 1, column " in line
    assert holds_no_run() and page.read_text() == text[: len(text) // 2]


def test_annotation_for_an_absent_image(
    model: Path, data: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "3.png").unlink()
    given = commands(model, data)
    code, found = findings(capsys, data)
    assert code == 1 and found["picture-missing"]["file"] == "data/3.png"
    assert "picture-missing x 1, first 3.png" in refuse(*given["train"])
    for command in ("evaluate", "convert"):
        assert "there is no picture data/3.png" in refuse(*given[command])
    assert holds_no_run() and not Path("converted").exists()
    page = json.loads((data / "annotations.json").read_text())
    page["images"] = [image for image in page["images"] if image["file_name"] != "3.png"]
    (data / "annotations.json").write_text(json.dumps(page))
    assert "annotation-orphan x 2, first annotations.json" in refuse(*given["train"])
    assert main([str(word) for word in given["evaluate"]]) == 0
    assert "left out of data: 2; `ocellus check data` tells more" in capsys.readouterr().err


def test_picture_of_another_size_than_annotated(model: Path, data: Path, refuse: Refusal) -> None:
    Image.new("RGB", (30, 20)).save(data / "3.png")
    for command in ("evaluate", "convert"):
        line = refuse(*commands(model, data)[command])
        assert "data/3.png is 30x20 and was annotated as 64x48" in line
    assert not Path("converted").exists()


def test_classes_are_not_the_checkpoints(
    model: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    three = write_coco(Path("three"), names=(*NAMES, "star"))
    line = refuse("evaluate", model, three)
    assert "does not know star (1 of the 3 classes of three); it knows disc, box" in line
    one = write_coco(Path("one"), names=NAMES[:1])
    assert main(["evaluate", str(model), str(one), "--json"]) == 0
    told = capsys.readouterr()
    assert "1 classes of the model are not in the data and are left out: box" in told.err
    assert "box/AP/disc" in json.loads(told.out)["metrics"]
    out = shows(capsys, "train", "see/mask_rcnn", three, "--start", model, "--out", "run", *STEPS)
    assert "the 6 tensors for other classes start anew" in out
    old, new = weights.load(model)[0].state_dict(), weights.load("run/best.safetensors")[0].state_dict()
    assert new["box.score.weight"].shape[0] == 4 and old["box.score.weight"].shape[0] == 3
    kept = "backbone.stem.conv.weight"  # two steps of warm-up hardly change it; another seed's is unlike it
    assert torch.allclose(old[kept], new[kept], atol=1e-3)
    line = refuse("train", "see/mask_rcnn", three, "--start", model, "--width", "16", "--out", "wide", *STEPS)
    assert "is of another network: classes is 2, not 3, width is 8, not 16" in line
    other = write_coco(Path("other"), names=("cat", "dog"))
    out = shows(capsys, "train", "see/mask_rcnn", other, "--start", "run/../run", "--out", "four", *STEPS)
    assert "knows disc, box, star; the 6 tensors for other classes start anew" in out
    assert holds_no_run("wide")


def test_checkpoint_of_another_system(model: Path, data: Path, refuse: Refusal) -> None:
    network, header = weights.load(model)
    weights.save("later.safetensors", network, replace(header, system="see/later"))
    for words in (["run", "later.safetensors", data], ["evaluate", "later.safetensors", data]):
        line = refuse(*words)
        assert "later.safetensors holds weights of see/later, which Ocellus 0.1.0 does not have" in line
    start = ["--start", "later.safetensors", "--out", "run"]
    line = refuse("train", "see/mask_rcnn", data, *start, *STEPS)
    assert "later.safetensors holds weights of see/later, not of see/mask_rcnn" in line
    save_file({"a": torch.zeros(2)}, "foreign.safetensors")
    assert "Try `ocellus import SYSTEM FILE`" in refuse("run", "foreign.safetensors", data)
    assert "neither torchvision's nor detectron2's" in refuse(
        "import", "see/mask_rcnn", "foreign.safetensors", "--out", "ours.safetensors"
    )
    assert "is a weights file of Ocellus already" in refuse("import", "see/mask_rcnn", model, code=2)
    assert not Path("ours.safetensors").exists() and not Path("run").exists()


def test_corrupted_safetensors(model: Path, data: Path, refuse: Refusal) -> None:
    whole = model.read_bytes()
    damaged = {
        "half": whole[: len(whole) // 2],
        "beginning": b"\xff" * 8 + whole[8:],
        "empty": b"",
        "offsets": whole.replace(b'"data_offsets":[0,', b'"data_offsets":[4,', 1),
        "key": whole.replace(b"labels", b"lebals", 1),
        "setting": whole.replace(b'\\"depth\\": 18', b'\\"depth\\": 19', 1),
        "letters": whole.replace(b'{"', b'{"\xff', 1),
    }
    for name, content in damaged.items():
        assert content != whole
        file = Path(f"{name}.safetensors")
        file.write_bytes(content)
        for words in (
            ["run", file, data],
            ["evaluate", file, data],
            ["train", "see/mask_rcnn", data, "--start", file, "--out", "run", *STEPS],
        ):
            assert str(file) in refuse(*words)
    assert "it has" in refuse("info", "half.safetensors")
    assert holds_no_run()


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch harm",)


@pytest.mark.parametrize("name", ["zipped.pth", "bare.pkl", "bare2.pt", "bare4.pt", "bare5.pth"])
def test_pickle_with_code(name: str, data: Path, refuse: Refusal) -> None:
    if name == "zipped.pth":
        torch.save({"model": {"weight": Evil()}}, name)
    else:
        protocol = int(name[4]) if name[4].isdecimal() else 2
        Path(name).write_bytes(pickle.dumps({"model": {"weight": Evil()}}, protocol))
    line = refuse("import", "see/mask_rcnn", name)
    assert f"{name} holds a call of posix.system, which would run code" in line and "weights_only" not in line
    for words in (["run", name, data], ["train", "see/mask_rcnn", data, "--start", name, *STEPS]):
        assert f"{name} is not a weights file of Ocellus" in refuse(*words)
    assert {path.name for path in Path().iterdir()} == {"data", name}  # no harm, and no run


def test_output_that_cannot_be_made(model: Path, data: Path, refuse: Refusal) -> None:
    """A file stands where a folder is to be made: as for a read-only disk, which root does not know."""
    Path("file").write_text("mine")
    for out, code in (("file", 2), ("file/below", 1)):
        for words in (
            ["train", "see/mask_rcnn", data, *STEPS, "--out", out],
            ["evaluate", model, data, "--out", out],
            ["run", model, data, "--out", out],
            ["convert", data, "yolo", out],
        ):
            assert "file" in refuse(*words, code=code)
    checkpoint = Path("checkpoint.pkl")
    checkpoint.write_bytes(pickle.dumps({"model": {}}))
    refuse("import", "see/mask_rcnn", checkpoint, "--out", "file/below.safetensors")
    assert Path("file").read_text() == "mine"


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk(
    model: Path,
    data: Path,
    refuse: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = ["train", "see/mask_rcnn", data, "--out", "run", *STEPS]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert main([str(word) for word in run]) == 1
        assert "(No space left on device)" in capsys.readouterr().err.splitlines()[-1]
    shows(capsys, *run, "--resume")
    before = Path("run/best.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert main([str(word) for word in [*run, "--resume", "--steps", "5"]]) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert "cannot be written (No space left on device)" in line and "resume" in line
    assert Path("run/best.safetensors").read_bytes() == before
    shows(capsys, *run, "--resume", "--steps", "5")
    for target, words in (
        ("PIL.Image.Image.save", ["run", model, data, "--out", "drawn"]),
        ("shutil.copyfile", ["convert", data, "voc", "converted"]),
        ("pathlib.Path.write_text", ["compare", "run", "run/../run", "--out", "page.html"]),
        ("pathlib.Path.write_text", ["evaluate", model, data, "--out", "evaluated"]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, full)
            assert main([str(word) for word in words]) == 1, words
            assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    assert not Path("converted").exists()


def test_standard_output_on_a_full_disk(data: Path) -> None:
    with Path("/dev/full").open("w") as sink:
        done = subprocess.run(
            [sys.executable, "-m", "ocellus", "list"],
            stdout=sink,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "ocellus: the output: No space left on device; check the disk and its rights\n"


def test_folder_that_holds_a_run(
    model: Path, data: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["train", "see/mask_rcnn", data, "--out", "run", *STEPS]
    shows(capsys, *run)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    assert "run already holds a run: --resume goes on with it, --out FOLDER" in refuse(*run, code=2)
    line = refuse(*run, "--resume", "--batch-size", "3", code=2)
    assert "run cannot be resumed with other settings (batch size over all processes 2 then, 3 now)" in line
    assert "run is there already" in refuse("run", model, data, "--out", "run", code=2)
    assert "run is there already" in refuse("convert", data, "coco", "run", code=2)
    assert "there already" in refuse(
        "import", "see/mask_rcnn", "x.pth", "--out", "run/best.safetensors", code=2
    )
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    for words in (
        ["train", "see/mask_rcnn", data, "--out", "mine", *STEPS],
        ["evaluate", model, data, "--out", "mine"],
        ["run", model, data, "--out", "mine"],
    ):
        assert "mine is there" in refuse(*words, code=2)
    assert "holds no run to resume" in refuse(
        "train", "see/mask_rcnn", data, "--out", "new", "--resume", *STEPS, code=2
    )
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"] and holds_no_run("new")


@pytest.mark.parametrize(
    "command",
    [["info", "see/maskrcnn"], ["train", "see/maskrcnn", "data"], ["import", "see/maskrcnn", "x.pth"]],
)
def test_unknown_system(command: list[str], refuse: Refusal) -> None:
    line = refuse(*command, code=2)
    assert "there is no system 'see/maskrcnn': did you mean see/mask_rcnn?" in line
    assert "did you mean see/mask_rcnn?" in refuse("info", "mask_rcnn", code=2)


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--learning-rate", "nan", "it takes a finite number"),
        ("--learning-rate", "-1", "it takes more than 0"),
        ("--weight-decay", "inf", "it takes a finite number"),
        ("--flip", "nan", "it takes finite numbers"),
        ("--norm-eps", "nan", "it takes finite numbers"),
        ("--val-fraction", "nan", "the share to validate on is nan"),
        ("--optimizer", "lion", "it takes one of adamw, sgd"),
        ("--depth", "19", "it must be one of 18, 34, 50, 101"),
        ("--device", "tpu", "give auto, cpu, cuda, cuda:0 or mps"),
    ],
)
def test_settings_that_make_no_sense(flag: str, value: str, says: str, data: Path, refuse: Refusal) -> None:
    line = refuse("train", "see/mask_rcnn", data, "--out", "run", *STEPS, flag, value, code=2)
    assert says in line and holds_no_run()


def test_score_that_is_none(model: Path, data: Path, refuse: Refusal) -> None:
    for command in ("run", "evaluate"):
        for score in ("nan", "7"):
            assert f"--score {score} makes no sense" in refuse(command, model, data, "--score", score, code=2)


def test_video_without_frames(model: Path, refuse: Refusal, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(Path("none.avi"), frames=0)
    assert "none.avi is a video without frames" in refuse("run", model, "none.avi", "--out", "drawn")
    Path("text.mp4").write_text("no video")
    assert "text.mp4 cannot be read as a video" in refuse("run", model, "text.mp4", "--out", "drawn")
    Path("zero.mp4").write_bytes(b"")
    assert "zero.mp4 is empty (0 bytes)" in refuse("run", model, "zero.mp4", "--out", "drawn")
    assert not Path("drawn").exists()
    write_video(Path("three.avi"), frames=3)
    out = shows(capsys, "run", model, "three.avi", "--out", "drawn")
    assert [line.split(":")[0] for line in out.splitlines()] == [f"three.avi#{index}" for index in range(3)]
    with av.open("drawn/three.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def write_font(path: Path, text: str) -> Path:
    """DejaVu Sans with the shapes of Latin letters under the code points of a text."""
    font = TTFont(fonts.default_font())
    shapes = font.getBestCmap()
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap.update({ord(sign): shapes[ord("A") + index] for index, sign in enumerate(text)})
    font.save(path)
    return path


@pytest.fixture
def hangul_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A font that has Hangul, as far as the tests' names need it; none of the system's."""
    letters = "".join(sorted({sign for sign in "".join(CAT) if "가" <= sign <= "힣"}))
    monkeypatch.setenv("OCELLUS_FONT", str(write_font(tmp_path / "hangul.ttf", letters)))
    cached = (fonts.runs, fonts.font_of, fonts.candidates, fonts.characters, text_coverage)
    for function in cached:
        function.cache_clear()
    monkeypatch.setattr(fonts, "_told", set())
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("hangul_font")
def test_hangul(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of classes, pictures and folders: read, checked, trained, evaluated, drawn, written back."""
    names = tuple(f"사진 {index}.png" for index in range(6))
    data = write_coco(Path("그림들"), names=CAT, file_names=names)
    assert all(name in shows(capsys, "check", data) for name in CAT)
    shows(capsys, "train", "see/mask_rcnn", data, "--out", "실행", *STEPS)
    assert weights.read_header("실행/best.safetensors").labels == CAT
    assert 'data = "그림들"' in Path("실행/run.toml").read_text("utf-8")
    assert main(["evaluate", "실행", str(data)]) == 0
    told = capsys.readouterr()
    assert f"mask/AP/{CAT[0]}" in told.out and told.err == ""  # no glyph is missing
    page = Path("실행/report.html").read_text("utf-8")
    assert CAT[0] in page and CAT[1] not in page and "개 &lt;b&gt;" in page
    answer = json.loads(
        shows(capsys, "run", "실행", data / names[0], "--score", "0", "--json", "--out", "결과")
    )
    assert {found["label"] for found in answer["objects"]} <= set(CAT) and answer["objects"]
    assert answer["drawing"] == "결과/사진 0.jpg" and Path(answer["drawing"]).is_file()
    assert fonts.runs(CAT[0])[0][1].name == "hangul.ttf"
    counts = dict.fromkeys(CAT, 6)
    for form in ("coco", "yolo", "labelme", "id_masks", "voc"):
        out = Path(f"변환 {form}")
        shows(capsys, "convert", data, form, out)
        check = json.loads(shows(capsys, "check", out, "--json"))
        found = {name: sum(split[name] for split in check["objects"].values()) for name in CAT}
        assert found == counts and not check["refuses"], form
        written = {Path(record.name).name for _, record in read(out).records()}
        assert written == set(names), form


def test_data_sets_are_left_as_they_were(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    for words in commands(model, data).values():
        shows(capsys, *words)
    shutil.rmtree("converted")
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
