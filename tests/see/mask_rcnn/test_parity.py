"""The published networks' answers for known weights and a known input (golden files), output by output."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.nn.anchors import grid_anchors
from ocellus.nn.boxes import decode
from ocellus.see.mask_rcnn.config import Config
from ocellus.see.mask_rcnn.convert import import_state
from ocellus.see.mask_rcnn.model import BOX_SIZE, BOX_WEIGHTS, MASK_SIZE, MaskRCNN, build

WORST = 1e-4
PICTURE = (256, 320)


@cache
def fixture(shared: Path, name: str) -> tuple[Any, Any]:
    """The golden files' own reader, and one of them."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity, parity.load(shared / "parity" / name)


def network_of(state: dict[str, Tensor]) -> MaskRCNN:
    config, ours, _ = import_state(state)
    return loaded(config, ours)


def loaded(config: Config, state: dict[str, Tensor]) -> MaskRCNN:
    """A network with these weights, without the time it takes to draw fresh ones first."""
    with torch.device("meta"):
        network = build(config)
    network.load_state_dict(state, assign=True)
    network.mean = torch.tensor(config.mean)[:, None, None]
    network.std = torch.tensor(config.std)[:, None, None]
    return network.to(memory_format=torch.channels_last).eval()


def answers(network: MaskRCNN, image: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    """Every piece of the network on an input that is normalised already."""
    with torch.no_grad():
        levels = network.pyramid(network.backbone(image.contiguous(memory_format=torch.channels_last)))
        found = {f"fpn_{index}": level for index, level in enumerate(levels)}
        for index, level in enumerate(levels):
            hidden = F.relu(network.proposer.conv(level))
            found[f"rpn_logits_{index}"] = network.proposer.score(hidden)
            found[f"rpn_deltas_{index}"] = network.proposer.delta(hidden)
        proposals = network.propose(levels, torch.tensor([PICTURE]))
        found["anchors"] = proposals.anchors
        found["rpn_boxes"] = decode(proposals.deltas[0], proposals.anchors)
        rois = torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1)
        found["box_roi"] = network.pool(levels, rois, BOX_SIZE)
        found["box_logits"], deltas = network.heads(levels, rois)
        found["box_deltas"] = deltas
        found["box_decoded"] = decode(deltas, boxes[:, None], weights=BOX_WEIGHTS)
        if network.mask is not None:
            found["mask_logits"] = network.masks(levels, rois)
            found["mask_hidden"] = network.mask.hidden(network.pool(levels, rois, MASK_SIZE))
        if network.keypoint is not None:
            found["keypoint_logits"] = network.keypoints(levels, rois)
    return found


def with_background(
    found: dict[str, Tensor], state: dict[str, Tensor], network: MaskRCNN, boxes: Tensor
) -> None:
    """Puts torchvision's outputs for the background, which ours leaves out, where they were."""
    box = {key: state[f"roi_heads.box_predictor.bbox_pred.{key}"][:4] for key in ("weight", "bias")}
    pooled = found["box_roi"].permute(0, 2, 3, 1).flatten(1)
    with torch.no_grad():
        hidden = F.relu(network.box.linear2(F.relu(network.box.linear1(pooled))))
        background = F.linear(hidden, box["weight"], box["bias"])[:, None]
        found["box_deltas"] = torch.cat([background, found["box_deltas"]], dim=1)
        decoded = decode(background, boxes[:, None], weights=BOX_WEIGHTS)
        found["box_decoded"] = torch.cat([decoded, found["box_decoded"]], dim=1)
        if network.mask is not None:
            name = "roi_heads.mask_predictor.mask_fcn_logits"
            weight, bias = state[f"{name}.weight"][:1, :, 0, 0], state[f"{name}.bias"][:1]
            masks = F.linear(found["mask_hidden"], weight, bias)  # (6, 14, 14, 2, 2, 1)
            masks = masks.permute(0, 5, 1, 3, 2, 4).reshape(len(boxes), 1, 28, 28)
            found["mask_logits"] = torch.cat([masks, found["mask_logits"]], dim=1)


@pytest.mark.parametrize("name", ["mask_rcnn-torchvision", "mask_rcnn-torchvision_keypoint"])
def test_torchvision(shared: Path, name: str) -> None:
    parity, golden = fixture(shared, name)
    network = network_of(golden.state)
    boxes = torch.tensor(golden.meta["boxes"])
    found = answers(network, golden.inputs[0], boxes)
    with_background(found, golden.state, network, boxes)
    found["fpn_pool"] = found["fpn_4"]
    compare_all(parity, golden, found)


@pytest.mark.parametrize("name", ["mask_rcnn-detectron2", "mask_rcnn-detectron2_keypoint"])
def test_detectron2(shared: Path, name: str) -> None:
    parity, golden = fixture(shared, name)
    network = network_of(golden.state)
    found = answers(network, golden.inputs[0], torch.tensor(golden.meta["boxes"]))
    for index in range(5):
        for kind in ("fpn_{}", "rpn_logits_{}", "rpn_deltas_{}"):
            renamed = kind.format(f"p{index + 2}")
            found[renamed] = found[kind.format(index)]
    compare_all(parity, golden, found)


def compare_all(parity: Any, golden: Any, found: dict[str, Tensor]) -> None:
    worst = {}
    for name, expected in golden.outputs.items():
        _, worst[name] = parity.compare(found[name].reshape(expected.shape), expected)
    assert len(worst) == len(golden.meta["outputs"]) >= 7
    assert max(worst.values()) <= WORST, worst


def test_a_wrong_convention_shows(shared: Path) -> None:
    """The comparison is worth something: half a pixel in RoIAlign or a stride in the wrong place is seen."""
    parity, golden = fixture(shared, "mask_rcnn-detectron2")
    boxes = torch.tensor(golden.meta["boxes"])
    for field, output in (("aligned", "box_roi"), ("stride_in_1x1", "fpn_3")):
        wrong = {"aligned": False, "stride_in_1x1": False}[field]
        config, state, _ = import_state(golden.state, adjust={field: wrong})
        network = loaded(config, state)
        found = answers(network, golden.inputs[0], boxes)
        expected = golden.outputs[output.replace("fpn_3", "fpn_p5")]
        assert parity.compare(found[output], expected)[1] > 0.01, field


def test_input_is_normalised_as_published(shared: Path) -> None:
    """The network's own normalisation of a picture in [0, 1] gives the golden input."""
    for name in ("mask_rcnn-torchvision", "mask_rcnn-detectron2"):
        parity, golden = fixture(shared, name)
        spec = golden.meta["inputs"][0]
        picture = parity.image(spec["height"], spec["width"], spec["seed"])[None]
        found = network_of(golden.state).normalize(picture)
        scale = golden.inputs[0].abs().max()
        assert (found - golden.inputs[0]).abs().max() / scale < 1e-6, name


def test_anchors_of_a_level_that_does_not_divide_the_picture() -> None:
    """800 rows: the coarsest level has 13; torchvision spaces them 800 // 13 = 61 apart, detectron2 64."""
    settings = {"sizes": (32.0,) * 5, "ratios": (1.0,)}
    grids = [(200, 200), (100, 100), (50, 50), (25, 25), (13, 13)]
    whole = grid_anchors(grids, (800, 800), whole=True, **settings)[4]
    exact = grid_anchors(grids, (800, 800), whole=False, **settings)[4]
    assert whole[1].tolist() == [61 - 16, -16, 61 + 16, 16]
    assert exact[1].tolist() == [64 - 16, -16, 64 + 16, 16]
