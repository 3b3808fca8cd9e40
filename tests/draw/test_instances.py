"""Drawing: what changes and what does not, where labels lie, what is refused."""

from __future__ import annotations

import pytest
import torch

from ocellus.draw.instances import PARTS, draw_instances, object_colors
from ocellus.errors import OcellusError
from ocellus.values import Instances, Masks, Picture
from ocellus.values.html import color

SIZE = (120, 160)


def grey(size: tuple[int, int] = SIZE) -> Picture:
    return Picture(pixels=torch.full((3, *size), 90, dtype=torch.uint8), path="grey.png")


def ring_in(box: tuple[int, int, int, int], hole: tuple[int, int, int, int]) -> torch.Tensor:
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[0, box[1] : box[3], box[0] : box[2]] = True
    mask[0, hole[1] : hole[3], hole[0] : hole[2]] = False
    return mask


def one(mask: torch.Tensor, box: tuple[float, ...], **fields: object) -> Instances:
    values = {
        "size": SIZE,
        "boxes": torch.tensor([box], dtype=torch.float32),
        "labels": torch.tensor([0]),
        "masks": Masks.from_dense(mask),
        "names": ("cup", "table"),
    }
    return Instances(**(values | fields))  # type: ignore[arg-type]


def changed(before: Picture, after: Picture) -> torch.Tensor:
    return (before.pixels != after.pixels).any(dim=0)


def test_mask_changes_its_own_pixels_and_no_others() -> None:
    mask = ring_in((20, 30, 90, 100), (40, 50, 60, 70))
    picture = grey()
    drawn = draw_instances(picture, one(mask, (20, 30, 90, 100)), show=("masks",))
    assert torch.equal(changed(picture, drawn), mask[0])
    assert drawn.path == "grey.png"
    assert int(picture.pixels.max()) == 90  # the picture given is as it was


def test_outline_is_stronger_than_the_inside() -> None:
    mask = ring_in((20, 30, 90, 100), (0, 0, 0, 0))
    drawn = draw_instances(grey(), one(mask, (20, 30, 90, 100)), show=("masks",)).pixels.int()
    paint = torch.tensor(color(0))
    border, inside = (drawn[:, 60, 20] - paint).abs().max(), (drawn[:, 60, 55] - paint).abs().max()
    assert border < 25 < inside
    assert (drawn[:, 60, 55] - (90 + 0.42 * (paint - 90))).abs().max() <= 1


def test_box_is_drawn_inside_itself_and_cut_at_the_picture() -> None:
    picture = grey()
    boxes = torch.tensor([[-30.0, 40.0, 60.0, 300.0]])
    found = Instances(size=SIZE, boxes=boxes, labels=torch.tensor([0]), names=("cup",))
    where = changed(picture, draw_instances(picture, found, show=("boxes",)))
    assert where[40, :60].all() and where[40:, 59].all() and where[119, :60].all() and where[40:, 0].all()
    assert not where[:40].any() and not where[:, 60:].any() and not where[45:115, 5:55].any()


def test_low_scores_and_broken_boxes_are_not_drawn() -> None:
    picture = grey()
    boxes = torch.tensor([[10.0, 10.0, 50.0, 50.0], [60.0, 60.0, float("nan"), 90.0]])
    found = Instances(size=SIZE, boxes=boxes, labels=torch.tensor([0, 1]), scores=torch.tensor([0.4, 0.9]))
    assert not changed(picture, draw_instances(picture, found, score_threshold=0.5)).any()
    assert changed(picture, draw_instances(picture, found, score_threshold=0.3)).any()


def test_nothing_to_draw_gives_the_picture_back() -> None:
    assert torch.equal(draw_instances(grey(), Instances.empty(SIZE)).pixels, grey().pixels)


def test_small_objects_stay_visible_on_large_ones() -> None:
    masks = torch.cat([ring_in((40, 40, 60, 60), (0, 0, 0, 0)), ring_in((0, 0, 160, 120), (0, 0, 0, 0))])
    boxes = torch.tensor([[40.0, 40, 60, 60], [0, 0, 160, 120]])
    found = Instances(
        size=SIZE, boxes=boxes, labels=torch.tensor([0, 1]), masks=Masks.from_dense(masks), names=("a", "b")
    )
    drawn = draw_instances(grey(), found, show=("masks",)).pixels.int()
    assert (drawn[:, 50, 40] - torch.tensor(color(0))).abs().max() < 25


@pytest.mark.parametrize("longest", [80, 320, 500])
def test_drawn_at_another_size_the_mask_lies_where_it_lay(longest: int) -> None:
    mask = ring_in((20, 30, 90, 100), (40, 50, 60, 70))
    drawn = draw_instances(grey(), one(mask, (20, 30, 90, 100)), show=("masks",), longest=longest)
    scale = longest / 160
    assert drawn.size == (round(120 * scale), round(160 * scale))
    where = (drawn.pixels != 90).any(dim=0)
    wanted = torch.nn.functional.interpolate(mask[None].float(), size=drawn.size, mode="nearest")[0, 0] > 0
    assert (where ^ wanted).sum() <= 0.03 * wanted.sum() + 8 * scale


