"""The same detections as torchvision's models on photographs, from the same weights, end to end.

The weights are seeded, and adjusted on one photograph so that many classes fire and masks have shapes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, KeypointRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import box_iou

from ocellus.nn.fuse import fuse
from ocellus.see.mask_rcnn.convert import import_state
from ocellus.see.mask_rcnn.inference import predict, predict_batch
from ocellus.see.mask_rcnn.model import MaskRCNN as Ours
from ocellus.see.mask_rcnn.model import build
from ocellus.values import Instances, Picture

SHORT, LONG = 192, 300
CLASSES = 20
DETECTIONS = {"mask": 60, "box": 60, "keypoint": 24}
KINDS = {"mask": MaskRCNN, "box": FasterRCNN, "keypoint": KeypointRCNN}


def photograph(name: str) -> Picture:
    pixels = torch.from_numpy(getattr(data, name)())
    return Picture(pixels=pixels[..., :3].permute(2, 0, 1).contiguous())


def spread(layer: nn.Module, inputs: list[Tensor], *, wanted: float, first: float = 0.0) -> None:
    """Sets a layer so that each of its outputs has mean 0 and the wanted deviation over inputs it saw."""
    with torch.no_grad():
        outputs = torch.cat([layer(value).transpose(0, 1).flatten(1) for value in inputs], dim=1)
        scale = wanted / outputs.std(dim=1)
        across = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        shape = [1] * layer.weight.ndim
        shape[across] = -1
        layer.weight *= scale.reshape(shape)
        layer.bias.copy_(layer.bias * scale - outputs.mean(dim=1) * scale)
        layer.bias[0] += first


@cache
def torchvision_model(kind: str) -> Any:
    torch.manual_seed(3)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
    )
    classes = 2 if kind == "keypoint" else CLASSES + 1
    model = KINDS[kind](backbone, classes, min_size=SHORT, max_size=LONG)
    model.roi_heads.detections_per_img = DETECTIONS[kind]
    model.eval()
    rpn, roi = model.rpn.head, model.roi_heads
    stages = [[(rpn.cls_logits, 2.0, 0.0), (rpn.bbox_pred, 0.3, 0.0)]]
    stages.append([(roi.box_predictor.cls_score, 2.0, 1.0), (roi.box_predictor.bbox_pred, 1.0, 0.0)])
    if kind == "mask":
        stages.append([(roi.mask_predictor.mask_fcn_logits, 2.0, 0.0)])
    if kind == "keypoint":
        stages.append([(roi.keypoint_predictor.kps_score_lowres, 2.0, 0.0)])
    picture = photograph("astronaut").floats()
    for stage in stages:
        seen: list[list[Tensor]] = [[] for _ in stage]
        hooks = [
            layer.register_forward_pre_hook(lambda _, given, kept=kept: kept.append(given[0]))
            for (layer, _, _), kept in zip(stage, seen, strict=True)
        ]
        with torch.no_grad():
            model([picture])
        for hook, kept, (layer, wanted, first) in zip(hooks, seen, stage, strict=True):
            hook.remove()
            spread(layer, kept, wanted=wanted, first=first)
    return model


def ours_of(model: Any) -> Ours:
    # torchvision's saved state has no sides of pictures: they are given.
    adjust = {"short_side": SHORT, "long_side": LONG, "detections": model.roi_heads.detections_per_img}
    config, state, _ = import_state(model.state_dict(), adjust=adjust)
    network = build(config)
    network.load_state_dict(state)
    return network.eval()


def partners(found: Instances, boxes: Tensor, labels: Tensor) -> Tensor:
    """For each of torchvision's boxes the index of ours that covers it best, of its class."""
    overlap = box_iou(boxes, found.boxes) * (labels[:, None] == found.labels)
    best, index = overlap.max(dim=1)
    assert best.min() > 0.98
    assert len(index.unique()) == len(index)
    return index


def pasted_corners(boxes: Tensor) -> Tensor:
    """The whole pixels that a mask with a border of one cell is resized to; rounding can tip one over."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * 30 / 28
    return torch.cat([centre - half, centre + half], dim=1).long()


def compare(model: Any, network: Ours, picture: Picture) -> tuple[int, int]:
    """Asserts equal answers; returns how many there were, and of how many classes."""
    with torch.no_grad():
        theirs = model([picture.floats()])[0]
    found = predict(network, picture)
    assert len(found) == len(theirs["boxes"])
    index = partners(found, theirs["boxes"], theirs["labels"] - 1)
    assert (found.boxes[index] - theirs["boxes"]).abs().max() < 0.05
    assert (found.scores[index] - theirs["scores"]).abs().max() < 1e-4
    if "masks" in theirs:
        wanted = theirs["masks"][:, 0] >= 0.5
        masks = found.masks.dense()[index]
        both, either = (masks & wanted).sum(dim=(1, 2)), (masks | wanted).sum(dim=(1, 2))
        alike = (pasted_corners(found.boxes[index]) == pasted_corners(theirs["boxes"])).all(dim=1)
        assert (~alike).sum() <= 2
        assert (both / either.clamp(min=1))[alike & (either > 0)].min() > 0.98
        assert 0.003 < wanted.float().mean() < 0.9
        # Pixels exactly at the threshold may fall on either side: at most one in ten thousand does.
        assert (masks != wanted)[alike].float().mean() < 1e-4
    if "keypoints" in theirs:
        distance = (found.keypoints[index, :, :2] - theirs["keypoints"][:, :, :2]).norm(dim=2)
        # A flat map has its peak anywhere; all but a few peaks are the same.
        assert (distance < 0.1).float().mean() > 0.99
    return len(found), len(found.labels.unique())


@pytest.mark.parametrize("kind", ["mask", "box", "keypoint"])
def test_same_detections(kind: str) -> None:
    model = torchvision_model(kind)
    network = ours_of(model)
    names = ("astronaut", "coffee", "rocket") if kind != "keypoint" else ("coffee", "astronaut")
    counts = [compare(model, network, photograph(name)) for name in names]
    assert min(count for count, _ in counts) >= 24, counts
    if kind != "keypoint":
        assert min(classes for _, classes in counts) >= 5, counts


def test_same_detections_on_coco(shared: Path) -> None:
    model = torchvision_model("mask")
    network = ours_of(model)
    files = sorted((shared / "data" / "coco").rglob("*.jpg"))[:3]
    assert files
    for file in files:
        pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB")))
        count, classes = compare(model, network, Picture(pixels=pixels.permute(2, 0, 1).contiguous()))
        assert count >= 24 and classes >= 5, file.name


def test_fused_and_batched_answer_the_same() -> None:
    network = ours_of(torchvision_model("mask"))
    pictures = [photograph(name) for name in ("coffee", "chelsea", "coffee")]
    single = [predict(network, picture) for picture in pictures]
    for results in (predict_batch(network, pictures), predict_batch(fuse(network), pictures)):
        for one, other in zip(single, results, strict=True):
            assert len(one) == len(other) >= 24
            index = partners(one, other.boxes, other.labels)
            assert (one.scores[index] - other.scores).abs().max() < 1e-4
