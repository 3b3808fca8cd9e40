"""Readers of pairs, of two domains and of pictures alone: layouts, halves, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.check import check
from ocellus.data.read import read
from ocellus.errors import OcellusError


def paint(path: Path, value: int, size: tuple[int, int] = (16, 12)) -> Path:
    """A PNG of (width, height) whose red is `value`, with a mark at its top left."""
    array = np.full((size[1], size[0], 3), (value, 10, 200), np.uint8)
    array[0, 0] = (255, 0, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def kinds(path: Path, view: str) -> set[str]:
    return {one.kind for one in check(read(path, view=view)).findings if one.severity == "refuse"}


def test_halves_of_one_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 20, 3), dtype=np.uint8)
    for name in ("1.png", "2.png", "3.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    data = read(tmp_path, view="pairs")
    assert data.format == "side_by_side" and data.view == "pairs"
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 2, "val": 1}
    pair = data.splits["train"][0].pair
    left, right = (picture.pixels.permute(1, 2, 0).numpy() for picture in pair())
    assert np.array_equal(left, pixels[:, :10]) and np.array_equal(right, pixels[:, 10:])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A", "B"),
        ("input", "target"),
        ("images", "targets"),
        ("train/A", "train/B"),
        ("A/train", "B/train"),
        ("trainA", "trainB"),
        ("maps", "photos"),
    ],
)
def test_two_folders_pair_by_name(tmp_path: Path, first: str, second: str) -> None:
    for number in range(4):
        paint(tmp_path / first / f"{number}.png", number)
        paint(tmp_path / second / f"{number}.jpg", 100 + number)
    data = read(tmp_path, view="pairs", val_fraction=0)
    records = data.splits["train"]
    assert data.format == "pair_folders" and len(records) == 4
    for number, record in enumerate(records):
        condition, answer = record.pair()
        assert int(condition.pixels[0, 5, 5]) == number
        assert abs(int(answer.pixels[0, 5, 5]) - 100 - number) < 8  # JPEG
        assert condition.path == str(tmp_path / first / f"{number}.png")


def test_target_folder_is_the_answer_whatever_the_alphabet(tmp_path: Path) -> None:
    paint(tmp_path / "target" / "1.png", 1)
    paint(tmp_path / "source" / "1.png", 2)
    condition, _ = read(tmp_path, view="pairs", val_fraction=0).splits["train"][0].pair()
    assert int(condition.pixels[0, 5, 5]) == 2


def test_pair_without_partner_is_refused_and_named(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / "A" / f"{number}.png", number)
        paint(tmp_path / "B" / f"{number}.png", number)
    paint(tmp_path / "A" / "lonely.png", 9)
    data = read(tmp_path, view="pairs")
    assert len(data) == 3
    with pytest.raises(OcellusError, match=r"pair-alone x 1, first A/lonely.png .*add the other picture"):
        check(data).require()


def test_two_pictures_of_one_name_are_told_of(tmp_path: Path) -> None:
    for name in ("A/1.png", "A/1.jpg", "B/1.png", "A/2.png", "B/2.png"):
        paint(tmp_path / name, 1)
    data = read(tmp_path, view="pairs")
    assert len(data) == 2
    with pytest.raises(
        OcellusError, match=r"pair-alone x 1, first A/1.png .*1.jpg has its name and is taken"
    ):
        check(data).require()


def test_no_common_name_is_said(tmp_path: Path) -> None:
    paint(tmp_path / "A" / "one.png", 1)
    paint(tmp_path / "B" / "two.png", 1)
    with pytest.raises(OcellusError, match=r"no picture of .*A .*one.png.* partner .*two.png"):
        read(tmp_path, view="pairs")


def test_pairs_of_different_size(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / "A" / f"{number}.png", number)
        paint(tmp_path / "B" / f"{number}.png", number, (16, 13) if number == 1 else (16, 12))
    data = read(tmp_path, view="pairs", val_fraction=0)
    found = [one for one in check(data).findings if one.kind == "pair-size"]
    assert len(found) == 1 and found[0].value == "16x12, 1.png 16x13" and found[0].severity == "refuse"
    with pytest.raises(OcellusError, match=r"1.png is 16x12 pixels, its partner .*1.png is 16x13"):
        data.splits["train"][1].pair()


def test_odd_width_is_no_pair(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / f"{number}.png", number, (17, 8))
    assert "pair-odd" in kinds(tmp_path, "pairs")
    with pytest.raises(OcellusError, match="17 pixels wide"):
        read(tmp_path, view="pairs", val_fraction=0).splits["train"][0].pair()


def test_one_pair_alone_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "0.png", 3)
    assert "picture-lone" in kinds(tmp_path, "pairs") and "picture-lone" in kinds(tmp_path, "pictures")


def test_broken_answer_is_found(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / "A" / f"{number}.png", number)
        paint(tmp_path / "B" / f"{number}.png", number)
    (tmp_path / "B" / "1.png").write_bytes(b"not a picture")
    assert "picture-unreadable" in kinds(tmp_path, "pairs")


def test_channels_and_bits_of_pairs(tmp_path: Path) -> None:
    deep = np.arange(6 * 20, dtype=np.uint16).reshape(6, 20) * 400
    for number in range(2):
        Image.fromarray(deep).save(tmp_path / f"{number}.png")
    condition, answer = read(tmp_path, view="pairs", val_fraction=0).splits["train"][0].pair(channels=(1, 3))
    assert np.allclose(condition.channels[0].numpy(), deep[:, :10] / 65535, atol=1e-7)
    assert answer.size == (6, 10)


@pytest.mark.parametrize("places", [("trainA", "trainB"), ("horses", "zebras"), ("train/x", "train/y")])
def test_domains_of_two_folders(tmp_path: Path, places: tuple[str, str]) -> None:
    for label, place in enumerate(places):
        for number in range(3 + label):
            paint(tmp_path / place / f"{label}{number}.png", number)
    data = read(tmp_path, view="domains", val_fraction=0)
    labels = [record.label for record in data.splits["train"]]
    assert data.view == "domains" and labels.count(0) == 3 and labels.count(1) == 4
    wanted = {"horses": ("horses", "zebras"), "train/x": ("x", "y")}.get(places[0], ("A", "B"))
    assert data.labels.names == wanted


def test_domains_of_pairs_never_hold_both_halves(tmp_path: Path) -> None:
    for number in range(10):
        array = np.full((4, 12, 3), number, np.uint8)
        array[:, 6:] = 100 + number
        Image.fromarray(array).save(tmp_path / f"{number}.png")
    data = read(tmp_path, view="domains")
    seen = {}
    for _, record in data.records():
        seen.setdefault(record.image, []).append(record.label)
    assert all(len(labels) == 1 for labels in seen.values()) and len(seen) == 10
    assert sorted(labels[0] for labels in seen.values()) == [0] * 5 + [1] * 5
    splits = {split: {record.label for record in part} for split, part in data.splits.items()}
    assert splits == {"train": {0, 1}, "val": {0, 1}}


def test_a_domain_without_pictures_to_train_on(tmp_path: Path) -> None:
    for split, place in (("train", "x"), ("val", "x"), ("val", "y")):
        for number in range(3):
            paint(tmp_path / split / place / f"{split}{place}{number}.png", number)
    (tmp_path / "train" / "y").mkdir()
    with pytest.raises(OcellusError):
        check(read(tmp_path, view="domains")).require()


@pytest.mark.parametrize("places", [("A", "B"), ("trainA", "trainB"), ("A/train", "B/train")])
def test_an_empty_folder_does_not_make_halves_of_the_other(tmp_path: Path, places: tuple[str, str]) -> None:
    for number in range(4):
        paint(tmp_path / places[0] / f"{number}.png", number)
    (tmp_path / places[1]).mkdir(parents=True)
    assert "domain-empty" in kinds(tmp_path, "domains")
    with pytest.raises(OcellusError, match=rf"{places[1]} holds no picture: put in the partners"):
        read(tmp_path, view="pairs")


def test_pictures_of_a_list_and_of_splits(tmp_path: Path) -> None:
    for number in range(4):
        paint(tmp_path / ("train" if number < 3 else "val") / f"{number}.png", number)
    data = read(tmp_path, view="pictures")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 3, "val": 1}
    (tmp_path / "some.txt").write_text("train/0.png\nval/3.png\ngone.png\n")
    listed = read(tmp_path / "some.txt", view="pictures", val_fraction=0)
    assert [record.image.name for record in listed.splits["train"]] == ["0.png", "3.png"]
    assert [one.value for one in listed.findings] == [str(tmp_path / "gone.png")]


def test_lists_beside_pairs_split_them(tmp_path: Path) -> None:
    for number in range(4):
        paint(tmp_path / "images" / f"{number}.png", number)
        paint(tmp_path / "targets" / f"{number}.png", number)
    (tmp_path / "train.txt").write_text("0\n1\n2\n")
    (tmp_path / "val.txt").write_text("3\n")
    data = read(tmp_path, view="pairs")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 3, "val": 1}


def test_grey_pictures_are_told(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((9, 9), 40 * number, np.uint8)).convert("RGB").save(
            tmp_path / f"{number}.jpg"
        )
    found = {one.kind: one.severity for one in check(read(tmp_path, view="pictures")).findings}
    assert found["pictures-grey"] == "warn"
    for number in range(3):
        paint(tmp_path / f"c{number}.png", number)
    grey = [
        one for one in check(read(tmp_path, view="pictures", val_fraction=0)).findings if "grey" in one.kind
    ]
    assert {one.kind for one in grey} == {"picture-grey"} and len(grey) == 3


def test_doctor_says_which_half_is_what(shared: Path) -> None:
    pairs = check(read(shared / "data" / "facades", view="pairs"))
    assert not pairs.refuses and pairs.pictures == {"train": 160, "val": 40}
    assert "left half is the condition" in pairs.about
    domains = check(read(shared / "data" / "facades", view="domains"))
    assert domains.objects == {"train": {"left": 80, "right": 80}, "val": {"left": 20, "right": 20}}


def test_drawings_are_pictures(shared: Path) -> None:
    data = read(shared / "data" / "quickdraw", view="pictures")
    assert len(data) == 3000 and data.view == "pictures" and not data.labels.names
