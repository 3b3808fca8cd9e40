"""Public checkpoints of Mask R-CNN, Faster R-CNN and Keypoint R-CNN: their names and conventions -> ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.resnet import BLOCKS
from ocellus.see.mask_rcnn.config import Config
from ocellus.see.mask_rcnn.model import BOX_SIZE, build

TORCHVISION = (
    (r"backbone\.body\.conv1\.", r"backbone.stem.conv."),
    (r"backbone\.body\.bn1\.", r"backbone.stem.norm."),
    (r"backbone\.body\.layer(\d)\.(\d+)\.conv(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.conv."),
    (r"backbone\.body\.layer(\d)\.(\d+)\.bn(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.norm."),
    (r"backbone\.body\.layer(\d)\.(\d+)\.downsample\.0\.", r"backbone.stages.{0-1}.{1}.shortcut.conv."),
    (r"backbone\.body\.layer(\d)\.(\d+)\.downsample\.1\.", r"backbone.stages.{0-1}.{1}.shortcut.norm."),
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
"""A torchvision name's beginning and ours; {0-1} is the first number less one, {0/2} half of it."""

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
    if any(name.startswith("backbone.body.") for name in state):
        renamed = renamed_by(state, TORCHVISION)
        config = _torchvision_config(state, renamed)
        renamed = _without_background(renamed, config)
    elif any(name.startswith("backbone.bottom_up.") for name in state):
        renamed = renamed_by(state, DETECTRON2)
        config = _detectron2_config(renamed)
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are neither torchvision's nor "
            "detectron2's for an R-CNN on ResNet + FPN; only those are known"
        )
    config = _adjusted(config, adjust or {})
    width = renamed["box.linear1.weight"]
    # Ours reads pooled features by row, column, channel; theirs by channel, row, column.
    ordered = width.unflatten(1, (-1, BOX_SIZE, BOX_SIZE)).permute(0, 2, 3, 1).flatten(1)  # type: ignore[no-untyped-call]
    renamed["box.linear1.weight"] = ordered.contiguous()
    if config.norm == "batch":  # asked for, to train on with live norms
        norms = [name.removesuffix("running_var") for name in renamed if name.endswith("running_var")]
        renamed |= {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}
    _check(renamed, config)
    return config, renamed, _labels(config, tuple(names))


def renamed_by(state: Mapping[str, Tensor], rules: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors under our names.

    Args:
        state: the checkpoint's.
        rules: TORCHVISION or DETECTRON2.

    Raises:
        OcellusError: a name that no rule knows.
    """
    patterns = [(re.compile(pattern), target) for pattern, target in rules]
    renamed = {}
    for name, tensor in state.items():
        if IGNORED.search(name):
            continue
        for pattern, target in patterns:
            if found := pattern.match(name):
                renamed[_filled(target, found.groups()) + name[found.end() :]] = tensor
                break
        else:
            raise OcellusError(
                f"the checkpoint holds {name}, which an R-CNN on ResNet + FPN with two linear layers in the "
                "box branch does not have; networks of other heads or norms cannot be imported"
            )
    return renamed


def _filled(target: str, groups: tuple[str, ...]) -> str:
    def value(found: re.Match[str]) -> str:
        group, operator, number = groups[int(found[1])], found[2], found[3]
        if operator == "-":
            return str(int(group) - int(number))
        return str(int(group) // int(number)) if operator == "/" else group

    return re.sub(r"\{(\d)([-/]?)(\d?)\}", value, target)


def _shape_config(state: Mapping[str, Tensor]) -> Config:
    """What the shapes of renamed tensors tell."""
    needed = ("backbone.stem.conv.weight", "pyramid.lateral.0.weight", "proposer.score.weight",
              "box.score.weight", "box.linear1.weight")  # fmt: skip
    for name in needed:
        if name not in state:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole R-CNN")
    counts = tuple(
        1 + max(int(name.split(".")[3]) for name in state if name.startswith(f"backbone.stages.{stage}."))
        for stage in range(4)
    )
    deep = "backbone.stages.0.0.conv3.conv.weight" in state
    depths = [depth for depth, blocks in BLOCKS.items() if blocks == counts and (depth >= 50) == deep]
    if not depths:
        raise OcellusError(
            f"the checkpoint's ResNet has stages of {counts} blocks; known are depths 18 to 101"
        )
    classes = len(state["box.score.weight"]) - 1
    masks, points = state.get("mask.score.weight"), state.get("keypoint.score.weight")
    return Config(
        classes=classes,
        depth=depths[0],
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


def _torchvision_config(state: Mapping[str, Tensor], renamed: Mapping[str, Tensor]) -> Config:
    config = _shape_config(renamed)
    # The published COCO_V1 weights are run with eps 0, and were saved without counters. Others: eps 1e-5.
    tracked = any(name.endswith("num_batches_tracked") for name in state)
    published = not tracked and (config.classes == 90 or config.keypoints == 17)
    return replace(config, norm_eps=0.0 if published else 1e-5)


def _detectron2_config(renamed: Mapping[str, Tensor]) -> Config:
    return replace(
        _shape_config(renamed),
        stride_in_1x1="backbone.stages.0.0.conv3.conv.weight" in renamed,
        whole_anchors=False,
        aligned=True,
        sampling_ratio=0,
        background_last=True,
        channel_order="BGR",
        mean=(103.53 / 255, 116.28 / 255, 123.675 / 255),
        std=(1 / 255, 1 / 255, 1 / 255),
    )


def _without_background(renamed: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    surplus = {"box.delta.": 4, "mask.score.": 1 if config.mask_per_class else 0}
    return {
        name: tensor[next((count for start, count in surplus.items() if name.startswith(start)), 0) :]
        if tensor.ndim
        else tensor
        for name, tensor in renamed.items()
    }


def _adjusted(config: Config, adjust: Mapping[str, Any]) -> Config:
    known = {field.name for field in fields(Config)}
    if unknown := sorted(set(adjust) - known):
        raise OcellusError(
            f"there is no setting {', '.join(unknown)}; known are {', '.join(sorted(known))}", exit_code=2
        )
    return replace(config, **adjust)


def _check(state: Mapping[str, Tensor], config: Config) -> None:
    with torch.device("meta"):  # shapes alone
        wanted = build(config).state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole R-CNN")
        if state[name].shape != tensor.shape:
            raise OcellusError(
                f"{name} has the shape {tuple(state[name].shape)}, {tuple(tensor.shape)} is wanted; networks "
                "with grouped convolutions (ResNeXt) or other anchors cannot be imported"
            )
    if surplus := [name for name in state if name not in wanted]:
        raise OcellusError(f"the checkpoint holds {surplus[0]} too, which this network does not have")


def _labels(config: Config, names: tuple[str, ...]) -> LabelMap:
    names = names or _coco_names(config)
    if len(names) != config.classes:
        raise OcellusError(
            f"{len(names)} class names for a checkpoint of {config.classes} classes; give one each",
            exit_code=2,
        )
    return LabelMap(names)


def _coco_names(config: Config) -> tuple[str, ...]:
    """The names of the class counts of COCO; of others, "class 1" and so on."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights as Weights

    if config.classes == 1 and config.keypoints:
        return ("person",)
    listed = Weights.COCO_V1.meta["categories"][1:]
    numbered = [f"unused {index + 1}" if name == "N/A" else name for index, name in enumerate(listed)]
    real = [name for name in listed if name != "N/A"]
    known = {len(numbered): numbered, len(real): real}
    return tuple(known.get(config.classes, [f"class {index + 1}" for index in range(config.classes)]))
