"""Connected patches as objects, against patches counted by hand."""

from __future__ import annotations

import pytest
import torch

from ocellus.nn.components import components
from ocellus.values import Segmentation

LABELS = torch.tensor(
    [
        [1, 1, 0, 0, 2],
        [0, 0, 1, 0, 2],
        [0, 0, 0, 0, 255],
        [2, 0, 0, 1, 1],
    ],
    dtype=torch.uint8,
)


def test_patches_are_objects_with_boxes_masks_and_scores() -> None:
    sure = torch.full((4, 5), 0.5, dtype=torch.float16)
    sure[0, 0] = 1.0
    found = components(
        Segmentation(labels=LABELS, confidence=sure, names=("ground", "leaf", "stone")), classes=(1, 2)
    )
    assert found.names == ("leaf", "stone")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.boxes.tolist() == [[0, 0, 3, 2], [3, 3, 5, 4], [4, 0, 5, 2], [0, 3, 1, 4]]
    assert found.masks is not None and found.masks.areas().tolist() == [3, 2, 2, 1]
    assert found.scores is not None and found.scores[0].item() == pytest.approx(2 / 3, abs=1e-3)
    assert torch.equal(found.masks.dense().any(0), (LABELS == 1) | (LABELS == 2))


def test_corners_join_only_where_asked_and_small_patches_are_left_out() -> None:
    apart = components(Segmentation(labels=LABELS), classes=(1,), diagonal=False)
    assert len(apart) == 3 and apart.scores is None
    assert len(components(Segmentation(labels=LABELS), classes=(1,), smallest=3)) == 1
    assert len(components(Segmentation(labels=LABELS), classes=(7,))) == 0
