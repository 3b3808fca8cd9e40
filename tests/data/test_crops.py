"""Masks looked at inside boxes equal RoIAlign of the dense masks."""

from __future__ import annotations

import torch
from torchvision.ops import roi_align

from ocellus.data import crops as mask_crops
from ocellus.data.crops import MaskCrops, boxes_of, erased, from_masks, moved, sample, select, trimmed
from ocellus.values import Masks


def dense_masks(count: int, size: tuple[int, int], *, seed: int) -> torch.Tensor:
    """(N, H, W) bool blobs with holes, away from the border by a pixel."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    for mask in masks:
        top, left = (int(torch.randint(1, side // 2, (1,), generator=generator)) for side in size)
        height, width = (int(torch.randint(3, side // 2 - 1, (1,), generator=generator)) for side in size)
        mask[top : top + height, left : left + width] = torch.rand(height, width, generator=generator) > 0.3
    return masks


def whole(crops: MaskCrops, size: tuple[int, int]) -> torch.Tensor:
    """(N, H, W) float, every mask at every pixel's centre of an example."""
    count = len(crops.offsets)
    area = torch.tensor([[0.0, 0.0, size[1], size[0]]]).repeat(count, 1)
    return sample(crops, torch.arange(count), area, size)


def test_equals_roi_align_of_the_dense_mask() -> None:
    size = (60, 90)
    masks = dense_masks(7, size, seed=0)
    crops = from_masks(Masks.from_dense(masks))
    generator = torch.Generator().manual_seed(1)
    index = torch.randint(0, 7, (64,), generator=generator)
    jitter = (torch.rand(64, 4, generator=generator) - 0.5) * 12
    boxes = (boxes_of(crops)[index] + jitter).clamp(min=1.0)
    boxes = torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)], dim=1)
    got = sample(crops, index, boxes, 28)
    rois = torch.cat([torch.arange(64.0)[:, None], boxes], dim=1)
    want = roi_align(masks[index][:, None].float(), rois, (28, 28), 1.0, 1, True)[:, 0]
    assert 0.1 < float(want.mean()) < 0.9
    torch.testing.assert_close(got, want, atol=2e-5, rtol=0)


def test_pixel_centres_by_hand() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 1, 2] = True  # covers x 2..3, y 1..2
    crops = from_masks(Masks.from_dense(mask))
    assert crops.windows.tolist() == [[2, 1, 1, 1]] and crops.bits.tolist() == [1]
    zero = torch.zeros(1, dtype=torch.int64)
    assert sample(crops, zero, torch.tensor([[2.0, 1.0, 3.0, 2.0]]), 1).item() == 1.0
    assert sample(crops, zero, torch.tensor([[2.5, 1.0, 3.5, 2.0]]), 1).item() == 0.5
    assert sample(crops, zero, torch.tensor([[1.0, 0.5, 3.0, 1.5]]), 1).item() == 0.25
    assert sample(crops, zero, torch.tensor([[3.0, 1.0, 4.0, 2.0]]), 1).item() == 0.0
    assert (
        sample(crops, zero, torch.tensor([[0.0, 0.0, 4.0, 4.0]]), 4)[0].tolist() == mask[0].float().tolist()
    )


def test_a_map_to_the_original_picture() -> None:
    masks = dense_masks(3, (20, 30), seed=2)
    crops = from_masks(Masks.from_dense(masks))
    # The example is the picture mirrored: x of the example is 30 - x of the picture.
    mirrored = moved(crops, torch.tensor([[-1.0, 0.0, 30.0], [0.0, 1.0, 0.0]]))
    assert torch.equal(whole(mirrored, (20, 30)) >= 0.5, masks.flip(2))
    # Twice as large, then shifted left by 10.
    large = moved(moved(crops, torch.eye(3)[:2] / 2), torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 0.0]]))
    assert torch.equal(boxes_of(large), boxes_of(crops) * 2 - torch.tensor([10.0, 0.0, 10.0, 0.0]))


def test_selecting_keeps_only_the_windows_needed() -> None:
    masks = dense_masks(5, (40, 40), seed=3)
    crops = from_masks(Masks.from_dense(masks))
    chosen = select(crops, torch.tensor([3, 1]))
    assert torch.equal(whole(chosen, (40, 40)).bool(), masks[[3, 1]])
    assert len(chosen.bits) == int((chosen.windows[:, 2] * chosen.windows[:, 3]).sum()) < len(crops.bits)
    both = mask_crops.concatenate([chosen, select(crops, torch.tensor([0]))])
    assert torch.equal(whole(both, (40, 40)).bool(), masks[[3, 1, 0]])


def test_trimming_to_what_can_be_seen() -> None:
    masks = dense_masks(5, (40, 40), seed=4)
    crops = from_masks(Masks.from_dense(masks))
    seen = torch.zeros(40, 40, dtype=torch.bool)
    seen[10:25, 5:18] = True
    left = trimmed(crops, (5, 10, 18, 25))
    assert torch.equal(whole(left, (40, 40)).bool(), masks & seen)
    assert torch.equal(boxes_of(left), Masks.from_dense(masks & seen).bounds().float())
    none = trimmed(crops, (0, 0, 1, 1))
    assert len(none.bits) == 0 and none.windows[:, 2:].sum() == 0 and len(none.offsets) == 5
    assert whole(none, (40, 40)).sum() == 0


def test_what_lies_above_hides() -> None:
    below, above = dense_masks(4, (40, 40), seed=5), dense_masks(2, (40, 40), seed=6)
    crops = from_masks(Masks.from_dense(below))
    # The masks above come from a picture half as large and mirrored.
    cover = from_masks(Masks.from_dense(above[:, ::2, ::2].flip(2)))
    cover = moved(cover, torch.tensor([[-0.5, 0.0, 20.0], [0.0, 0.5, 0.0]]))
    hidden = (whole(cover, (40, 40)) >= 0.5).any(dim=0)
    left, changed = erased(crops, boxes_of(crops), cover, boxes_of(cover))
    assert torch.equal(whole(left, (40, 40)).bool(), below & ~hidden)
    assert changed.tolist() == [bool((mask & hidden).any()) for mask in below]
    assert any(changed.tolist())


def test_no_masks_at_all() -> None:
    crops = from_masks(Masks.empty((10, 10)))
    assert sample(crops, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), 14).shape == (0, 14, 14)
    one = mask_crops.blank(1)
    assert sample(one, torch.tensor([0]), torch.tensor([[0.0, 0.0, 5.0, 5.0]]), 4).sum() == 0


def test_memory_is_that_of_the_objects_not_of_the_picture() -> None:
    masks = Masks.from_polygons(
        [[[[x, y], [x + 9, y], [x + 9, y + 9], [x, y + 9]]] for x in range(0, 1000, 10) for y in (0, 700)],
        (720, 1280),
    )
    crops = from_masks(masks)
    assert len(masks) == 200 and crops.bits.nbytes <= 200 * 100 < 720 * 1280
