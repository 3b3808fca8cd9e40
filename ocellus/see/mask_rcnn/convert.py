"""Public checkpoints of Mask R-CNN, Faster R-CNN and Keypoint R-CNN: their names and conventions -> ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, class_labels, counted, numbered, prefixed, renamed
from ocellus.nn.resnet import PUBLIC_NAMES, public_depth
from ocellus.see.mask_rcnn.config import Config
from ocellus.see.mask_rcnn.model import BOX_SIZE, build

TORCHVISION = (
    *prefixed(PUBLIC_NAMES, r"backbone\.body\."),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.(?:0\.)?", r"pyramid.lateral.{0}."),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.(?:0\.)?", r"pyramid.output.{0}."),
    (r"rpn\.head\.conv\.(?:0\.0\.)?", r"proposer.conv."),
    (r"rpn\.head\.cls_logits\.", r"proposer.score."),
    (r"rpn\.head\.bbox_pred\.", r"proposer.delta."),
    (r"roi_heads\.box_head\.fc6\.", r"box.linear1."),
    (r"roi_heads\.box_head\.fc7\.", r"box.linear2."),
    (r"roi_heads\.box_predictor\.cls_score\.", r"box.score."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", r"box.delta."),
    (r"roi_heads\.mask_head\.(\d+)\.0\.", r"mask.convs.{0}."),
    (r"roi_heads\.mask_head\.mask_fcn(\d+)\.", r"mask.convs.{0-1}."),
    (r"roi_heads\.mask_predictor\.conv5_mask\.", r"mask.upsample."),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.", r"mask.score."),
    (r"roi_heads\.keypoint_head\.(\d+)\.", r"keypoint.convs.{0/2}."),
    (r"roi_heads\.keypoint_predictor\.kps_score_lowres\.", r"keypoint.score."),
)
"""A torchvision name's beginning and ours, as `ocellus.nn.renaming` takes them."""

