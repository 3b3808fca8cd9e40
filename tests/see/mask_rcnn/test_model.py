"""The network as a whole: shapes, settings, batches, conventions."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.fuse import fuse
from ocellus.see.mask_rcnn import inference
from ocellus.see.mask_rcnn.config import PAPER, TINY, Config
from ocellus.see.mask_rcnn.inference import canvas, decode_keypoints, predict, predict_batch, prepare
from ocellus.see.mask_rcnn.model import Raw, _log_odds, build, detect, full_sizes
from ocellus.values import Picture

EAGER = replace(TINY, score_threshold=0.01)


def picture(height: int, width: int, seed: int = 0) -> Picture:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return Picture(pixels=pixels)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 0}, {"depth": 20}, {"norm": "layer"}, {"pooling": "max"}, {"channel_order": "RBG"},
        {"anchor_sizes": (8.0, 16.0)}, {"anchor_sizes": (0.0,) * 5},
        {"anchor_ratios": ()}, {"keypoints": -1}, {"score_threshold": 1.5}, {"proposals": 0},
        {"std": (1.0, 1.0, 0.0)}, {"mean": (0.5,)},
        {"mask_softmax": True, "mask_per_class": False}, {"short_side": 900, "long_side": 800},
        {"score_threshold": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_settings(change: dict[str, Any]) -> None:
    with pytest.raises(OcellusError) as caught:
        build(replace(TINY, **change))
    assert caught.value.exit_code == 2
    assert any(field in str(caught.value) for field in change)


@pytest.mark.parametrize(
    "change",
    [{}, {"keypoints": 5, "keypoint_layers": 1}, {"mask_branch": False}, {"mask_per_class": False},
     {"mask_softmax": True}, {"pooling": "pool"}, {"depth": 50}, {"norm": "batch"}, {"aligned": True,
      "sampling_ratio": 0, "background_last": True, "whole_anchors": False, "stride_in_1x1": True}],
    ids=str,
)  # fmt: skip
def test_raw(change: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build(replace(EAGER, **change)).eval()
    with torch.no_grad():
        raw = network(torch.rand(2, 3, 64, 96))
    assert isinstance(raw, Raw)
    count = raw.boxes.shape[1]
    assert raw.boxes.shape == (2, count, 4) and raw.scores.shape == raw.labels.shape == (2, count)
    assert 0 < count <= EAGER.detections and raw.valid.dtype == torch.bool
    assert raw.masks is None if change.get("mask_branch") is False else raw.masks.shape == (2, count, 28, 28)
    points = change.get("keypoints", 0)
    assert raw.keypoints.shape == (2, count, points, 56, 56) if points else raw.keypoints is None
    for boxes, scores, valid in zip(raw.boxes, raw.scores, raw.valid, strict=True):
        assert (scores[valid].diff() <= 0).all() and (boxes[valid] >= 0).all()
        assert (boxes[valid] <= torch.tensor([96, 64, 96, 64])).all()
        assert (boxes[~valid] == 0).all() and (scores[~valid] == 0).all()


def test_a_picture_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    network = build(EAGER).eval()
    images = torch.rand(2, 3, 64, 96)
    sizes = torch.tensor([[64, 96], [50, 70]])
    with torch.no_grad():
        both, second = network(images, sizes), network(images[1:], sizes[1:])
    kept = both.valid[1]
    assert kept.sum() == second.valid[0].sum() > 0
    assert torch.allclose(both.boxes[1][kept], second.boxes[0][second.valid[0]], atol=1e-3)
    assert torch.allclose(both.masks[1][kept], second.masks[0][second.valid[0]], atol=1e-3)


def test_padding_is_not_looked_at() -> None:
    """What lies in the padding makes no difference, and no box reaches into it."""
    torch.manual_seed(0)
    network = build(EAGER).eval()
    images, sizes = torch.rand(1, 3, 64, 96), torch.tensor([[50, 70]])
    other = images.clone()
    other[:, :, 50:], other[:, :, :, 70:] = 7.0, -3.0
    with torch.no_grad():
        first, second = network(images, sizes), network(other, sizes)
    assert torch.equal(first.boxes, second.boxes)
    assert (first.boxes <= torch.tensor([70, 50, 70, 50])).all()


def test_no_detections() -> None:
    network = build(replace(TINY, score_threshold=1.0, keypoints=2)).eval()
    found = predict(network, picture(40, 60))
    assert len(found) == 0 and len(found.masks) == 0 and found.keypoints.shape == (0, 2, 3)
    assert found.size == (40, 60)


def test_predict_keeps_the_mode_and_batches_by_size() -> None:
    torch.manual_seed(0)
    network = build(replace(EAGER, norm="batch")).train()
    pictures = [picture(70, 90, 1), picture(90, 70, 2), picture(200, 40, 3), picture(71, 92, 4)]
    found = predict_batch(network, pictures, names=("a", "b"))
    assert network.training
    assert [one.size for one in found] == [one.size for one in pictures]
    for one, alone in zip(found, pictures, strict=True):
        single = predict(network, alone)
        assert len(single) == len(one) and one.names == ("a", "b")
        assert torch.allclose(single.boxes, one.boxes, atol=1e-2)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (333, 1201), (1000, 300), (31, 47)])
def test_prepared_as_torchvision(height: int, width: int) -> None:
    one = picture(height, width)
    scale = min(800 / min(height, width), 1333 / max(height, width))
    wanted = F.interpolate(
        one.floats()[None],
        scale_factor=scale,
        mode="bilinear",
        recompute_scale_factor=True,
        align_corners=False,
    )[0]
    found = prepare(one, PAPER)
    assert found.shape == wanted.shape and (found - wanted).abs().max() < 1e-6
    untouched = prepare(one, replace(PAPER, short_side=0))
    assert torch.equal(untouched, one.floats())


def test_a_large_picture_is_prepared_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    one = picture(700, 900)
    wanted = prepare(one, PAPER), prepare(one, replace(PAPER, short_side=200))
    monkeypatch.setattr(inference, "LARGE", 1)
    for reference, short in zip(wanted, (800, 200), strict=True):
        found = prepare(one, replace(PAPER, short_side=short))
        # Noise is the worst case: a rounded coordinate times the step between neighbours.
        assert found.shape == reference.shape and (found - reference).abs().max() < 2e-4


def test_canvas() -> None:
    assert canvas((64, 65)) == (64, 96) and canvas((1, 1)) == (32, 32)


def test_a_picture_of_one_pixel_and_one_very_long() -> None:
    network = build(EAGER).eval()
    assert predict(network, picture(1, 1)).size == (1, 1)
    assert predict(network, picture(2, 3000)).size == (2, 3000)


def test_keypoints_by_hand() -> None:
    maps = torch.full((1, 2, 56, 56), -9.0)
    maps[0, 0, 10, 20] = 9.0
    maps[0, 1, 0, 55] = 9.0
    box = torch.tensor([[100.0, 50, 156, 106]])  # one pixel a cell
    found = decode_keypoints(maps, box)
    assert found[0, :, :2].tolist() == [[120.5, 60.5], [155.5, 50.5]]
    assert found[0, :, 2].min() > 0.99
    half = decode_keypoints(maps, torch.tensor([[100.0, 50, 128, 78]]))
    assert (half[0, 0, :2] - torch.tensor([110.25, 55.25])).abs().max() <= 0.5


def test_softmax_masks_answer_with_probabilities() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 3, 5, 5), torch.tensor([0, 1, 1, 0])
    wanted = logits.softmax(dim=1)[torch.arange(4), labels + 1]
    assert torch.allclose(_log_odds(logits, labels + 1).sigmoid(), wanted, atol=1e-6)


def test_detect_by_hand() -> None:
    regions = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 18], [40, 40, 60, 60]])
    # Background, cat, dog: two regions of the same cat, and one that is half cat, half dog.
    logits = torch.tensor([[0.0, 8, 0], [0, 7, 0], [0, 6, 6]])
    deltas = torch.zeros(3, 2, 4)
    deltas[2, 1, 0] = 5.0  # half a width to the right, for the dog alone
    config = Config(classes=2, score_threshold=0.1)
    boxes, scores, labels = detect(logits, deltas, regions, size=torch.tensor([50, 100]), config=config)
    assert labels.tolist() in ([0, 0, 1], [0, 1, 0]) and scores[0] > 0.99
    assert boxes[0].tolist() == [0, 0, 20, 20]
    assert boxes[labels == 1].tolist() == [[50, 40, 70, 50]]
    last = replace(config, background_last=True)
    again = detect(logits.roll(-1, 1), deltas, regions, size=torch.tensor([50, 100]), config=last)
    assert torch.equal(again[0], boxes) and torch.equal(again[2], labels)


def test_bfloat16_finds_the_same() -> None:
    torch.manual_seed(0)
    network = fuse(build(replace(EAGER, norm="batch")))
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        wanted = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(images)
    assert found.boxes.dtype == found.scores.dtype == found.masks.dtype == torch.float32
    count = min(found.scores.shape[1], wanted.scores.shape[1])
    assert count > 0 and torch.allclose(found.scores[:, :count], wanted.scores[:, :count], atol=0.05)


def test_full_sizes() -> None:
    assert full_sizes(torch.zeros(2, 3, 32, 64)).tolist() == [[32, 64], [32, 64]]


def test_frozen_statistics_are_saved_and_settings_are_not() -> None:
    names = set(build(replace(TINY, norm="frozen")).state_dict())
    assert "backbone.stem.norm.running_mean" in names
    assert not {"mean", "std"} & names and os.sep not in "".join(names)
