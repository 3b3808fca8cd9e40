"""Suppression by group."""

from __future__ import annotations

import torch

from ocellus.nn.nms import batched_nms


def test_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [40, 40, 50, 50]])
    scores, groups = torch.tensor([0.6, 0.9, 0.8, 0.1]), torch.tensor([0, 0, 1, 0])
    assert batched_nms(boxes, scores, groups, overlap=0.5, keep=9).tolist() == [1, 2, 3]
    assert batched_nms(boxes, scores, groups, overlap=0.95, keep=2).tolist() == [1, 2]
    assert batched_nms(boxes[:0], scores[:0], groups[:0], overlap=0.5, keep=9).tolist() == []