DETECTRON2 = (
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.", r"backbone.stem.norm."),
    (r"backbone\.bottom_up\.stem\.conv1\.", r"backbone.stem.conv."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.(\w+)\.norm\.", r"backbone.stages.{0-2}.{1}.{2}.norm."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.(\w+)\.", r"backbone.stages.{0-2}.{1}.{2}.conv."),
    (r"backbone\.fpn_lateral(\d)\.", r"pyramid.lateral.{0-2}."),
    (r"backbone\.fpn_output(\d)\.", r"pyramid.output.{0-2}."),
    (r"proposal_generator\.rpn_head\.conv\.", r"proposer.conv."),
    (r"proposal_generator\.rpn_head\.objectness_logits\.", r"proposer.score."),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.", r"proposer.delta."),
    (r"roi_heads\.box_head\.fc(\d)\.", r"box.linear{0}."),
    (r"roi_heads\.box_predictor\.cls_score\.", r"box.score."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", r"box.delta."),
    (r"roi_heads\.mask_head\.mask_fcn(\d+)\.", r"mask.convs.{0-1}."),
    (r"roi_heads\.mask_head\.deconv\.", r"mask.upsample."),
    (r"roi_heads\.mask_head\.predictor\.", r"mask.score."),
    (r"roi_heads\.keypoint_head\.conv_fcn(\d+)\.", r"keypoint.convs.{0-1}."),
    (r"roi_heads\.keypoint_head\.score_lowres\.", r"keypoint.score."),
)
"""The same for detectron2."""

IGNORED = re.compile(
    r"num_batches_tracked$|cell_anchors|anchor_generator|^pixel_(mean|std)$|^model\.pixel_(mean|std)$"
)
"""Entries that hold no weights."""

KNOWN = "an R-CNN on ResNet + FPN with two linear layers in the box branch"
HINT = "; networks of other heads or norms cannot be imported"


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    torchvision's maskrcnn, fasterrcnn and keypointrcnn and detectron2's R-CNNs, on ResNet + FPN.
    Torchvision's background outputs of the box and mask branches, which nothing reads, are left out.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: class names, where the checkpoint was not trained on COCO.
        adjust: fields of Config that the tensors cannot tell and that differ from the publisher's defaults:
            stride_in_1x1, channel_order, mean and std, norm_eps, anchor_sizes, thresholds; norm="batch" to
            train on with live norms.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the names are of neither library, or of a network that this system does not have.
    """
    weights = {name: tensor for name, tensor in state.items() if not IGNORED.search(name)}
    if any(name.startswith("backbone.body.") for name in state):
        ours = renamed(weights, TORCHVISION, network=KNOWN, hint=HINT)
        config = _torchvision_config(state, ours)
        ours = _without_background(ours, config)
    elif any(name.startswith("backbone.bottom_up.") for name in state):
        ours = renamed(weights, DETECTRON2, network=KNOWN, hint=HINT)
        config = _detectron2_config(ours)
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are neither torchvision's nor "
            "detectron2's for an R-CNN on ResNet + FPN; only those are known"
        )
    config = adjusted(config, adjust)
    width = ours["box.linear1.weight"]
    # Ours reads pooled features by row, column, channel; theirs by channel, row, column.
    ordered = width.unflatten(1, (-1, BOX_SIZE, BOX_SIZE)).permute(0, 2, 3, 1).flatten(1)  # type: ignore[no-untyped-call]
    ours["box.linear1.weight"] = ordered.contiguous()
    ours = counted(ours, norm=config.norm)  # live norms are asked for, to train on with
    check_whole(ours, build, config, network="R-CNN", others="other anchors")

    def known(classes: int) -> tuple[str, ...]:
        return _coco_names(classes, people=config.keypoints > 0)

    return config, ours, class_labels(names, classes=config.classes, known=known)


def _shape_config(state: Mapping[str, Tensor]) -> Config:
    """What the shapes of renamed tensors tell."""
    needed = ("backbone.stem.conv.weight", "pyramid.lateral.0.weight", "proposer.score.weight",
              "box.score.weight", "box.linear1.weight")  # fmt: skip
    for name in needed:
        if name not in state:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole R-CNN")
    classes = len(state["box.score.weight"]) - 1
    masks, points = state.get("mask.score.weight"), state.get("keypoint.score.weight")
    return Config(
        classes=classes,
        depth=public_depth(state),
        width=len(state["backbone.stem.conv.weight"]),
        norm="frozen" if "backbone.stem.norm.running_mean" in state else "group",
        fpn_channels=len(state["pyramid.lateral.0.weight"]),
        box_channels=len(state["box.linear1.weight"]),
        mask_branch=masks is not None,
        mask_per_class=masks is None or len(masks) > 1 or classes == 1,
        mask_channels=masks.shape[1] if masks is not None else Config.mask_channels,
        mask_layers=_layers(state, "mask") if masks is not None else Config.mask_layers,
        keypoints=points.shape[1] if points is not None else 0,
        keypoint_layers=_layers(state, "keypoint") if points is not None else Config.keypoint_layers,
    )


def _layers(state: Mapping[str, Tensor], branch: str) -> int:
    return len({name.split(".")[2] for name in state if name.startswith(f"{branch}.convs.")})


def _torchvision_config(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> Config:
    config = _shape_config(ours)
    # The published COCO_V1 weights are run with eps 0, and were saved without counters. Others: eps 1e-5.
    tracked = any(name.endswith("num_batches_tracked") for name in state)
    published = not tracked and (config.classes == 90 or config.keypoints == 17)
    return replace(config, norm_eps=0.0 if published else 1e-5)


def _detectron2_config(ours: Mapping[str, Tensor]) -> Config:
    return replace(
        _shape_config(ours),
        stride_in_1x1="backbone.stages.0.0.conv3.conv.weight" in ours,
        whole_anchors=False,
        aligned=True,
        sampling_ratio=0,
        background_last=True,
        channel_order="BGR",
        mean=(103.53 / 255, 116.28 / 255, 123.675 / 255),
        std=(1 / 255, 1 / 255, 1 / 255),
    )


def _without_background(ours: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    surplus = {"box.delta.": 4, "mask.score.": 1 if config.mask_per_class else 0}
    return {
        name: tensor[next((count for start, count in surplus.items() if name.startswith(start)), 0) :]
        if tensor.ndim
        else tensor
        for name, tensor in ours.items()
    }


def _coco_names(classes: int, *, people: bool) -> tuple[str, ...]:
    """The names of the class counts of COCO, with keypoints of people; of others, "class 1" and so on."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights as Weights

    if classes == 1 and people:
        return ("person",)
    listed = Weights.COCO_V1.meta["categories"][1:]
    filled = [f"unused {index + 1}" if name == "N/A" else name for index, name in enumerate(listed)]
    real = [name for name in listed if name != "N/A"]
    known = {len(filled): filled, len(real): real}
    return tuple(known.get(classes, numbered(classes)))
