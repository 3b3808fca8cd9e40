"""Folders of label maps: numbers, palettes, black and white, colours; what nothing explains is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError

IDS = np.array([[0, 1, 2, 2], [0, 255, 1, 2], [0, 0, 0, 1]], np.uint8)
COLORS = np.array([[128, 64, 128], [70, 130, 180], [0, 0, 142]], np.uint8)
TABLE = "road 128 64 128\nsky 70 130 180\ncar 0 0 142\n"


def make(folder: Path, mask: np.ndarray | Image.Image, name: str = "images/a.jpg", **lists: str) -> Path:
    image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", image.size).save(folder / name)
    path = folder / name.replace("images", "masks").replace(".jpg", ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    for file, text in lists.items():
        (folder / file.replace("_txt", ".txt").replace("_csv", ".csv")).write_text(text, encoding="utf-8")
    return folder


def one_map(dataset: Dataset) -> np.ndarray:
    ((_, record),) = dataset.records()
    assert record.label_map is not None
    return pickle.loads(pickle.dumps(record.label_map))()  # noqa: S301  # workers get it so


def test_names_by_line_count_from_zero(tmp_path: Path) -> None:
    dataset = read(make(tmp_path, IDS, classes_txt="road\n하늘\ncar\n"), view="classes")
    assert dataset.semantic and dataset.format == "class_masks"
    assert dataset.labels.names == ("road", "하늘", "car")
    assert (one_map(dataset) == IDS).all() and one_map(dataset).dtype == np.uint8


def test_numbers_that_are_listed_become_labels_and_zero_is_background(tmp_path: Path) -> None:
    ids = np.array([[0, 7, 19, 255, 7, 65535]], np.uint16)
    dataset = read(make(tmp_path, ids, classes_txt="7 road\n19 light\n"), view="classes")
    assert dataset.labels.names == ("background", "road", "light")
    assert dataset.label_ids == (0, 7, 19)
    assert one_map(dataset).tolist() == [[0, 1, 2, 255, 1, 255]]


def test_numbers_of_objects_are_classes_only_where_the_names_say_so(tmp_path: Path) -> None:
    """7001 may be object 1 of class 7, or a class of its own that the list forgot."""
    ids = np.array([[0, 7, 7001, 19999, 65535]], np.uint16)
    make(tmp_path, ids, classes_txt="7 road\n19 light\n")
    with pytest.raises(OcellusError, match="values 7001 on 1 pixels, 19999 on 1 pixels, which stands for no"):
        one_map(read(tmp_path, view="classes"))
    with pytest.raises(
        OcellusError, match="if 7001 is object 1 of class 7, let the masks' names end in _inst"
    ):
        one_map(read(tmp_path, view="classes"))
    (tmp_path / "masks/a.png").rename(tmp_path / "masks/a_instanceIds.png")
    assert one_map(read(tmp_path, view="classes")).tolist() == [[0, 1, 1, 2, 255]]
    ids[0, 2] = 8001
    Image.fromarray(ids).save(tmp_path / "masks/a_instanceIds.png")
    with pytest.raises(OcellusError, match="value 8001 on 1 pixels, which stands for no class") as caught:
        one_map(read(tmp_path, view="classes"))
    assert "if 8001" not in str(caught.value)


def test_classes_above_1000_are_classes(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 1000, 1001]], np.uint16)
    dataset = read(make(tmp_path, ids, classes_txt="1 road\n1001 light\n1000 sky\n"), view="classes")
    assert one_map(dataset).tolist() == [[0, 1, 3, 2]]


def test_ignored_names_leave_the_numbers_of_the_others(tmp_path: Path) -> None:
    dataset = read(make(tmp_path, IDS, classes_txt="road\nVoid\ncar\n"), view="classes")
    assert dataset.labels.names == ("road", "car")
    assert one_map(dataset)[0].tolist() == [0, 255, 1, 1]


@pytest.mark.parametrize("high", [1, 255])
@pytest.mark.parametrize(
    ("lists", "names"),
    [
        ({}, ("background", "foreground")),
        ({"classes_txt": "person\n"}, ("background", "person")),
        ({"classes_txt": "wall\ncell\n"}, ("wall", "cell")),
    ],
)
def test_black_and_white(high: int, lists: dict[str, str], names: tuple[str, ...], tmp_path: Path) -> None:
    mask = np.array([[0, high], [high, 0]], np.uint8)
    dataset = read(make(tmp_path, mask, **lists), view="classes")
    assert dataset.labels.names == names
    assert one_map(dataset).tolist() == [[0, 1], [1, 0]]


def test_black_and_white_with_a_third_value_has_255_ignored(tmp_path: Path) -> None:
    make(tmp_path, np.array([[0, 255]], np.uint8))
    make(tmp_path, np.array([[0, 1]], np.uint8), "images/b.jpg")
    dataset = read(tmp_path, view="classes")
    maps = {record.name: record.label_map() for _, record in dataset.records() if record.label_map}
    assert maps["a.jpg"].tolist() == [[0, 255]] and maps["b.jpg"].tolist() == [[0, 1]]


def test_one_name_and_many_numbers_are_objects_of_that_class(tmp_path: Path) -> None:
    dataset = read(
        make(tmp_path, np.array([[0, 1, 2, 300]], np.uint16), classes_txt="cell\n"), view="classes"
    )
    assert one_map(dataset).tolist() == [[0, 1, 1, 1]]


@pytest.mark.parametrize("form", ["rgb", "rgba", "palette", "camvid", "csv"])
def test_colours_with_a_table(form: str, tmp_path: Path) -> None:
    labels = IDS % 3
    image = Image.fromarray(COLORS[labels])
    lists = {"label_colors_txt": TABLE}
    if form == "rgba":
        image = image.convert("RGBA")
    elif form == "palette":  # indices that are not the order of the table
        image = Image.fromarray((2 - labels).astype(np.uint8), "P")
        image.putpalette(COLORS[::-1].reshape(-1).tolist())
    elif form == "camvid":
        lists = {"label_colors_txt": "128 64 128\troad\n70 130 180\t\tsky\n0 0 142 car\n"}
    elif form == "csv":
        lists = {"class_dict_csv": "name,r,g,b\nroad,128,64,128\nsky,70,130,180\ncar,0,0,142\n"}
    dataset = read(make(tmp_path, image, **lists), view="classes")
    assert dataset.labels.names == ("road", "sky", "car")
    assert dataset.colors == tuple(map(tuple, COLORS.tolist()))
    assert (one_map(dataset) == labels).all()


def test_grey_stored_as_rgb_is_numbers(tmp_path: Path) -> None:
    mask = np.repeat(IDS[:, :, None], 3, axis=2)
    dataset = read(make(tmp_path, mask, classes_txt="road\nsky\ncar\n"), view="classes")
    assert (one_map(dataset) == IDS).all()


def test_a_palettes_colours_are_kept(tmp_path: Path) -> None:
    image = Image.fromarray(IDS % 3, "P")
    image.putpalette(COLORS.reshape(-1).tolist())
    dataset = read(make(tmp_path, image, classes_txt="road\nsky\ncar\n"), view="classes")
    assert dataset.colors == tuple(map(tuple, COLORS.tolist()))
    assert (one_map(dataset) == IDS % 3).all()


def test_two_colours_of_one_class_and_one_that_is_ignored(tmp_path: Path) -> None:
    table = "road 128 64 128\nroad 70 130 180\nignore 0 0 142\n"
    dataset = read(make(tmp_path, COLORS[IDS % 3], label_colors_txt=table), view="classes")
    assert dataset.labels.names == ("road",)
    assert set(np.unique(one_map(dataset)).tolist()) == {0, 255}


@pytest.mark.parametrize(
    ("mask", "lists", "message"),
    [
        (
            COLORS[IDS % 3],
            {},
            r"colours .*\(0, 0, 142\), \(70, 130, 180\), .*label_colors.txt",
        ),
        (IDS, {}, r"hold 0, 1, 2, 255 and nothing names them: write .*classes.txt"),
        (np.zeros((2, 2), np.uint8), {}, "0 everywhere: one class only"),
        (IDS, {"classes_txt": "a\na\nb\n"}, "names a class twice"),
        (IDS, {"classes_txt": "1 a\n1 b\n"}, "gives a number to two classes"),
        (COLORS[IDS % 3], {"colors_txt": "a 1 2 3\nb 1 2 3\n"}, r"colour \(1, 2, 3\) to two classes"),
        (IDS, {"classes_txt": "".join(f"c{i}\n" for i in range(255))}, "at most 254"),
        (IDS, {"classes_txt": "void\nignore\n"}, "but those that are ignored"),
    ],
)
def test_what_nothing_explains_is_refused(
    mask: np.ndarray, lists: dict[str, str], message: str, tmp_path: Path
) -> None:
    make(tmp_path, mask, **lists)
    with pytest.raises(OcellusError, match=message):
        read(tmp_path, view="classes")


def test_an_unknown_value_names_file_and_value(tmp_path: Path) -> None:
    dataset = read(make(tmp_path, IDS, classes_txt="road\nsky\n"), view="classes")
    with pytest.raises(OcellusError, match=r"a\.png holds value 2 on 3 pixels, which stands for no class"):
        one_map(dataset)
    dataset = read(make(tmp_path, COLORS[IDS % 3], label_colors_txt="a 0 0 142\nb 1 1 1\n"), view="classes")
    with pytest.raises(OcellusError, match=r"values \(128, 64, 128\) on 6 pixels, \(70, 130, 180\) on 3"):
        one_map(dataset)


def test_split_folders_side_by_side_and_endings(tmp_path: Path) -> None:
    """train/ beside train_labels/, masks NAME_L.png, as CamVid is often laid out."""
    for split in ("train", "val"):
        for folder, ending, mode in ((split, "", "RGB"), (f"{split}_labels", "_L", "L")):
            (tmp_path / folder).mkdir()
            Image.new(mode, (4, 3), 1 if mode == "L" else 0).save(tmp_path / folder / f"{split}1{ending}.png")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    dataset = read(tmp_path, view="classes")
    assert {split: [record.name for record in held] for split, held in dataset.splits.items()} == {
        "train": ["train/train1.png"],
        "val": ["val/val1.png"],
    }


def test_missing_and_unused_maps_are_found(tmp_path: Path) -> None:
    make(tmp_path, IDS, classes_txt="a\nb\nc\n")
    make(tmp_path, IDS, "images/b.jpg")
    make(tmp_path, IDS, "images/c.jpg")
    (tmp_path / "masks/b.png").unlink()
    (tmp_path / "images/c.jpg").unlink()
    dataset = read(tmp_path, view="classes")
    assert sorted((f.kind, Path(f.file).name) for f in dataset.findings) == [
        ("label-map-missing", "b.jpg"),
        ("label-map-unused", "c.png"),
    ]
    assert len(dataset) == 1


REAL = {
    "camvid": (11, {"train": 367, "val": 101}, "sky"),
    "membrane": (2, {"train": 24, "val": 6}, "membrane"),
    "lungs": (4, {"train": 48, "val": 12}, "background"),
    "portrait": (2, {"train": 160, "val": 40}, "background"),
    "davis": (2, {"train": 280, "val": 70}, "background"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, shared: Path) -> None:
    classes, splits, first = REAL[name]
    dataset = read(shared / "data" / name, view="classes")
    assert (len(dataset.labels), dataset.labels[0]) == (classes, first)
    assert {split: len(records) for split, records in dataset.splits.items()} == splits
    assert dataset.findings == ()
    record = dataset.splits["val"][0]
    assert record.label_map is not None
    there = set(np.unique(record.label_map()).tolist())
    assert len(there) > 1 and there <= {*range(classes), 255}


def test_lungs_are_split_by_patient(shared: Path) -> None:
    """The masks are read, not the COCO file beside them, and images.csv keeps a patient in one split."""
    root = shared / "data" / "lungs"
    patients = {
        row.split(",")[0]: row.split(",")[2] for row in (root / "images.csv").read_text().splitlines()
    }
    dataset = read(root, view="classes")
    assert dataset.split_rule == "as images.csv says"
    train, val = ({patients[r.name] for r in dataset.splits[split]} for split in ("train", "val"))
    assert train and val and not train & val
