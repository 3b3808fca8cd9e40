"""`ocellus restyle` on a small picture, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from skimage import data

from ocellus import catalog, weights
from ocellus.cli import main
from ocellus.data.images import picture_size, to_picture, write_picture


def test_restyle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = catalog.system("see/classifier")
    torch.manual_seed(0)
    config = system.Config(classes=3, architecture="vgg", width=4, head_channels=4, short_side=32, crop=32)
    eye = tmp_path / "vgg.safetensors"
    weights.save(eye, system.build(config), weights.describe("see/classifier", config, labels=tuple("abc")))
    photo, style = tmp_path / "photo.png", tmp_path / "style.png"
    write_picture(to_picture(data.astronaut()[:80, :120]), photo)
    write_picture(to_picture(data.chelsea()[:64, :64]), style)
    words = ["restyle", str(photo), "--style", str(style), "--loss-network", str(eye)]
    assert main([*words, "--steps", "2", "--side", "40"]) == 0
    said = capsys.readouterr().out
    assert "photo-restyled.png: loss" in said and picture_size(tmp_path / "photo-restyled.png") == (40, 60)
    for more, code, wanted in (
        ([], 2, "is there already"),
        (["--out", str(tmp_path / "a.png"), "--steps", "0"], 2, "make no sense: at least 0 and 1"),
        (["--out", str(tmp_path / "a.png"), "--side", "4000"], 2, "its longer side would have 6000 pixels"),
        (["--out", str(tmp_path / "b.png"), "--side", "-1"], 2, "at least 0 and 1"),
        (["--out", str(tmp_path / "c.png"), "--style", str(tmp_path / "no.jpg")], 1, "no.jpg"),
        (["--out", str(tmp_path / "d.png"), "--loss-network", str(photo)], 1, "photo.png"),
    ):
        assert main([*words, *more]) == code
        assert wanted in capsys.readouterr().err
