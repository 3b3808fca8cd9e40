"""Public checkpoints -> ours: PSPNets of semseg, and ResNet classifiers to begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.renaming import renamed
from ocellus.nn.resnet import BLOCKS
from ocellus.see.pspnet.config import Config
from ocellus.see.pspnet.model import build

RESIDUAL = (
    (r"layer([1-4])\.(\d+)\.conv(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.conv."),
    (r"layer([1-4])\.(\d+)\.bn(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.norm."),
    (r"layer([1-4])\.(\d+)\.downsample\.0\.", r"backbone.stages.{0-1}.{1}.shortcut.conv."),
    (r"layer([1-4])\.(\d+)\.downsample\.1\.", r"backbone.stages.{0-1}.{1}.shortcut.norm."),
)
"""A name's beginning in torchvision's ResNets, and ours; {0-1} is the first number less one."""

SEMSEG = (
    (r"layer0\.0\.", r"backbone.stem.0.conv."),
    (r"layer0\.1\.", r"backbone.stem.0.norm."),
    (r"layer0\.3\.", r"backbone.stem.2.conv."),
    (r"layer0\.4\.", r"backbone.stem.2.norm."),
    (r"layer0\.6\.", r"backbone.stem.4.conv."),
    (r"layer0\.7\.", r"backbone.stem.4.norm."),
    *RESIDUAL,
    (r"ppm\.features\.(\d)\.1\.", r"pyramid.reduce.{0}.conv."),
    (r"ppm\.features\.(\d)\.2\.", r"pyramid.reduce.{0}.norm."),
    (r"cls\.0\.", r"fusion.whole."),
    (r"cls\.1\.", r"fusion.norm."),
    (r"cls\.4\.", r"score."),
    (r"aux\.0\.", r"auxiliary.conv.conv."),
    (r"aux\.1\.", r"auxiliary.conv.norm."),
    (r"aux\.4\.", r"auxiliary.score."),
)
"""The same for semseg's PSPNets."""

SINGLE_STEM = ((r"conv1\.", r"backbone.stem.conv."), (r"bn1\.", r"backbone.stem.norm."), *RESIDUAL)
"""The same for a ResNet classifier of torchvision's."""

