"""The guide to one's own data is true: its table is the code's, and its examples are read as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ocellus.data.check import check
from ocellus.data.read import read

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "data.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ([^\n]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
EXPECTED = {
    "COCO": ("coco", {"train": {"cat": 1, "dog": 1}, "val": {"cat": 1, "dog": 0}}),
    "YOLO": ("yolo", {"train": {"cat": 1, "dog": 1}, "val": {"cat": 0, "dog": 1}}),
    "LabelMe": ("labelme", {"coin": 1, "ring": 1}),
    "Pascal VOC": ("voc", {"train": {"cat": 1, "dog": 0}, "val": {"cat": 0, "dog": 1}}),
    "Id masks": ("masks", {"cat": 2, "dog": 2}),
}


def lay_out(section: str, folder: Path) -> None:
    """Make the files of one section of the guide; pictures are noise, masks hold the numbers 1 and 2."""
    text = GUIDE.split(f"\n### {section}\n")[1].split("\n### ")[0]
    for _, name, content in BLOCK.findall(text):
        if name == "files":
            for number, line in enumerate(content.split()):
                (folder / line).parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8)
                if line.startswith("masks/"):
                    pixels = np.zeros((480, 640), np.uint8)
                    pixels[:100, :100], pixels[200:300, :100] = 1, 2
                Image.fromarray(pixels).save(folder / line)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("section", EXPECTED)
def test_each_layout_is_read_as_the_guide_says(tmp_path: Path, section: str) -> None:
    lay_out(section, tmp_path)
    form, wanted = EXPECTED[section]
    result = check(read(tmp_path))
    assert result.format == form
    # Two pictures are few, and that may be said; nothing else may.
    assert {one.kind for one in result.findings} <= {"class-rare", "class-untrained"}
    if "train" in wanted:
        assert result.objects == wanted
    else:
        totals = {name: sum(counts[name] for counts in result.objects.values()) for name in result.names}
        assert totals == wanted


def test_label_maps_are_read_as_the_guide_says(tmp_path: Path) -> None:
    lay_out("Folders of label maps", tmp_path)
    result = check(read(tmp_path, view="classes"))
    assert (result.format, result.names) == ("class_masks", ("road", "sky", "car"))
    totals = {name: sum(counts[name] for counts in result.pixels.values()) for name in result.names}
    assert totals == {"road": 2 * (480 * 640 - 20000), "sky": 2 * 10000, "car": 2 * 10000}
    assert {one.kind for one in result.findings} <= {"class-rare", "class-untrained"}


@pytest.mark.parametrize(
    ("section", "form", "wanted"),
    [
        ("A folder for each class", "class_folders", {"cat": 3, "dog": 2}),
        ("A table of classes", "class_table", {"cat": 2, "dog": 2}),
    ],
)
def test_labels_are_read_as_the_guide_says(
    tmp_path: Path, section: str, form: str, wanted: dict[str, int]
) -> None:
    lay_out(section, tmp_path)
    result = check(read(tmp_path, view="labels"))
    assert result.format == form and result.view == "labels"
    totals = {name: sum(counts[name] for counts in result.objects.values()) for name in result.names}
    assert totals == wanted
    assert {one.kind for one in result.findings} <= {"class-rare", "class-untrained"}


def test_a_hole_is_a_hole(tmp_path: Path) -> None:
    from ocellus.data.instances import instances

    lay_out("LabelMe", tmp_path)
    dataset = read(tmp_path)
    (ring,) = (record for _, record in dataset.records() if record.name == "0001.jpg")
    masks = instances(ring, dataset).masks
    assert masks is not None
    assert masks.areas().tolist() == [200 * 200 - 100 * 100]


def test_the_python_in_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out("COCO", tmp_path / "my_data")
    monkeypatch.chdir(tmp_path)
    lay_out("Folders of label maps", tmp_path / "my_maps")
    stack = np.random.default_rng(0).integers(0, 65536, (20, 30, 5), np.uint16)
    tifffile.imwrite(tmp_path / "scan.tif", stack, photometric="minisblack", planarconfig="contig")
    assert len(PYTHON) == 4
    for code in PYTHON:
        exec(compile(code, "data.md", "exec"), {})
    again = read(tmp_path / "as_yolo")
    assert (again.format, len(again)) == ("yolo", 3)


def test_the_table_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "build_findings.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
