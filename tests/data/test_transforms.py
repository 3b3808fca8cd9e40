"""A transform of a drawn picture equals a drawing of the transformed annotation, in one pixel convention."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from ocellus.data import target as targets
from ocellus.data import transforms
from ocellus.data.crops import boxes_of, sample
from ocellus.data.target import Target, from_instances
from ocellus.data.transforms import Example
from ocellus.labels import Skeleton
from ocellus.values import Instances, Masks

SIZE = (48, 70)


def drawn(*, seed: int = 0) -> Example:
    """A picture whose channel i shows object i, 1.0 on 0.0; keypoints lie on the corners of the boxes."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(3, *SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(
        masks, ((5, 6, 30, 30), (20, 12, 44, 40), (40, 3, 66, 20)), strict=True
    ):
        mask[top:bottom, left:right] = torch.rand(bottom - top, right - left, generator=generator) > 0.2
        mask[top, left] = mask[bottom - 1, right - 1] = True
    packed = Masks.from_dense(masks)
    boxes = packed.bounds().float()
    seen = torch.ones(3, 1)
    points = torch.stack([torch.cat([boxes[:, :2], seen], 1), torch.cat([boxes[:, 2:], 2 * seen], 1)], dim=1)
    values = Instances(size=SIZE, boxes=boxes, labels=torch.arange(3), masks=packed, keypoints=points)
    return Example(masks.float(), from_instances(values, keypoints=2))


def redrawn(target: Target, size: tuple[int, int]) -> torch.Tensor:
    """(3, H, W) float, the channels that the target says."""
    assert target.crops is not None
    picture = torch.zeros(3, *size)
    count = len(target.labels)
    area = torch.tensor([[0.0, 0.0, size[1], size[0]]]).repeat(count, 1)
    for label, mask in zip(target.labels, sample(target.crops, torch.arange(count), area, size), strict=True):
        picture[label] = torch.maximum(picture[label], mask)
    return picture


