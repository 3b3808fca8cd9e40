"""Heat maps: localisation, colors, files, notebooks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocellus.values import Heatmap, Picture


def heat(values: torch.Tensor, **more: object) -> Heatmap:
    return Heatmap(values=values, method="gradcam", target="class <b>", **more)


def two_blobs() -> torch.Tensor:
    values = torch.zeros(20, 30)
    values[2:5, 3:6] = 4.0  # 9 pixels, the highest
    values[10:16, 8:20] = 3.0  # 72 pixels
    return values


def test_box_is_of_the_largest_part_and_excludes_its_end() -> None:
    assert heat(two_blobs()).box(0.5).tolist() == [8, 10, 20, 16]
    assert heat(two_blobs()).box(0.9).tolist() == [3, 2, 6, 5]
    assert heat(two_blobs()).mask(0.5).sum() == 9 + 72
    assert heat(two_blobs()).peak() == (2, 3)


def test_parts_that_touch_at_a_corner_are_two() -> None:
    values = torch.zeros(6, 6)
    values[0:2, 0:2] = 1.0
    values[2:5, 2:5] = 1.0
    assert heat(values).box().tolist() == [2, 2, 5, 5]


def test_a_map_without_anything_has_no_box() -> None:
    for values in (torch.zeros(4, 5), -torch.ones(4, 5)):
        assert heat(values, signed=True).box() is None
        assert not heat(values, signed=True).mask().any()
    assert heat(torch.zeros(4, 5)).normalized().abs().sum() == 0
    with pytest.raises(ValueError, match="share is 0"):
        heat(two_blobs()).mask(0)


def test_colors_say_the_sign() -> None:
    values = torch.tensor([[2.0, -1.0, 0.0]])
    red, blue, none = heat(values, signed=True).rgba()[0].astype(int)
    assert red[0] > red[2] and blue[2] > blue[0]
    assert red[3] > blue[3] > none[3] == 0
    rising = heat(torch.linspace(0, 1, 50)[None]).rgba()[0].astype(int)
    assert (rising[1:, 3] >= rising[:-1, 3]).all() and rising[0, 3] == 0
    light = rising[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (light[1:] >= light[:-1]).all()


def test_file_brings_everything_back(tmp_path: Path) -> None:
    before = heat(torch.randn(5, 6), signed=True, layer="layer4", channels=torch.randn(3, 5, 6))
    before.save(tmp_path / "heat.npz")
    after = Heatmap.load(tmp_path / "heat.npz")
    assert torch.equal(before.values, after.values) and torch.equal(before.channels, after.channels)
    for name in ("method", "target", "layer", "signed"):
        assert getattr(before, name) == getattr(after, name)
    heat(torch.zeros(2, 2)).save(tmp_path / "plain.npz")
    assert Heatmap.load(tmp_path / "plain.npz").channels is None


def test_shows_itself() -> None:
    picture = Picture(pixels=torch.zeros(3, 20, 30, dtype=torch.uint8))
    shown = heat(two_blobs(), picture=picture, signed=True)._repr_html_()
    assert "image/png" in shown and "image/jpeg" in shown
    assert "class &lt;b&gt;" in shown and "blue against" in shown and "<script" not in shown
    assert repr(heat(two_blobs(), layer="layer4")) == (
        "Heatmap(gradcam of class <b> at layer4, 30x20, 0 to 4)"
    )


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="float32"):
        heat(torch.zeros(3, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="channels"):
        heat(torch.zeros(3, 4), channels=torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match="picture"):
        heat(torch.zeros(3, 4), picture=Picture(pixels=torch.zeros(3, 4, 5, dtype=torch.uint8)))
