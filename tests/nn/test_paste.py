"""Pasted masks against torchvision's, bit for bit, and against a direct reading of the other convention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.models.detection import roi_heads

from ocellus.errors import OcellusError
from ocellus.nn import paste
from ocellus.nn.paste import paste_masks
from ocellus.values import runs


def torchvision_masks(probabilities: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """torchvision's masks; on a larger canvas, for its function breaks on boxes outside the picture."""
    padded, scale = roi_heads.expand_masks(probabilities[:, None], 1)
    grown = roi_heads.expand_boxes(boxes, scale).to(torch.int64)
    margin = int(grown.abs().max()) + 1 if len(boxes) else 0
    canvas = (size[0] + 2 * margin, size[1] + 2 * margin)
    pasted = [
        roi_heads.paste_mask_in_image(mask[0], box + margin, *canvas)
        for mask, box in zip(padded, grown, strict=True)
    ]
    inside = [mask[margin : margin + size[0], margin : margin + size[1]] >= 0.5 for mask in pasted]
    return torch.stack(inside) if inside else torch.zeros(0, *size, dtype=torch.bool)


def fuzzed(count: int, side: int, size: tuple[int, int], seed: int, *, binary: bool) -> tuple[Tensor, Tensor]:
    """Masks and boxes inside, across and outside the picture, tiny to several times its size."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(count, side, side, generator=generator)
    if binary:  # interpolation meets the threshold exactly in many places
        probabilities = probabilities.round()
    height, width = size
    middle = (torch.rand(count, 2, generator=generator) * 2 - 0.5) * torch.tensor([width, height])
    sides = torch.tensor([width, height]) * 10 ** (torch.rand(count, 2, generator=generator) * 4 - 3.4)
    boxes = torch.cat([middle - sides / 2, middle + sides / 2], 1)
    return probabilities, boxes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("binary", [False, True])
def test_equals_torchvision(seed: int, binary: bool) -> None:
    size = (48 + 7 * seed, 64 - 5 * seed)
    probabilities, boxes = fuzzed(40, (28, 14, 7, 28, 1, 56)[seed], size, seed, binary=binary)
    found = paste_masks(probabilities, boxes, size)
    wanted = torchvision_masks(probabilities, boxes, size)
    assert len(found) == 40 and found.size == size
    assert torch.equal(found.dense(), wanted)
    for index, mask in enumerate(wanted):  # the one encoding of a mask
        assert np.array_equal(found.run_lengths(index), runs.encode(mask.numpy(), size=size))
    assert 0 < wanted.float().mean() < 1 and (wanted.sum((1, 2)) == 0).any()


def test_equals_torchvision_as_it_is_called() -> None:
    probabilities, boxes = fuzzed(60, 28, (100, 120), 9, binary=False)
    boxes[:, 0::2].clamp_(0, 120)
    boxes[:, 1::2].clamp_(0, 100)
    wanted = roi_heads.paste_masks_in_image(probabilities[:, None], boxes, (100, 120))[:, 0] >= 0.5
    assert torch.equal(paste_masks(probabilities, boxes, (100, 120)).dense(), wanted)


@settings(max_examples=100, deadline=None)
@given(
    box=st.tuples(*[st.floats(-60, 90, width=32)] * 4),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    side=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_any_box(box: tuple[float, ...], size: tuple[int, int], side: int, seed: int) -> None:
    probabilities = torch.rand(1, side, side, generator=torch.Generator().manual_seed(seed))
    boxes = torch.tensor([box])
    assert torch.equal(
        paste_masks(probabilities, boxes, size).dense(), torchvision_masks(probabilities, boxes, size)
    )
    found = paste_masks(probabilities, boxes, size, whole_boxes=False).dense()
    assert torch.equal(found, at_centres(probabilities, boxes, size))


def at_centres(probabilities: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Every pixel of the picture looked up in the mask; boxes without area hold nothing."""
    height, width = size
    found = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for index, (x1, y1, x2, y2) in enumerate(boxes):
        if x2 <= x1 or y2 <= y1:
            continue
        y = (torch.arange(height) + 0.5 - y1) / (y2 - y1) * 2 - 1
        x = (torch.arange(width) + 0.5 - x1) / (x2 - x1) * 2 - 1
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)
        values = grid_sample(probabilities[index][None, None], grid[None], align_corners=False)
        found[index] = values[0, 0] >= 0.5
    return found


@pytest.mark.parametrize("seed", range(3))
def test_pixel_centres(seed: int) -> None:
    probabilities, boxes = fuzzed(40, 28, (60, 50), seed, binary=False)
    found = paste_masks(probabilities, boxes, (60, 50), whole_boxes=False)
    wanted = at_centres(probabilities, boxes, (60, 50))
    assert torch.equal(found.dense(), wanted) and wanted.any()


def test_pixel_centres_by_hand() -> None:
    mask = torch.ones(1, 4, 4)
    found = paste_masks(mask, torch.tensor([[2.0, 3.0, 6.0, 9.0]]), (12, 12), whole_boxes=False)
    assert found.bounds().tolist() == [[2, 3, 6, 9]] and found.areas().tolist() == [24]


@pytest.mark.parametrize("whole_boxes", [False, True])
def test_strips_change_nothing(whole_boxes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, boxes = fuzzed(30, 28, (60, 50), 1, binary=False)
    before = paste_masks(probabilities, boxes, (60, 50), whole_boxes=whole_boxes).dense()
    monkeypatch.setattr(paste, "LARGEST", 200)
    assert torch.equal(before, paste_masks(probabilities, boxes, (60, 50), whole_boxes=whole_boxes).dense())


def test_box_far_larger_than_memory() -> None:
    box = torch.tensor([[-1e7, -1e7, 1e7, 1e7]])
    assert paste_masks(torch.ones(1, 28, 28), box, (30, 40)).areas().tolist() == [1200]
    assert paste_masks(torch.ones(1, 28, 28), box, (30, 40), whole_boxes=False).areas().tolist() == [1200]


@pytest.mark.parametrize("whole_boxes", [False, True])
def test_no_masks(whole_boxes: bool) -> None:
    found = paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (30, 40), whole_boxes=whole_boxes)
    assert len(found) == 0 and found.size == (30, 40) and found.dense().shape == (0, 30, 40)


def test_threshold() -> None:
    mask, box = torch.full((1, 4, 4), 0.3), torch.tensor([[2.0, 2, 10, 10]])
    assert paste_masks(mask, box, (12, 12)).areas().tolist() == [0]
    assert paste_masks(mask, box, (12, 12), threshold=0.25).areas().item() > 0
    with pytest.raises(OcellusError, match=r"threshold 0\.0"):
        paste_masks(mask, box, (12, 12), threshold=0.0)


def test_narrow_types() -> None:
    probabilities, boxes = fuzzed(5, 28, (60, 50), 1, binary=False)
    found = paste_masks(probabilities.bfloat16(), boxes, (60, 50))
    assert torch.equal(found.dense(), torchvision_masks(probabilities.bfloat16().float(), boxes, (60, 50)))


def test_box_that_is_not_finite() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, float("nan"), 4, 4]])
    with pytest.raises(OcellusError, match=r"box 1 .*not finite"):
        paste_masks(torch.ones(2, 4, 4), boxes, (12, 12))