def test_mask_at_the_border_reaches_the_border_at_any_size() -> None:
    mask = ring_in((0, 0, 160, 50), (0, 0, 0, 0))
    drawn = draw_instances(grey(), one(mask, (0, 0, 160, 50)), show=("masks",), longest=230)
    where = (drawn.pixels != 90).any(dim=0)
    assert where[0].all() and where[:60, 0].all() and where[:60, -1].all()


def test_crowd_is_grey_stripes_and_says_so() -> None:
    mask = ring_in((20, 30, 140, 110), (0, 0, 0, 0))
    crowd = one(mask, (20, 30, 140, 110), crowd=torch.tensor([True]))
    picture = grey()
    share = changed(picture, draw_instances(picture, crowd, show=("masks",))).sum() / mask.sum()
    assert 0.4 < share < 0.75
    assert object_colors(crowd) == [(150, 156, 166)]


def test_colors_by_class_by_object_and_given() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9]] * 3)
    labels = torch.tensor([1, 0, 1])
    two = Instances(size=SIZE, boxes=boxes, labels=labels, names=("a", "b"))
    assert object_colors(two) == [color(1), color(0), color(1)]
    alone = Instances(size=SIZE, boxes=boxes, labels=torch.zeros(3, dtype=torch.int64), names=("a",))
    assert object_colors(alone) == [color(0), color(1), color(2)]
    assert object_colors(alone, "class") == [color(0)] * 3
    single = Instances(size=SIZE, boxes=torch.tensor([[10.0, 10, 60, 60]]), labels=torch.tensor([0]))
    drawn = draw_instances(grey(), single, show=("boxes",), colors=[(1, 2, 3)])
    assert drawn.pixels[:, 10, 10].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="2 colors for 1"):
        draw_instances(grey(), single, colors=[(0, 0, 0)] * 2)


def test_points_above_the_threshold_and_edges_between_them_are_drawn() -> None:
    points = torch.tensor([[[30.0, 30, 2], [130.0, 30, 2], [30.0, 100, 0]]])
    boxes = torch.tensor([[20.0, 20, 140, 110]])
    found = Instances(
        size=SIZE, boxes=boxes, labels=torch.tensor([0]), keypoints=points, edges=((0, 1), (0, 2))
    )
    picture = grey()
    where = changed(picture, draw_instances(picture, found, show=("keypoints",)))
    assert where[29:31, 30:130].all()
    assert not where[40:].any()
    assert not changed(picture, draw_instances(picture, found, show=("keypoints",), point_threshold=2)).any()


def test_hidden_point_looks_unlike_a_visible_one() -> None:
    boxes = torch.tensor([[20.0, 20, 140, 110]])
    seen = [
        draw_instances(
            grey(),
            Instances(
                size=SIZE, boxes=boxes, labels=torch.tensor([0]), keypoints=torch.tensor([[[60.5, 60.5, v]]])
            ),
            show=("keypoints",),
        ).pixels[:, 60, 60]
        for v in (1.0, 2.0)
    ]
    assert int(seen[0].max()) < 60 < int(seen[1].max())


def test_hundred_objects_keep_most_of_the_picture_free_of_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(100, 2, generator=generator) * torch.tensor([560.0, 400.0])
    boxes = torch.cat([corners, corners + 60], dim=1)
    labels = torch.arange(100) % 5
    scores = torch.rand(100, generator=generator)
    names = ("person", "bicycle", "traffic light", "dog", "cup")
    found = Instances(size=(480, 640), boxes=boxes, labels=labels, scores=scores, names=names)
    picture = grey((480, 640))
    share = changed(picture, draw_instances(picture, found, show=("labels",))).float().mean()
    assert 0.03 < share < 0.15


def test_wrong_words_and_sizes_are_refused() -> None:
    with pytest.raises(OcellusError, match="'mask' cannot be shown; there is masks, boxes") as caught:
        draw_instances(grey(), Instances.empty(SIZE), show=("mask",))
    assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match="colors='clas'"):
        draw_instances(grey(), Instances.empty(SIZE), colors="clas")
    with pytest.raises(ValueError, match="160x120 picture cannot be drawn into one of 10x10"):
        draw_instances(grey((10, 10)), Instances.empty(SIZE))


def test_one_pixel_picture_can_be_drawn_into() -> None:
    found = Instances(
        size=(1, 1),
        boxes=torch.tensor([[0.0, 0, 1, 1]]),
        labels=torch.tensor([0]),
        masks=Masks.from_dense(torch.ones(1, 1, 1, dtype=torch.bool)),
        keypoints=torch.tensor([[[0.5, 0.5, 2.0]]]),
        names=("speck",),
    )
    assert draw_instances(grey((1, 1)), found, show=PARTS).size == (1, 1)
