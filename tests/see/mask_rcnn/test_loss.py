"""Losses: by hand, against torchvision's from the same weights, with nothing to find, and overfitted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection import KeypointRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from ocellus.data import crops
from ocellus.data.examples import Batch
from ocellus.data.target import Target
from ocellus.labels import LabelMap
from ocellus.nn.boxes import encode, iou
from ocellus.see.mask_rcnn.config import TINY, Config, Train
from ocellus.see.mask_rcnn.convert import import_state
from ocellus.see.mask_rcnn.inference import predict
from ocellus.see.mask_rcnn.loss import (
    Samples,
    box_loss,
    keypoint_loss,
    keypoint_places,
    mask_loss,
    proposal_loss,
    sample,
)
from ocellus.see.mask_rcnn.model import BOX_WEIGHTS, Proposals
from ocellus.see.mask_rcnn.recipe import Recipe
from ocellus.training.settings import Fit
from ocellus.values import Masks, Picture


def target(
    boxes: list[list[float]], labels: list[int], *, masks: Tensor | None = None, points: Any = None
) -> Target:
    return Target(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.zeros(len(labels), dtype=torch.bool),
        crops.from_masks(Masks.from_dense(masks)) if masks is not None else None,
        torch.tensor(points, dtype=torch.float32) if points is not None else None,
    )


def batch(images: Tensor, targets: list[Target]) -> Batch:
    sizes = torch.tensor([images.shape[-2:]] * len(images))
    return Batch(images, sizes, tuple(targets), tuple(str(index) for index in range(len(images))))


def recipe(config: Config, train: Train) -> Recipe:
    labels = LabelMap(tuple(f"class {index}" for index in range(config.classes)))
    return Recipe(config, train, Fit(), labels)


def test_proposal_loss_by_hand() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 20], [50, 50, 60, 60]])
    logits = torch.tensor([[2.0, 5.0, -1.0]])
    deltas = torch.tensor([[[0.1, 0.0, 0.0, 0.2], [9, 9, 9, 9], [9, 9, 9, 9]]])
    found = proposal_loss(
        Proposals(anchors[None], logits, logits > 0, logits, deltas, anchors),
        [target([[0, 0, 10, 10]], [0])],
        Train(anchors_per_picture=4),
    )
    # The first anchor is the object, the second (overlap 1/2) is ignored, the third is background.
    score = math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))
    assert found["proposal_score"].item() == pytest.approx(score / 2, rel=1e-5)
    assert found["proposal_box"].item() == pytest.approx(0.3 / 2, rel=1e-5)


def test_box_loss_by_hand() -> None:
    samples = Samples(
        boxes=torch.tensor([[0.0, 0, 0, 10, 10], [0, 20, 20, 40, 40]]),
        objects=torch.tensor([0, -1]),
        labels=torch.tensor([1, -1]),
        matched=torch.tensor([[1.0, 0, 11, 10], [20, 20, 40, 40]]),
    )
    deltas = torch.zeros(2, 2, 4)
    deltas[0, 0] = 99  # another class's box is not looked at
    logits = torch.tensor([[0.0, 0, math.log(2)], [math.log(6), 0, 0]])
    found = box_loss(logits, deltas, samples, config=Config(classes=2), train=Train())
    assert found["class"].item() == pytest.approx((math.log(2) + math.log(8 / 6)) / 2)
    assert found["box"].item() == pytest.approx(0.1 * BOX_WEIGHTS[0] / 2)
    last = Config(classes=2, background_last=True)
    same = box_loss(logits.roll(-1, dims=1), deltas, samples, config=last, train=Train())
    assert same["class"].item() == pytest.approx(found["class"].item())


def test_mask_loss_by_hand() -> None:
    dense = torch.zeros(1, 20, 20, dtype=torch.bool)
    dense[0, :, :10] = True
    one = target([[0, 0, 20, 20]], [0], masks=dense)
    boxes = torch.tensor([[0.0, 2, 2, 6, 6], [0, 2, 2, 18, 18]])
    samples = Samples(boxes, torch.tensor([0, 0]), torch.tensor([0, 0]), boxes[:, 1:])
    logits = torch.full((2, 4, 4), 3.0)
    right, wrong = math.log1p(math.exp(-3)), 3 + math.log1p(math.exp(-3))
    # The first box lies inside the mask; of the second one half does.
    wanted = (right + (right + wrong) / 2) / 2
    assert mask_loss(logits, samples, [one]).item() == pytest.approx(wanted, rel=1e-5)
    competing = torch.stack([torch.zeros_like(logits), logits, torch.full_like(logits, -99)], dim=1)
    assert mask_loss(competing, samples, [one]).item() == pytest.approx(wanted, rel=1e-5)


def test_objects_without_a_mask_do_not_count() -> None:
    dense = torch.ones(1, 20, 20, dtype=torch.bool)
    known = target([[0, 0, 20, 20]], [0], masks=dense)
    both = known._replace(
        boxes=known.boxes.repeat(2, 1), labels=torch.tensor([0, 0]), crowd=torch.zeros(2, dtype=torch.bool),
        crops=crops.concatenate([known.crops, crops.blank(1)]),
    )  # fmt: skip
    boxes = torch.tensor([[0.0, 5, 5, 15, 15], [0, 5, 5, 15, 15]])
    samples = Samples(boxes, torch.tensor([0, 1]), torch.tensor([0, 0]), boxes[:, 1:])
    logits = torch.stack([torch.full((4, 4), 2.0), torch.full((4, 4), 7.0)])
    wanted = pytest.approx(math.log1p(math.exp(-2)), rel=1e-5)
    assert mask_loss(logits, samples, [both]).item() == wanted
    assert mask_loss(logits, samples, [both._replace(crops=None)]).item() == 0


def test_keypoint_places_by_hand() -> None:
    boxes = torch.tensor([[10.0, 10, 18, 26]])
    points = torch.tensor([[[10.0, 10, 2], [18, 26, 1], [13.9, 14.1, 2], [9.9, 12, 2], [12, 12, 0]]])
    places, known = keypoint_places(points, boxes, side=8)
    # One column a pixel, one row two pixels; the right and lower border belong to the last cell.
    assert known.tolist() == [[True, True, True, False, False]]
    assert places[0, :3].tolist() == [0, 63, 2 * 8 + 3]
    logits = torch.zeros(1, 5, 8, 8)
    one = target([[10, 10, 18, 26]], [0], points=points.tolist())
    boxes = torch.cat([torch.zeros(1, 1), boxes], dim=1)
    samples = Samples(boxes, torch.tensor([0]), torch.tensor([0]), boxes[:, 1:])
    assert keypoint_loss(logits, samples, [one]).item() == pytest.approx(math.log(64))
    assert keypoint_loss(logits, samples, [one._replace(keypoints=None)]).item() == 0


def test_samples() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 18], [70, 70, 80, 80]]])
    nothing = torch.zeros(1, 0)
    proposals = Proposals(boxes, nothing, torch.tensor([[True, True, False]]), nothing, nothing, nothing)
    wanted = target([[0, 0, 10, 10], [60, 60, 90, 90]], [3, 1])
    wanted = wanted._replace(crowd=torch.tensor([False, True]))
    found = sample(proposals, [wanted], Train(region_positive=1.0))
    # Valid proposals and the object's own box; the crowd's box is no sample, nor the padding.
    assert sorted(found.boxes[:, 1:].tolist()) == [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 18]]
    assert found.labels.tolist() == [3, 3, 3] and found.objects.tolist() == [0, 0, 0]
    assert (found.matched == wanted.boxes[0]).all()
    few = sample(proposals, [wanted], Train(regions_per_picture=2, region_positive=0.5))
    assert len(few.boxes) == 1 and len(few.positives().boxes) == 1


EVERYTHING = Train(
    anchors_per_picture=10**6, anchor_positive=1.0, regions_per_picture=10**6, region_positive=1.0,
    box_smoothness=1 / 9,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["mask", "keypoint"])
def test_as_torchvision(kind: str) -> None:
    """Every term from the same weights where all anchors and all regions are sampled."""
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
    )
    many = {"rpn_batch_size_per_image": 10**6, "rpn_positive_fraction": 1.0, "box_positive_fraction": 1.0}
    many |= {"box_batch_size_per_image": 10**6, "rpn_pre_nms_top_n_train": 200, "min_size": 128}
    model = {"mask": MaskRCNN, "keypoint": KeypointRCNN}[kind](
        backbone, 2 if kind == "keypoint" else 4, rpn_post_nms_top_n_train=100, **many
    ).train()
    image = torch.rand(3, 128, 160)
    boxes = [[10.0, 20, 60, 90], [70, 30, 150, 110]]
    points = (torch.rand(2, 17, 3) * torch.tensor([160.0, 128, 1])).tolist()
    dense = torch.zeros(2, 128, 160, dtype=torch.bool)
    dense[0, 25:85, 15:50] = True
    dense[1, 40:100, 75:140] = True
    labels = [0, 0] if kind == "keypoint" else [2, 0]
    ours = target(boxes, labels, masks=dense, points=points)
    theirs = {"boxes": ours.boxes, "labels": ours.labels + 1, "masks": dense.to(torch.uint8)}
    seen = torch.tensor(points)
    seen[:, :, 2] = (seen[:, :, 2] > 0).float()
    wanted = model([image], [theirs | {"keypoints": seen}])

    adjust = {"proposals_before_nms": 200, "proposals": 100, "norm_eps": 1e-5}
    config, state, _ = import_state(model.state_dict(), adjust=adjust)
    run = recipe(config, EVERYTHING)
    run.network.load_state_dict(state)
    found = run.training_step(batch(image[None], [ours]), 0)
    names = {"proposal_score": "loss_objectness", "proposal_box": "loss_rpn_box_reg"}
    names |= {"class": "loss_classifier", "box": "loss_box_reg"}
    names |= {"keypoint": "loss_keypoint"} if kind == "keypoint" else {}
    for name, reference in names.items():
        assert found[name].item() == pytest.approx(wanted[reference].item(), rel=1e-4), name
    if kind == "mask":  # torchvision averages several points a bin: close, not equal
        assert found["mask"].item() == pytest.approx(wanted["loss_mask"].item(), rel=0.03)


@pytest.mark.parametrize(
    "change",
    [{}, {"keypoints": 3, "keypoint_layers": 1}, {"mask_per_class": False}, {"mask_softmax": True},
     {"pooling": "pool"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 1])
def test_every_parameter_has_a_finite_gradient(change: dict[str, Any], count: int) -> None:
    """Also with nothing to find in any picture, so that processes never wait for each other."""
    torch.manual_seed(0)
    run = recipe(replace(TINY, **change), Train())
    dense = torch.ones(count, 64, 96, dtype=torch.bool)
    some = target([[10, 10, 50, 50]] * count, [1] * count, masks=dense, points=[[[20, 20, 2]] * 3] * count)
    if count == 0:
        some = target([], [])._replace(keypoints=torch.zeros(0, 3, 3))
    found = run.training_step(batch(torch.rand(2, 3, 64, 96), [some, target([], [])]), 0)
    assert found["loss"].isfinite()
    found["loss"].backward()
    missing = [name for name, value in run.network.named_parameters() if value.grad is None]
    assert not missing
    assert all(value.grad.isfinite().all() for value in run.network.parameters())


def test_a_crowd_teaches_nothing() -> None:
    """The terms are those of a picture where the regions inside the crowd are not looked at."""
    anchors = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60], [100, 0, 110, 10]])
    logits, deltas = torch.tensor([[1.0, 2.0, -1.0]]), torch.zeros(1, 3, 4)
    proposals = Proposals(anchors[None], logits, torch.ones(1, 3, dtype=torch.bool), logits, deltas, anchors)
    both = target([[0, 0, 10, 10], [40, 40, 90, 90]], [0, 0])._replace(crowd=torch.tensor([False, True]))
    found = proposal_loss(proposals, [both], Train())
    wanted = F.binary_cross_entropy_with_logits(logits[0, [0, 2]], torch.tensor([1.0, 0.0]))
    assert found["proposal_score"].item() == pytest.approx(wanted.item())
    regions = sample(proposals, [both], Train()).boxes[:, 1:].tolist()
    assert [50, 50, 60, 60] not in regions and [40, 40, 90, 90] not in regions


def test_encode_is_what_the_box_loss_uses() -> None:
    box, region = torch.tensor([[2.0, 3, 12, 17]]), torch.tensor([[0.0, 0, 10, 10]])
    samples = Samples(
        torch.cat([torch.zeros(1, 1), region], dim=1), torch.tensor([0]), torch.tensor([0]), box
    )
    exact = encode(box, region, weights=BOX_WEIGHTS)[:, None]
    found = box_loss(torch.zeros(1, 2), exact, samples, config=Config(classes=1), train=Train())
    assert found["box"].item() == 0


def test_overfits_one_batch() -> None:
    """A disc and a square each in two pictures: some dozens of steps, and they come back."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(96), indexing="ij")
    images, targets = [], []
    for first, second in (((24, 30), (40, 70)), ((40, 24), (22, 66))):
        disc = (y - first[0]) ** 2 + (x - first[1]) ** 2 < 14**2
        square = ((y - second[0]).abs() < 12) & ((x - second[1]).abs() < 14)
        dense = torch.stack([disc, square])
        image = torch.full((3, 64, 96), 0.2) + 0.05 * torch.rand(3, 64, 96)
        image[0][disc] = 0.9
        image[2][square] = 0.8
        boxes = Masks.from_dense(dense).bounds().float().tolist()
        images.append(image)
        targets.append(target(boxes, [0, 1], masks=dense))
    run = recipe(replace(TINY, score_threshold=0.5), Train())
    optimizer = torch.optim.AdamW(run.network.parameters(), lr=3e-3)
    data = batch(torch.stack(images), targets)
    for step in range(80):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 5, (80 - step) / 40)
        optimizer.zero_grad()
        loss = run.training_step(data, step)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 10)
        optimizer.step()
    for image, wanted in zip(images, targets, strict=True):
        picture = Picture(pixels=(image * 255).to(torch.uint8))
        found = predict(run.network, picture)
        overlap = iou(wanted.boxes, found.boxes) * (wanted.labels[:, None] == found.labels)
        assert len(found) == 2 and overlap.amax(dim=1).min() > 0.75, found
        windows = wanted.crops.windows
        for index, best in enumerate(overlap.argmax(dim=1).tolist()):
            left, top, width, height = windows[index].tolist()
            truth = torch.zeros(64, 96, dtype=torch.bool)
            truth[top : top + height, left : left + width] = crops.window(wanted.crops, index).bool()
            mask = found.masks.dense()[best]
            assert (mask & truth).sum() / (mask | truth).sum() > 0.75