CASES: dict[str, Callable[[Example], Example]] = {
    "flip": transforms.flip,
    "flip_vertical": transforms.flip_vertical,
    "turn": transforms.turn,
    "three turns": lambda e: transforms.turn(transforms.turn(transforms.turn(e))),
    "larger": lambda e: transforms.resize(e, (101, 131)),
    "smaller": lambda e: transforms.resize(e, (31, 47)),
    "crop": lambda e: transforms.crop(e, (10, 8, 40, 30)),
    "resize, turn, crop, flip": lambda e: transforms.flip(
        transforms.crop(transforms.turn(transforms.resize(e, (96, 140))), (7, 9, 60, 100))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_picture_and_its_annotation_move_together(name: str) -> None:
    result = CASES[name](drawn())
    assert result.image.sum() > 0
    torch.testing.assert_close(redrawn(result.target, result.size), result.image, atol=1e-4, rtol=0)
    # Boxes hug what is drawn: the pixels that are more than half covered reach their borders.
    for box, label in zip(result.target.boxes, result.target.labels, strict=True):
        rows, columns = torch.nonzero(result.image[label] >= 0.5, as_tuple=True)
        tight = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        assert float((box - tight).abs().max()) < (0.01 if "resize" not in name and "er" not in name else 1.6)


@pytest.mark.parametrize("name", [name for name in CASES if "crop" not in name])
def test_keypoints_and_boxes_follow_the_same_rule(name: str) -> None:
    target = CASES[name](drawn()).target
    points = target.keypoints
    assert points is not None
    corners = torch.cat([points[:, :, :2].amin(dim=1), points[:, :, :2].amax(dim=1)], dim=1)
    torch.testing.assert_close(corners, target.boxes)


def test_flip_by_hand() -> None:
    result = transforms.flip(drawn())
    assert result.target.boxes[0].tolist() == [40, 6, 65, 30]  # 70 - 30, 70 - 5
    assert result.target.keypoints is not None
    assert result.target.keypoints[0].tolist() == [[65, 6, 1], [40, 30, 2]]
    up = transforms.flip_vertical(drawn())
    assert up.target.boxes[0].tolist() == [5, 18, 30, 42]
    ccw = transforms.turn(drawn())
    assert ccw.size == (70, 48) and ccw.target.boxes[0].tolist() == [6, 40, 30, 65]


def test_left_and_right_change_places() -> None:
    hands = Skeleton(names=("left", "right"), flip_pairs=((0, 1),))
    for mirror in (transforms.flip, transforms.flip_vertical):
        swapped, plain = (mirror(drawn(), order).target.keypoints for order in (hands.flip_order, ()))
        assert swapped is not None and plain is not None
        assert torch.equal(swapped, plain[:, [1, 0]])
    unseen = drawn()
    assert unseen.target.keypoints is not None
    unseen.target.keypoints[0, 0] = 0.0
    mirrored = transforms.flip(unseen).target.keypoints
    assert mirrored is not None and mirrored[0, 0].tolist() == [0, 0, 0]  # not given stays not given


def test_resize_equals_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    for height, width in ((480, 640), (333, 500), (77, 300)):
        image = torch.rand(3, height, width, generator=generator)
        boxes = torch.tensor([[10.0, 20.0, 60.0, 70.5]])
        theirs = GeneralizedRCNNTransform(240, 400, [0.0] * 3, [1.0] * 3)
        want, targets = theirs([image], [{"boxes": boxes, "labels": torch.ones(1)}])
        size = transforms.resized_size((height, width), short_side=240, long_side=400)
        assert size == want.image_sizes[0]
        ours = transforms.resize(
            Example(image, Target(boxes, torch.ones(1), torch.zeros(1, dtype=torch.bool))), size
        )
        torch.testing.assert_close(ours.image, want.tensors[0][:, : size[0], : size[1]], atol=1e-6, rtol=0)
        torch.testing.assert_close(ours.target.boxes, targets[0]["boxes"])


def test_a_uint8_picture_is_resized_to_within_a_grey_level() -> None:
    image = torch.randint(
        0, 256, (3, 120, 160), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    empty = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    for size in ((200, 266), (75, 103), (97, 45)):
        small = transforms.resize(Example(image, empty), size).image
        exact = transforms.resize(Example(image.float(), empty), size).image
        assert small.dtype == torch.uint8 and float((small.float() - exact).abs().max()) < 1.01
        assert abs(float((small.float() - exact).mean())) < 0.1


def test_crop_drops_what_vanishes_and_keeps_what_is_left() -> None:
    example = drawn()
    assert example.target.crops is not None
    result = transforms.crop(example, (0, 0, 25, 48)).target
    assert result.labels.tolist() == [0, 1]  # the third begins at x = 40
    assert result.crops is not None and result.keypoints is not None
    expected = Masks.from_dense(example.image[:2, :, :25] > 0).bounds().float()
    assert torch.equal(result.boxes, expected)
    assert result.keypoints[:, :, 2].tolist() == [[1, 0], [1, 0]]
    nothing = transforms.crop(example, (0, 42, 70, 6)).target
    assert len(nothing.boxes) == 0 and nothing.keypoints is not None and nothing.keypoints.shape == (0, 2, 3)


def test_a_mask_outside_the_crop_vanishes_though_its_box_reaches_in() -> None:
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[0, 0, 0:20] = mask[0, 0:20, 19] = True  # an angle: the lower left of its box is bare
    values = Instances(
        size=(20, 20),
        boxes=torch.tensor([[0.0, 0.0, 20.0, 20.0]]),
        labels=torch.zeros(1, dtype=torch.int64),
        masks=Masks.from_dense(mask),
    )
    example = Example(mask.float().repeat(3, 1, 1), from_instances(values))
    assert len(transforms.crop(example, (2, 5, 10, 10)).target.boxes) == 0
    assert transforms.crop(example, (2, 0, 10, 10)).target.boxes.tolist() == [[0, 0, 10, 1]]


def test_objects_without_masks_are_clipped() -> None:
    example = drawn()
    boxes_only = Example(example.image, example.target._replace(crops=None))
    result = transforms.crop(boxes_only, (0, 0, 25, 48)).target
    assert result.crops is None and result.boxes.tolist() == [[5, 6, 25, 30], [20, 12, 25, 40]]


def test_mosaic_shows_four_pictures_and_their_objects() -> None:
    examples = [drawn(seed=seed) for seed in range(4)]
    result = transforms.mosaic(examples, (60, 80), (25, 37))
    assert result.size == (60, 80)
    torch.testing.assert_close(redrawn(result.target, (60, 80)), result.image, atol=0.51, rtol=0)
    agree = ((redrawn(result.target, (60, 80)) >= 0.5) == (result.image >= 0.5)).float().mean()
    assert float(agree) > 0.995  # a half pixel of the original where quarters meet
    assert len(result.target.boxes) >= 10
    assert bool((result.target.boxes[:, :2] >= 0).all()) and float(result.target.boxes[:, 2].max()) <= 80


def test_copy_paste_hides_what_lies_below() -> None:
    # A scale at which no bilinear weight is exactly one half.
    below, above = drawn(), transforms.resize(transforms.flip(drawn(seed=9)), (61, 89))
    result = transforms.copy_paste(below, above, [1])
    target = result.target
    assert target.crops is not None and target.labels.tolist() == [0, 1, 2, 1]
    pasted = redrawn(targets.select(target, torch.tensor([3])), SIZE)[1] >= 0.5
    assert pasted.any()
    assert torch.equal(result.image[:, pasted], above.image[:, : SIZE[0], : SIZE[1]][:, pasted])
    assert torch.equal(result.image[:, ~pasted], below.image[:, ~pasted])
    left = redrawn(targets.select(target, torch.tensor([0, 1, 2])), SIZE) >= 0.5
    assert torch.equal(left, (below.image > 0) & ~pasted)
    tight = boxes_of(target.crops).view(-1, 2, 2).clamp(torch.zeros(2), torch.tensor([70.0, 48.0]))
    torch.testing.assert_close(target.boxes, tight.view(-1, 4))


def test_objects_hidden_whole_vanish() -> None:
    below = drawn()
    cover = Instances(
        size=SIZE,
        boxes=torch.tensor([[0.0, 0.0, 35.0, 48.0]]),
        labels=torch.tensor([2]),
        masks=Masks.from_dense(torch.arange(70).expand(1, 48, 70) < 35),
    )
    result = transforms.copy_paste(
        below, Example(torch.ones(3, *SIZE), from_instances(cover, keypoints=2)), [0]
    )
    assert result.target.labels.tolist() == [1, 2, 2]
    assert float(result.target.boxes[0, 0]) >= 35


def test_color_by_hand() -> None:
    image = torch.tensor([[10, 200], [60, 100], [20, 40]], dtype=torch.uint8).view(3, 1, 2)
    same = transforms.color(image, brightness=1.0, contrast=1.0, saturation=1.0)
    assert torch.equal(same, image)
    bright = transforms.color(image, brightness=2.0, contrast=1.0, saturation=1.0)
    assert torch.equal(bright, (image.int() * 2).clamp(max=255).to(torch.uint8))
    grey = transforms.color(image.float() / 255, brightness=1.0, contrast=1.0, saturation=0.0)
    luma = (0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]) / 255
    torch.testing.assert_close(grey, luma.expand(3, 1, 2))
    flat = transforms.color(image.float() / 255, brightness=1.0, contrast=0.0, saturation=1.0)
    torch.testing.assert_close(flat, luma.mean().expand(3, 1, 2))
