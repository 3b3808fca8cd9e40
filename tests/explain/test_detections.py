"""Detections and segmentations explained: gradients go through regions, the heat lies on the object."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from ocellus import catalog
from ocellus.data.synthetic.scene import scene
from ocellus.errors import OcellusError
from ocellus.explain import deconvnet, gradcam, guided_backprop, guided_gradcam, occlusion, saliency
from ocellus.jobs.model import Model, load
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import box_score, keypoint_score, mask_score, region_score, top
from ocellus.nn.subject import subject_of
from ocellus.values import Picture
from tests.explain.networks import relative

SCENES = 4
EACH = 5


@cache
def shipped() -> Model:
    return load("see/mask_rcnn", fused=False, precision="32")


@pytest.mark.parametrize(
    ("method", "score"), [(gradcam, box_score), (gradcam, mask_score), (guided_gradcam, box_score)]
)
def test_heat_lies_on_the_object(method: object, score: object) -> None:
    """The shipped weights on their scenes: where is the peak, and how much of the map is in the box?"""
    model, inside, shares = shipped(), [], []
    for index in range(SCENES):
        picture = scene(5, index).picture
        found = model(picture)
        for box, number in zip(found.boxes[:EACH].tolist(), range(EACH), strict=False):
            heat = method.explain(model.network, picture, score=score(number))
            row, column = heat.peak()
            inside.append(box[0] <= column <= box[2] and box[1] <= row <= box[3])
            rows = slice(int(box[1]), int(box[3]) + 1)
            values = heat.values[rows, int(box[0]) : int(box[2]) + 1]
            shares.append(float(values.sum() / heat.values.sum()))
    assert len(inside) >= 15
    assert sum(inside) / len(inside) >= 0.9
    assert sum(shares) / len(shares) >= 0.8


def test_the_score_is_the_detections_own_logit() -> None:
    """Asked again at its final box, a detection is still of its class, with about its probability."""
    model = shipped()
    picture = scene(5, 0).picture
    found = model(picture)
    with untouched(model.network):
        subject = subject_of(model.network, picture)
        for index in range(3):
            answer = box_score(index, names=found.names).ask(model.network, subject)
            assert answer.settled.text == f"box {index} ({found.name(index)})"
            assert answer.values.requires_grad is False  # nothing asked for a gradient
            assert answer.values[0] > 2


@pytest.mark.parametrize("method", [saliency, guided_backprop, deconvnet, guided_gradcam, gradcam])
def test_other_methods_and_keypoints(method: object) -> None:
    system = catalog.system("see/mask_rcnn")
    config = replace(system.TINY, score_threshold=0.01, keypoints=4, keypoint_layers=1)
    torch.manual_seed(0)
    network = system.build(config)
    picture = Picture(pixels=torch.randint(0, 256, (3, 80, 104), dtype=torch.uint8))
    keypoint = keypoint_score(0, 2)
    for score in (box_score(0), mask_score(1), keypoint, None):
        heat = method.explain(network, picture, score=score)
        assert heat.size == (80, 104) and heat.values.isfinite().all()
        wanted = {keypoint: "keypoint 2 of box 0", None: "box 0"}.get(score) or score.text
        assert heat.target.startswith(wanted + " (")
    for score, message in (
        (box_score(1000), "object 1000 was asked for, and the network found"),
        (keypoint_score(0, 4), "keypoint 4 was asked for, an object has 4: 0 to 3"),
    ):
        with pytest.raises(OcellusError, match=message):
            method.explain(network, picture, score=score)


def test_occlusion_of_a_box() -> None:
    """The box stays where it was found while windows go over the picture; those on it count."""
    model, picture = shipped(), scene(5, 0).picture
    found = model(picture)
    config = occlusion.Config(window=32, stride=32)
    for index in range(2):
        heat = occlusion.explain(model.network, picture, score=box_score(index), config=config)
        x1, y1, x2, y2 = found.boxes[index].tolist()
        row, column = heat.peak()
        assert x1 - 32 <= column <= x2 + 32 and y1 - 32 <= row <= y2 + 32
        assert heat.signed and heat.values.max() > 1


def test_network_without_the_branch() -> None:
    system = catalog.system("see/mask_rcnn")
    network = system.build(replace(system.TINY, mask_branch=False))
    with pytest.raises(OcellusError, match="no mask branch"):
        gradcam.explain(network, torch.rand(3, 64, 64), score=mask_score(0))
    with pytest.raises(OcellusError, match="puts out no boxes"):
        gradcam.explain(nn.Conv2d(3, 4, 3), torch.rand(3, 64, 64), score=box_score(0))


@cache
def foreign() -> nn.Module:
    torch.manual_seed(3)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
    network = FasterRCNN(backbone, 4, min_size=96, max_size=160, box_score_thresh=0.0).eval()
    for layer in (network.roi_heads.box_predictor.cls_score, network.rpn.head.cls_logits):
        nn.init.normal_(layer.weight, std=0.3)
    return network


@pytest.mark.parametrize("method", [saliency, gradcam, guided_backprop])
def test_a_detector_of_torchvision(method: object) -> None:
    network, image = foreign(), torch.rand(1, 3, 96, 128)
    heat = method.explain(network, image, score=box_score(0))
    assert heat.target.startswith("box 0 (") and heat.values.abs().sum() > 0
    if method is gradcam:
        assert heat.layer == "backbone"
    assert torch.equal(method.explain(network, image).values, heat.values)  # it is the top answer too


def test_occlusion_of_a_detector_of_torchvision() -> None:
    config = occlusion.Config(window=48, stride=48)
    heat = occlusion.explain(foreign(), torch.rand(1, 3, 96, 128), score=box_score(0), config=config)
    assert heat.values.abs().sum() > 0


SEGMENTERS = [card.name for card in catalog.cards() if card.value == "Segmentation"]


def segmenter(name: str) -> nn.Module:
    system = catalog.system(name)
    torch.manual_seed(0)
    return system.build(system.TINY)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("method", [gradcam, saliency, guided_backprop])
def test_regions_of_segmenters(name: str, method: object) -> None:
    network = segmenter(name)
    channels = network.config.channels
    picture = Picture(
        pixels=torch.randint(0, 256, (3, 96, 112), dtype=torch.uint8),
        channels=None if channels == 3 else torch.rand(channels, 96, 112),
    )
    config = gradcam.Config(part="both") if method is gradcam else None
    heat = method.explain(network, picture, score=region_score(1, box=(20, 30, 60, 70)), config=config)
    assert heat.size == (96, 112) and heat.target == "class 1 in 20,30,60,70"
    assert heat.values.abs().sum() > 0
    assert method.explain(network, picture, score=top()).target.startswith("class")


def test_a_region_is_explained_by_what_is_near() -> None:
    """A segmenter of two 3x3 convolutions looks no further than two pixels: nor may the heat lie further."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    heat = saliency.explain(network, torch.rand(3, 20, 20), score=region_score(0, box=(8, 6, 12, 9))).values
    outside = heat.clone()
    outside[4:11, 6:14] = 0
    assert outside.abs().sum() == 0 and heat.abs().sum() > 0


def test_a_discriminators_verdict() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.Sequential(nn.Conv2d(3, 8, 4, 2), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 2))

        def forward(self, images: Tensor) -> list[Tensor]:
            return [self.convs(images), self.convs(images[:, :, ::2, ::2])]

    torch.manual_seed(0)
    network, image = Patches(), torch.rand(3, 64, 64)
    heat = gradcam.explain(network, image, config=gradcam.Config(part="both"))
    assert heat.target == "verdict real" and heat.layer == "convs.1"
    plain = saliency.explain(network, image).channels
    leaf = image[None].clone().requires_grad_()
    (sum(maps.mean() for maps in network(leaf)) / 2).backward()
    assert relative(plain, leaf.grad[0]) < 1e-6
