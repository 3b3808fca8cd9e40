"""Boxes: hand-computed cases."""

from __future__ import annotations

import math

import torch
from torchvision.ops import box_iou

from ocellus.nn.boxes import areas, clip, decode, encode, intersections, iou

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def random_boxes(count: int) -> torch.Tensor:
    corner, side = torch.rand(count, 2) * 90, torch.rand(count, 2) * 60 + 1
    return torch.cat([corner, corner + side], dim=1)


def test_encode_by_hand() -> None:
    # The reference is 10 x 20 around (15, 30); the box is 20 x 20 around (20, 40).
    reference, box = torch.tensor([10.0, 20, 20, 40]), torch.tensor([10.0, 30, 30, 50])
    expected = torch.tensor([0.5, 0.5, math.log(2), 0.0])
    assert torch.allclose(encode(box, reference), expected)
    assert torch.allclose(encode(box, reference, weights=WEIGHTS), expected * torch.tensor(WEIGHTS))


def test_decode_by_hand() -> None:
    reference = torch.tensor([10.0, 20, 20, 40])
    deltas = torch.tensor([5.0, 5.0, 5 * math.log(2), 0.0])
    assert torch.allclose(decode(deltas, reference, weights=WEIGHTS), torch.tensor([10.0, 30, 30, 50]))


def test_decode_undoes_encode() -> None:
    torch.manual_seed(0)
    boxes, references = random_boxes(50), random_boxes(50)
    again = decode(encode(boxes, references, weights=WEIGHTS), references, weights=WEIGHTS)
    assert torch.allclose(again, boxes, atol=1e-4)


def test_growth_is_clamped_at_1000_sixteenths() -> None:
    found = decode(torch.tensor([0.0, 0, 50, 50]), torch.tensor([0.0, 0, 16, 16]))
    assert torch.allclose(found, torch.tensor([8 - 500.0, 8 - 500, 8 + 500, 8 + 500]), atol=1e-3)


def test_iou_by_hand_and_like_torchvision() -> None:
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 0, 0]])
    b = torch.tensor([[5.0, 5, 15, 15], [20, 20, 30, 30], [0, 0, 0, 0]])
    assert torch.allclose(iou(a, b)[0], torch.tensor([25 / 175, 0, 0]))
    assert (iou(a, b)[1] == 0).all()
    assert intersections(a, b)[0, 0] == 25 and areas(b).tolist() == [100, 100, 0]
    torch.manual_seed(0)
    some, others = random_boxes(40), random_boxes(30)
    assert torch.allclose(iou(some, others), box_iou(some, others), atol=1e-6)


def test_clip_to_each_pictures_size() -> None:
    boxes = torch.tensor([[[-5.0, -5, 50, 50]], [[-5.0, 3, 50, 50]]])
    found = clip(boxes, torch.tensor([[20, 30], [40, 10]]))
    assert found.tolist() == [[[0, 0, 30, 20]], [[0, 3, 10, 40]]]
    assert clip(boxes[:, :0], torch.tensor([[20, 30], [40, 10]])).shape == (2, 0, 4)
