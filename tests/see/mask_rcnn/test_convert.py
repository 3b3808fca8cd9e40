"""Public checkpoints: what is told apart, and what is refused. Outputs: test_parity.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import (
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
    keypointrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
)

from ocellus.errors import OcellusError
from ocellus.see.mask_rcnn.convert import import_state


def torchvision_state(make: object, **settings: object) -> dict[str, Tensor]:
    with torch.device("meta"):
        model = make(weights=None, weights_backbone=None, **settings)  # type: ignore[operator]
    return model.state_dict()


def detectron2_state(shared: Path, name: str) -> dict[str, Tensor]:
    entries = json.loads((shared / "parity" / name / "meta.json").read_text())["entries"]
    return {key: torch.empty(shape, device="meta") for key, shape in entries.items()}


def test_torchvision_kinds() -> None:
    config, state, labels = import_state(torchvision_state(maskrcnn_resnet50_fpn))
    assert (config.classes, config.depth, config.norm, config.mask_layers) == (90, 50, "frozen", 4)
    assert config.norm_eps == 1e-5 and config.whole_anchors and not config.aligned
    assert labels[0] == "person" and labels[89] == "toothbrush" and labels[11] == "unused 12"
    assert len(state["mask.score.weight"]) == 90 and len(state["box.delta.weight"]) == 360
    config, _, labels = import_state(torchvision_state(keypointrcnn_resnet50_fpn))
    assert (config.classes, config.keypoints, config.keypoint_layers, config.mask_branch) == (1, 17, 8, False)
    assert tuple(labels) == ("person",)
    own = torchvision_state(fasterrcnn_resnet50_fpn, num_classes=4)
    config, _, labels = import_state(own, names=("a", "b", "c"))
    assert not config.mask_branch and tuple(labels) == ("a", "b", "c")
    config, state, _ = import_state(own, adjust={"norm": "batch"})
    assert config.norm == "batch" and state["backbone.stem.norm.num_batches_tracked"] == 0
    assert tuple(import_state(own)[2]) == ("class 1", "class 2", "class 3")


def test_published_coco_weights_of_torchvision() -> None:
    """Saved without counters, under older names, and run with eps 0."""
    state = torchvision_state(maskrcnn_resnet50_fpn)
    old = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        for part in ("inner_blocks", "layer_blocks"):
            for index in range(4):
                name = name.replace(f"{part}.{index}.0.", f"{part}.{index}.")
        name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        for index in range(4):
            name = name.replace(f"mask_head.{index}.0.", f"mask_head.mask_fcn{index + 1}.")
        old[name] = tensor
    config, ours, _ = import_state(old)
    assert config.norm_eps == 0.0
    assert set(ours) == set(import_state(state)[1])


def test_detectron2_conventions(shared: Path) -> None:
    config, _, labels = import_state(detectron2_state(shared, "mask_rcnn-detectron2"))
    assert (config.classes, config.channel_order, config.background_last) == (80, "BGR", True)
    assert config.stride_in_1x1 and config.aligned and config.sampling_ratio == 0 and not config.whole_anchors
    assert labels[0] == "person" and labels[79] == "toothbrush"
    adjust = {"stride_in_1x1": False, "channel_order": "RGB"}
    config, _, _ = import_state(detectron2_state(shared, "mask_rcnn-detectron2"), adjust=adjust)
    assert not config.stride_in_1x1 and config.channel_order == "RGB"


def test_refused() -> None:
    with pytest.raises(OcellusError, match="neither torchvision's nor detectron2's"):
        import_state({"conv1.weight": torch.zeros(1)})
    with pytest.raises(OcellusError, match=r"holds roi_heads\.box_head\.0"):
        import_state(torchvision_state(fasterrcnn_resnet50_fpn_v2))
    state = torchvision_state(maskrcnn_resnet50_fpn)
    with pytest.raises(OcellusError, match=r"nothing that could be box\.linear2\.weight"):
        import_state({name: value for name, value in state.items() if "fc7.weight" not in name})
    with pytest.raises(OcellusError, match="3 class names for a checkpoint of 90"):
        import_state(state, names=("a", "b", "c"))
    with pytest.raises(OcellusError, match="no setting colour"):
        import_state(state, adjust={"colour": "RGB"})
    grouped = state | {"backbone.body.layer1.0.conv2.weight": torch.empty(64, 4, 3, 3, device="meta")}
    with pytest.raises(OcellusError, match="grouped"):
        import_state(grouped)
