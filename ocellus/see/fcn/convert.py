"""Public checkpoints -> ours: FCNs, and classifiers to begin with; a coarser FCN as a finer one's start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.convolutionalize import convolutionalize
from ocellus.nn.renaming import (
    adjusted,
    check_whole,
    class_labels,
    counted,
    numbered,
    prefixed,
    renamed,
)
from ocellus.nn.resnet import PUBLIC_NAMES, public_depth
from ocellus.nn.upsampling import bilinear_kernel
from ocellus.nn.vgg import BLOCKS as VGGS
from ocellus.nn.vgg import public_names
from ocellus.see.fcn.config import PREPROCESSING, RGB_MEAN, RGB_STD, Config
from ocellus.see.fcn.model import COARSEST, FCN, build

__all__ = ["begin_state", "convolutionalize", "import_state"]

PYTORCH_FCN = (
    (r"conv(\d)_(\d)\.", r"backbone.stages.{0-1}.{1-1}."),
    (r"fc(\d)\.", r"head.fc{0}."),
    (r"score_fr\.", r"score."),
    (r"score_pool(\d)\.", r"score_pool{0}."),
    (r"upscore2\.", r"upsample_score."),
    (r"upscore_pool4\.", r"upsample_pool4."),
    (r"upscore(?:8|16)?\.", r"upsample_full."),
)
"""A name's beginning in pytorch-fcn, and ours; {0-1} is the first number less one."""

RESIDUAL = (
    *prefixed(PUBLIC_NAMES, r"(?:backbone\.)?"),
    (r"classifier\.0\.", r"head.conv.conv."),
    (r"classifier\.1\.", r"head.conv.norm."),
    (r"classifier\.4\.", r"score."),
    (r"aux_classifier\.0\.", r"auxiliary_head.conv.conv."),
    (r"aux_classifier\.1\.", r"auxiliary_head.conv.norm."),
    (r"aux_classifier\.4\.", r"auxiliary_score."),
    (r"fc\.", r"score."),
)
"""The same for torchvision's FCNs on ResNets and its ResNet classifiers."""

VGG_HEAD = (
    (r"classifier\.0\.", r"head.fc6."),
    (r"classifier\.3\.", r"head.fc7."),
    (r"classifier\.6\.", r"score."),
)
"""The same for the linear layers of torchvision's VGG classifiers."""