DEEP_STEM = (
    (r"conv1\.", r"backbone.stem.0.conv."),
    (r"bn1\.", r"backbone.stem.0.norm."),
    (r"conv2\.", r"backbone.stem.2.conv."),
    (r"bn2\.", r"backbone.stem.2.norm."),
    (r"conv3\.", r"backbone.stem.4.conv."),
    (r"bn3\.", r"backbone.stem.4.norm."),
    *RESIDUAL,
)
"""The same for one with three convolutions in its stem, which semseg begins with."""


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    semseg's PSPNets; and ResNet classifiers, torchvision's or with semseg's deep stem, to begin a training
    with: all but the backbone is fresh then.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: class names.
        adjust: fields of Config that the tensors cannot tell: bins and stride, norm, norm_eps, channel_order,
            mean and std, and for classifiers head_channels and auxiliary.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the names are of none of these, or of a network that this system does not have.
    """
    names = tuple(names)
    known = {field.name for field in fields(Config)}
    if unknown := sorted(set(adjust or {}) - known):
        raise OcellusError(
            f"there is no setting {', '.join(unknown)}; known are {', '.join(sorted(known))}", exit_code=2
        )
    if "cls.4.weight" in state and "layer0.0.weight" in state:
        config, ours = _semseg(state)
        config = replace(config, **(adjust or {}))
    elif "conv1.weight" in state and "layer1.0.conv1.weight" in state:
        config, ours = _classifier(state, classes=len(names) or 2)
        config = replace(config, **(adjust or {}))
        ours = _fresh(config) | ours
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are neither those of semseg's "
            "PSPNet nor those of a ResNet classifier; only those are known"
        )
    ours = _counted(ours, norm=config.norm)
    _check(ours, config)
    names = names or tuple(f"class {index + 1}" for index in range(config.classes))
    if len(names) != config.classes:
        raise OcellusError(
            f"{len(names)} class names for a checkpoint of {config.classes} classes; give one each",
            exit_code=2,
        )
    return config, ours, LabelMap(names)


def _semseg(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    ours = renamed(state, SEMSEG, network="semseg's PSPNet")
    config = _backbone(ours)
    levels = len([name for name in ours if name.startswith("pyramid.") and name.endswith("conv.weight")])
    whole = ours.pop("fusion.whole.weight", None)
    if whole is None or not levels:
        raise OcellusError("the checkpoint has no pyramid, or no 3x3 convolution over it; it is not whole")
    if levels != len(Config.bins):
        raise OcellusError(
            f"the checkpoint's pyramid has {levels} levels; known is semseg's of {len(Config.bins)}"
        )
    # Features first, then the levels; ours are convolutions of their own.
    part = len(ours["pyramid.reduce.0.conv.weight"])
    ours["fusion.direct.weight"] = whole[:, : whole.shape[1] - levels * part].contiguous()
    for level in range(levels):
        begin = whole.shape[1] - (levels - level) * part
        ours[f"fusion.levels.{level}.weight"] = whole[:, begin : begin + part].contiguous()
    auxiliary = "auxiliary.score.weight" in ours
    return replace(
        config, classes=len(ours["score.weight"]), head_channels=len(whole), auxiliary=auxiliary
    ), ours


def _classifier(state: Mapping[str, Tensor], *, classes: int) -> tuple[Config, dict[str, Tensor]]:
    features = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    deep = "conv2.weight" in features
    ours = renamed(features, DEEP_STEM if deep else SINGLE_STEM, network="a ResNet classifier")
    # The weights were learned without dilation: only where they look as before do they see the same.
    return replace(_backbone(ours), classes=classes, dilate_first=False), ours


def _backbone(ours: Mapping[str, Tensor]) -> Config:
    """What renamed tensors tell of the ResNet."""
    counts = tuple(
        len({name.split(".")[3] for name in ours if name.startswith(f"backbone.stages.{stage}.")})
        for stage in range(4)
    )
    bottlenecks = "backbone.stages.0.0.conv3.conv.weight" in ours
    depths = [depth for depth, blocks in BLOCKS.items() if blocks == counts and (depth >= 50) == bottlenecks]
    deep = "backbone.stem.0.conv.weight" in ours
    stem = ours.get("backbone.stem.0.conv.weight" if deep else "backbone.stem.conv.weight")
    if not depths or stem is None:
        raise OcellusError(
            f"the checkpoint's ResNet has stages of {counts} blocks; known are depths "
            f"{', '.join(map(str, BLOCKS))}"
        )
    return Config(channels=stem.shape[1], depth=depths[0], width=len(stem), deep_stem=deep)


def _fresh(config: Config) -> dict[str, Tensor]:
    """The beginnings of all that a classifier does not have."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build(config).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.startswith("backbone.")}


def _counted(state: Mapping[str, Tensor], *, norm: str) -> dict[str, Tensor]:
    """With a counter for each live norm, and none for others."""
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    if norm == "batch":
        norms = [name.removesuffix("running_var") for name in kept if name.endswith("running_var")]
        counters = {f"{name}num_batches_tracked": torch.tensor(0) for name in norms}
        kept |= {name: state.get(name, zero) for name, zero in counters.items()}
    return kept


def _check(state: Mapping[str, Tensor], config: Config) -> None:
    with torch.device("meta"):  # shapes alone
        wanted = build(config).state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise OcellusError(f"the checkpoint has nothing that could be {name}; it is not a whole network")
        if state[name].shape != tensor.shape:
            raise OcellusError(
                f"{name} has the shape {tuple(state[name].shape)}, {tuple(tensor.shape)} is wanted; networks "
                "with grouped convolutions (ResNeXt) or wider ones cannot be imported"
            )
    if surplus := [name for name in state if name not in wanted]:
        raise OcellusError(f"the checkpoint holds {surplus[0]} too, which this network does not have")
