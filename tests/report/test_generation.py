"""The page of a run that learns to make pictures: its charts and its sheets over the steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w
import torch
from pages import Page

from ocellus.report import generation, samples
from ocellus.report.folder import read_run
from ocellus.report.run import write_report
from ocellus.training.samples import write_samples


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of CycleGAN of 20 validations, as its folder is left."""
    settings = {"run": {"system": "imagine/cyclegan", "data": "horses"}, "config": {}, "train": {}, "fit": {}}
    (tmp_path / "run.toml").write_text(tomli_w.dumps(settings))
    lines = []
    for step in range(10, 210, 10):
        train = {"generator": 9.0 / step, "gradient_norm/generator": 3.0, "right_on_real/a": 0.7}
        train |= {"right_on_fake/a": 0.6, "learning_rate": 2e-4, "images_per_second": 3.0, "epoch": 0.1}
        lines.append({"step": step, "split": "train", **train})
        val = {"swd": 50.0, "swd/a": 40.0, "swd/b": 60.0, "cycle": 0.1, "pictures": 8.0, "seconds": 1.0}
        lines.append({"step": step, "split": "val", **val})
        sheets = {"forward": torch.full((3, 8, 8), step / 255), "backward": torch.zeros(3, 8, 8)}
        write_samples(sheets, tmp_path, step=step)
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_charts_are_of_one_scale_each(run: Path) -> None:
    large, small = generation.charts(read_run(run))
    assert len(large) == 2 and "SWD" in large[0] and all(name in large[0] for name in ("swd/a", "swd/b"))
    text = "".join(small)
    assert text.count("<figcaption>How often the discriminator is right") == 1 and "Generator" in text
    assert "images" not in text and "seconds" not in text


def test_strips_show_the_first_the_last_and_some_between(run: Path) -> None:
    (run / "samples" / "000100-forward.png").write_bytes(b"cut off")
    (run / "samples" / "notes.png").write_bytes(b"no sheet")
    backward, forward = sorted(samples.strips(run), key=lambda strip: strip.name)
    assert (backward.name, forward.name) == ("backward", "forward")
    steps = [frame.step for frame in backward.frames]
    assert len(steps) == 8 and steps[0] == 10 and steps[-1] == 200 and steps == sorted(steps)
    assert all(int(frame.picture.pixels[0, 0, 0]) == frame.step for frame in forward.frames)


def test_page_has_sheets_and_no_mistakes(run: Path) -> None:
    page = Page(write_report(run))
    assert "What it made while it learned" in page.source and "What it makes" in page.source
    assert "What is taken for what" not in page.source and 'href="#mistakes"' not in page.source
    pictures = [attributes for tag, attributes in page.tags if tag == "img" and "data:" in attributes["src"]]
    assert len(pictures) == 16 and all(picture["alt"] for picture in pictures)