KERNEL = 7  # rows and columns of the features that fc6 looks at


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    pytorch-fcn's FCN-32s, 16s and 8s; torchvision's fcn_resnet50 and 101; and torchvision's VGG and ResNet
    classifiers, made fully convolutional as FCN-32s, to begin a training with.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: class names, where they are not those of PASCAL VOC or ImageNet.
        adjust: fields of Config that the tensors cannot tell: at_once for weights that were trained so, norm,
            channel_order, mean and std of a VGG from Caffe.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the names are of none of these, or of a network that this system does not have.
    """
    if "conv1_1.weight" in state and "score_fr.weight" in state:
        config, ours = _pytorch_fcn(state)
    elif "features.0.weight" in state and "classifier.6.weight" in state:
        config, ours = _vgg(state)
    elif {"conv1.weight", "backbone.conv1.weight"} & set(state):
        config, ours = _residual(state)
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are neither pytorch-fcn's nor those "
            "of torchvision's FCN, VGG or ResNet; only those are known"
        )
    config = adjusted(config, adjust)
    ours = counted(ours, norm=config.norm)
    check_whole(ours, build, config)
    return config, ours, class_labels(names, classes=config.classes, known=_known_names)


def begin_state(network: FCN, other: nn.Module) -> dict[str, Tensor]:
    """Weights of another stride, or of a classifier, as the beginning of a network (section 4.2).

    What the finer network has beside them keeps its own beginning: scores of zero and bilinear upsamplings.
    So it first answers as the coarser one does.

    Args:
        network: to be trained.
        other: whose weights it begins with; of the same backbone. A network of see/classifier is made fully
            convolutional, as FCN-32s.

    Returns:
        A state of all of the network's entries; those of another number of classes have the shape they had.

    Raises:
        OcellusError: another backbone, pictures prepared in another way, or scores of a pool that is scaled
            in the one and not in the other. Exit code 2.
    """
    other = other if isinstance(other, FCN) else of_classifier(other)
    ours, theirs = network.config, other.config
    for field in ("backbone", "depth", "width", "channels", "dilated", "head_channels"):
        given, wanted = getattr(theirs, field), getattr(ours, field)
        same = given == wanted or (field == "head_channels" and ours.backbone != "vgg" and not ours.dilated)
        if not same and not (
            field == "depth" and {given, wanted} <= {0, 16 if ours.backbone == "vgg" else 50}
        ):
            flag = field.replace("_", "-")
            raise OcellusError(
                f"the weights to begin with are of a network with {field} {given}, not {wanted}: give "
                f"--{flag} {given}, or other weights",
                exit_code=2,
            )
    for field in PREPROCESSING[-3:]:
        if getattr(theirs, field) != getattr(ours, field):
            value = getattr(theirs, field)
            words = " ".join(map(str, value)) if isinstance(value, tuple) else value
            raise OcellusError(
                f"the weights to begin with were trained on pictures with {field} {words}: give "
                f"--{field.replace('_', '-')} {words} too",
                exit_code=2,
            )
    if None not in (network.score_pool4, other.score_pool4) and ours.at_once != theirs.at_once:
        flags = ("--no-at-once", "--at-once")
        raise OcellusError(
            f"the weights to begin with were trained with {flags[theirs.at_once]}, and their scores of pool4 "
            f"fit that alone: give {flags[theirs.at_once]} too",
            exit_code=2,
        )
    given_state = other.state_dict()
    fresh = ("upsample_full.", "auxiliary_")
    state = {}
    for name, tensor in network.state_dict().items():
        keep = name not in given_state or (name.startswith(fresh) and given_state[name].shape != tensor.shape)
        state[name] = tensor if keep else given_state[name]
        if name.startswith("score_pool") and name not in given_state:
            state[name] = torch.zeros_like(tensor)
    return state


def of_classifier(classifier: nn.Module) -> FCN:
    """A network of see/classifier as FCN-32s: its linear layers are convolutions (section 3.1).

    Args:
        classifier: a vgg, a resnet or a small one, of stride 32.

    Raises:
        OcellusError: another. Exit code 2.
    """
    given: Any = classifier.config
    kind = given.architecture
    if kind not in ("vgg", "resnet", "small") or given.stride != COARSEST:
        raise OcellusError(
            f"an FCN begins with a vgg, a resnet or a small classifier of stride {COARSEST}, not with {kind} "
            f"of stride {given.stride}: give other weights",
            exit_code=2,
        )
    ours = {name: tensor for name, tensor in classifier.state_dict().items() if name.startswith("backbone.")}
    for name, tensor in classifier.state_dict().items():
        if name.startswith("head."):
            kernel = KERNEL if name == "head.fc6.weight" else 1
            plain = tensor if tensor.ndim == 1 else tensor.reshape(len(tensor), -1, kernel, kernel)
            ours[name.removeprefix("head.") if name.startswith("head.score.") else name] = plain
    if kind == "vgg":
        ours["upsample_full.weight"] = bilinear_kernel(COARSEST)[None, None]
        config = _vgg_config(ours, stride=COARSEST)
    else:
        first = ours["backbone.stem.conv.weight" if kind == "resnet" else "backbone.stem.weight"]
        config = Config(
            classes=len(ours["score.weight"]),
            channels=first.shape[1],
            stride=COARSEST,
            backbone=kind,
            depth=public_depth(ours) if kind == "resnet" else 0,
            width=len(first),
            norm=given.norm,
            norm_eps=given.norm_eps,
            at_once=False,
        )
    mean, std = (tuple(value / given.scale for value in values) for values in (given.mean, given.std))
    network = build(replace(config, channel_order=given.channel_order, mean=mean, std=std))
    network.load_state_dict(ours)
    return network.train(classifier.training)


def _pytorch_fcn(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    ours = renamed(state, PYTORCH_FCN, network="pytorch-fcn's FCN on VGG-16")
    stride = 8 if "score_pool3.weight" in ours else 16 if "score_pool4.weight" in ours else 32
    config = _vgg_config(ours, stride=stride)
    if "upsample_full.weight" not in ours:
        raise OcellusError("the checkpoint has no last upsampling (upscore); it is not a whole FCN")
    kernel = ours["upsample_full.weight"]
    bilinear = bilinear_kernel(stride)
    plain = torch.eye(config.classes)[:, :, None, None] * bilinear
    if kernel.shape == plain.shape and torch.allclose(kernel.float(), plain, atol=1e-4):
        ours["upsample_full.weight"] = bilinear[None, None]
    else:
        config = replace(config, mixed=True)
    return config, ours


def _vgg(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    ours = renamed(state, (*public_names(state), *VGG_HEAD), network="torchvision's VGG")
    for name in ("head.fc6.weight", "head.fc7.weight", "score.weight"):
        kernel = KERNEL if name == "head.fc6.weight" else 1
        if name not in ours or ours[name].shape[1] % kernel**2:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole VGG")
        ours[name] = ours[name].reshape(
            len(ours[name]), -1, kernel, kernel
        )  # a linear layer as a convolution
    ours["upsample_full.weight"] = bilinear_kernel(32)[None, None]
    config = _vgg_config(ours, stride=32)
    return replace(config, channel_order="RGB", mean=RGB_MEAN, std=RGB_STD), ours


def _vgg_config(ours: Mapping[str, Tensor], *, stride: int) -> Config:
    places = {tuple(name.split(".")[2:4]) for name in ours if name.startswith("backbone.stages.")}
    counts = tuple(sum(stage == str(index) for stage, _ in places) for index in range(5))
    depths = [depth for depth, blocks in VGGS.items() if blocks == counts]
    needed = ("backbone.stages.0.0.weight", "head.fc6.weight", "score.weight")
    if missing := [name for name in needed if name not in ours]:
        raise OcellusError(
            f"the checkpoint has nothing that could be {missing[0]}; it is not a whole network"
        )
    if not depths:
        raise OcellusError(
            f"the checkpoint's VGG has stages of {counts} convolutions; known are depths 11 to 19"
        )
    first = ours["backbone.stages.0.0.weight"]
    return Config(
        classes=len(ours["score.weight"]),
        channels=first.shape[1],
        stride=stride,
        depth=depths[0],
        width=len(first),
        head_channels=len(ours["head.fc6.weight"]),
        at_once=False,
    )


def _residual(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    ours = renamed(state, RESIDUAL, network="torchvision's FCN or ResNet")
    depth = public_depth(ours)
    for name in ("score.weight", "backbone.stem.conv.weight"):
        if name not in ours:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole network")
    dilated = "head.conv.conv.weight" in ours
    if not dilated:
        ours["score.weight"] = ours["score.weight"][:, :, None, None]  # the classifier's, as a convolution
    stem = ours["backbone.stem.conv.weight"]
    config = Config(
        classes=len(ours["score.weight"]),
        channels=stem.shape[1],
        stride=8 if dilated else 32,
        backbone="resnet",
        depth=depth,
        width=len(stem),
        head_channels=len(ours["head.conv.conv.weight"]) if dilated else Config.head_channels,
        dropout=0.1,
        at_once=False,
        dilated=dilated,
        auxiliary="auxiliary_score.weight" in ours,
        channel_order="RGB",
        mean=RGB_MEAN,
        std=RGB_STD,
    )
    return config, ours


def _known_names(classes: int) -> tuple[str, ...]:
    """Those of PASCAL VOC and of ImageNet by their number; of others, "class 1" and so on."""
    from torchvision.models import VGG16_Weights
    from torchvision.models.segmentation import FCN_ResNet50_Weights

    voc = FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
    listed = {21: ["background", *voc[1:]], 1000: VGG16_Weights.IMAGENET1K_V1.meta["categories"]}
    found = listed.get(classes, numbered(classes))
    # ImageNet has two cranes and two maillots.
    return tuple(name if name not in found[:index] else f"{name} 2" for index, name in enumerate(found))
