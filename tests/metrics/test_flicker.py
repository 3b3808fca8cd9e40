"""Flicker and warping errors of videos of known motion and noise; a judge's score by hand and DoodleNet's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from skimage import data
from torchmetrics.functional.classification import multiclass_accuracy

from ocellus.errors import OcellusError
from ocellus.metrics.classifier_score import classifier_score, judged
from ocellus.metrics.flicker import flicker, warp, warping_error


def photograph() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[100:180, 150:230]).permute(2, 0, 1).float() / 255


def test_flicker_counts_changes_where_the_source_is_still() -> None:
    source = photograph().repeat(4, 1, 1, 1)
    source[:, :, :40] += 0.1 * torch.arange(4)[:, None, None, None]  # the upper half brightens
    frames = source.clone()
    frames[1, :, 40:] += 0.05
    found = flicker(frames, source)
    assert found.still == pytest.approx(0.5) and found.frames == 4
    assert found.change == pytest.approx(2 / 3 * 0.05, rel=1e-4)  # there and back, in three steps
    assert found.source == 0 and math.isnan(found.ratio)


def test_flicker_beside_the_sources_own_noise() -> None:
    source = 0.5 + torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 255
    found = flicker(3 * source, source)
    assert found.still == 1 and found.ratio == pytest.approx(3)


def test_warp_follows_a_known_motion() -> None:
    """A frame that shows the one before, 3 pixels to the right and 2 down: each pixel came from there."""
    before = photograph()
    after = torch.roll(before, (2, 3), dims=(1, 2))
    flow = torch.tensor([-3.0, -2.0])[None, :, None, None].expand(1, 2, 80, 80)
    found, inside = warp(before[None], flow)
    assert torch.allclose(
        found[0][inside[0].expand(3, -1, -1)], after[inside[0].expand(3, -1, -1)], atol=1e-5
    )
    assert int(inside.sum()) == 78 * 77
    frames = torch.stack([before, after])
    assert warping_error(frames, flow) < 1e-6
    assert warping_error(frames, torch.zeros(1, 2, 80, 80)) > 0.02
    visible = torch.zeros(1, 80, 80, dtype=torch.bool)
    assert math.isnan(warping_error(frames, flow, visible=visible))


def test_half_a_pixel_is_the_mean_of_two() -> None:
    images = torch.tensor([[[[0.0, 1.0, 3.0]]]])
    found, inside = warp(images, torch.tensor([0.5, 0.0])[None, :, None, None].expand(1, 2, 1, 3))
    assert found[0, 0, 0].tolist() == pytest.approx([0.5, 2.0, 3.0])
    assert inside[0, 0, 0].tolist() == [True, True, False]


def test_judges_score_is_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, 5, generator=generator)
    labels = torch.randint(0, 3, (60,), generator=generator)
    logits[torch.arange(60), labels] += 1
    found = classifier_score(logits, labels, names=tuple("abcde"))
    wanted = multiclass_accuracy(logits, labels, num_classes=5, average=None)
    assert [score.top1 for score in found.classes] == pytest.approx(wanted[:3].tolist())
    assert found.top1 == pytest.approx(float(wanted[:3].mean()))
    assert found.samples == 60 == sum(score.samples for score in found.classes) and found.choices == 5


def test_interval_is_wilsons() -> None:
    """8 of 10: 0.490 to 0.943 (Newcombe 1998)."""
    logits = torch.eye(2)[torch.tensor([1] * 8 + [0] * 2)]
    (score,) = classifier_score(logits, torch.ones(10, dtype=torch.long), names=("a", "b")).classes
    assert (score.low, score.high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))


def test_doodlenet_judges_real_drawings(shared: Path, tmp_path: Path) -> None:
    """As measured elsewhere: cat 78.0 %, here of some."""
    import numpy as np

    from ocellus import catalog, weights

    system = catalog.system("see/classifier")
    state = torch.load(shared / "data/weights/doodlenet.pt", weights_only=True)
    names = tuple((shared / "data/weights/doodlenet_classes.txt").read_text().split("\n"))
    names = tuple(name for name in names if name)
    config, ours, _ = system.import_state(state, names=names)
    network = system.build(config).eval()
    weights.load_state(network, ours, source="doodlenet")
    files = sorted((shared / "data/quickdraw").rglob("*cat*.np*"))
    drawings = np.load(files[0])
    drawings = drawings[drawings.files[0]] if hasattr(drawings, "files") else drawings
    images = torch.from_numpy(drawings[:300].reshape(-1, 1, 28, 28).copy()).float() / 255
    logits = judged(network, images)
    found = classifier_score(logits, torch.full((300,), names.index("cat")), names=names)
    assert found.choices == 345 and found.classes[0].low < 0.78 < found.classes[0].high


def test_what_makes_no_sense_is_refused() -> None:
    frames = torch.rand(3, 3, 8, 8)
    for given, wanted in (
        (lambda: flicker(frames, frames[:2]), "two or more"),
        (lambda: flicker(frames[:1], frames[:1]), "two or more"),
        (lambda: warping_error(frames, torch.zeros(3, 2, 8, 8)), "T - 1"),
        (lambda: classifier_score(torch.zeros(2, 3), torch.tensor([0, 3]), names="abc"), "knows 0 to 2"),
        (lambda: classifier_score(torch.zeros(0, 3), torch.zeros(0), names="abc"), "1 or more"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            given()
