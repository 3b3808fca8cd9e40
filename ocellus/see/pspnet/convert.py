"""Public checkpoints -> ours: PSPNets of semseg, and ResNet classifiers to begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, class_labels, counted, numbered, renamed
from ocellus.nn.resnet import PUBLIC_NAMES, public_depth
from ocellus.see.pspnet.config import Config
from ocellus.see.pspnet.model import build
from ocellus.training.beginning import seeded

SEMSEG = (
    (r"layer0\.0\.", r"backbone.stem.0.conv."),
    (r"layer0\.1\.", r"backbone.stem.0.norm."),
    (r"layer0\.3\.", r"backbone.stem.2.conv."),
    (r"layer0\.4\.", r"backbone.stem.2.norm."),
    (r"layer0\.6\.", r"backbone.stem.4.conv."),
    (r"layer0\.7\.", r"backbone.stem.4.norm."),
    *PUBLIC_NAMES[2:],
    (r"ppm\.features\.(\d)\.1\.", r"pyramid.reduce.{0}.conv."),
    (r"ppm\.features\.(\d)\.2\.", r"pyramid.reduce.{0}.norm."),
    (r"cls\.0\.", r"fusion.whole."),
    (r"cls\.1\.", r"fusion.norm."),
    (r"cls\.4\.", r"score."),
    (r"aux\.0\.", r"auxiliary.conv.conv."),
    (r"aux\.1\.", r"auxiliary.conv.norm."),
    (r"aux\.4\.", r"auxiliary.score."),
)
"""A name's beginning in semseg's PSPNets, and ours, as `ocellus.nn.renaming` takes them."""

DEEP_STEM = (
    (r"conv1\.", r"backbone.stem.0.conv."),
    (r"bn1\.", r"backbone.stem.0.norm."),
    (r"conv2\.", r"backbone.stem.2.conv."),
    (r"bn2\.", r"backbone.stem.2.norm."),
    (r"conv3\.", r"backbone.stem.4.conv."),
    (r"bn3\.", r"backbone.stem.4.norm."),
    *PUBLIC_NAMES[2:],
)
"""The same for a ResNet classifier with three convolutions in its stem, which semseg begins with."""


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
    if "cls.4.weight" in state and "layer0.0.weight" in state:
        config, ours = _semseg(state)
        config = adjusted(config, adjust)
    elif "conv1.weight" in state and "layer1.0.conv1.weight" in state:
        config, ours = _classifier(state, classes=len(names) or 2)
        config = adjusted(config, adjust)
        ours = _fresh(config) | ours
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are neither those of semseg's "
            "PSPNet nor those of a ResNet classifier; only those are known"
        )
    ours = counted(ours, norm=config.norm)
    check_whole(ours, build, config)
    return config, ours, class_labels(names, classes=config.classes, known=numbered)


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
    ours = renamed(features, DEEP_STEM if deep else PUBLIC_NAMES, network="a ResNet classifier")
    # The weights were learned without dilation: only where they look as before do they see the same.
    return replace(_backbone(ours), classes=classes, dilate_first=False), ours


def _backbone(ours: Mapping[str, Tensor]) -> Config:
    """What renamed tensors tell of the ResNet."""
    depth = public_depth(ours)
    deep = "backbone.stem.0.conv.weight" in ours
    stem = ours.get("backbone.stem.0.conv.weight" if deep else "backbone.stem.conv.weight")
    if stem is None:
        raise OcellusError("the checkpoint has no stem (conv1); it is not a whole ResNet")
    return Config(channels=stem.shape[1], depth=depth, width=len(stem), deep_stem=deep)


def _fresh(config: Config) -> dict[str, Tensor]:
    """The beginnings of all that a classifier does not have."""
    state = seeded(build, config, seed=0).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.startswith("backbone.")}
