"""Public checkpoints -> ours: torchvision's VGGs, ResNets and SqueezeNets, CIFAR ResNets, DoodleNet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn import squeezenet, vgg
from ocellus.nn.cifar_resnet import DEPTHS
from ocellus.nn.renaming import adjusted, check_whole, class_labels, counted, numbered, renamed
from ocellus.nn.resnet import PUBLIC_NAMES, public_depth
from ocellus.see.classifier.config import Config
from ocellus.see.classifier.model import build
from ocellus.training.beginning import for_channels

Found = tuple[Config, dict[str, Tensor]]

VGG_HEAD = (
    (r"classifier\.0\.", r"head.fc6."),
    (r"classifier\.3\.", r"head.fc7."),
    (r"classifier\.6\.", r"head.score."),
)
DOODLENET = (
    (r"conv([12])\.", r"backbone.stages.0.{0-1}."),
    (r"conv([34])\.", r"backbone.stages.1.{0-3}."),
    (r"conv([56])\.", r"backbone.stages.2.{0-5}."),
    (r"fc1\.", r"head.fc1."),
    (r"fc2\.", r"head.score."),
)

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CAFFE: dict[str, Any] = {
    "crop": 227,
    "channel_order": "BGR",
    "scale": 255.0,
    "mean": (104.0, 117.0, 123.0),
    "std": (1.0,),
}
"""How the authors of SqueezeNet prepared pictures."""

KNOWN = {"1a619ce66577d21d": CAFFE}
"""Published weights whose tensors are named and shaped as torchvision's, but which want pictures prepared in
another way, by a digest of the first convolution."""


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    torchvision's VGGs without batch normalization, ResNets and SqueezeNets; the authors' SqueezeNet 1.0 under
    torchvision's names; ResNets for CIFAR with shortcuts of type A; DoodleNet.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: class names, where they are not those of ImageNet or CIFAR-10.
        adjust: fields of Config that the tensors cannot tell: short_side, crop, channel_order, scale, mean
            and std of weights that were trained with others than torchvision's.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the names are of none of these, or of a network that this system does not have.
    """
    reader = next((read for marks, read in READERS if all(mark in state for mark in marks)), None)
    if reader is None:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of torchvision's VGG, "
            "ResNet or SqueezeNet, of a ResNet for CIFAR, or of DoodleNet; only those are known"
        )
    config, ours = reader(state)
    config = adjusted(replace(config, **for_channels(config)), adjust)
    ours = counted(ours, norm=config.norm)
    check_whole(ours, build, config)
    known = partial(_known_names, config.architecture)
    return config, ours, class_labels(names, classes=config.classes, known=known)


def _vgg(state: Mapping[str, Tensor]) -> Found:
    ours = renamed(state, (*vgg.public_names(state), *VGG_HEAD), network="torchvision's VGG")
    places = {tuple(name.split(".")[2:4]) for name in ours if name.startswith("backbone.stages.")}
    counts = tuple(sum(stage == str(index) for stage, _ in places) for index in range(5))
    depths = [depth for depth, blocks in vgg.BLOCKS.items() if blocks == counts]
    if not depths or "head.fc6.weight" not in ours:
        raise OcellusError(
            f"the checkpoint's VGG has stages of {counts} convolutions and {'a' if depths else 'perhaps no'} "
            "head; known are whole ones of depths 11 to 19"
        )
    first = ours["backbone.stages.0.0.weight"]
    return Config(
        classes=len(ours["head.score.weight"]),
        channels=first.shape[1],
        architecture="vgg",
        depth=depths[0],
        width=len(first),
        head_channels=len(ours["head.fc6.weight"]),
        dropout=0.5,
    ), ours


def _resnet(state: Mapping[str, Tensor]) -> Found:
    ours = renamed(state, (*PUBLIC_NAMES, (r"fc\.", r"head.score.")), network="torchvision's ResNet")
    stem = ours["backbone.stem.conv.weight"]
    return Config(
        classes=len(ours["head.score.weight"]),
        channels=stem.shape[1],
        depth=public_depth(ours),
        width=len(stem),
    ), ours


def _cifar_resnet(state: Mapping[str, Tensor]) -> Found:
    rules = (*PUBLIC_NAMES, (r"linear\.", r"head.score."))
    ours = renamed(state, rules, network="a ResNet for CIFAR with shortcuts of type A")
    counts = tuple(
        len({name.split(".")[3] for name in ours if name.startswith(f"backbone.stages.{stage}.")})
        for stage in range(3)
    )
    depth = 6 * counts[0] + 2
    if len(set(counts)) > 1 or depth not in DEPTHS:
        raise OcellusError(
            f"the checkpoint's ResNet has stages of {counts} blocks; known are depths "
            f"{', '.join(map(str, DEPTHS))}"
        )
    stem = ours["backbone.stem.conv.weight"]
    return Config(
        classes=len(ours["head.score.weight"]),
        channels=stem.shape[1],
        architecture="cifar_resnet",
        depth=depth,
        width=len(stem),
        short_side=32,
        crop=32,
    ), ours


def _squeezenet(state: Mapping[str, Tensor]) -> Found:
    first = state["features.0.weight"]
    version = "1.0" if first.shape[-1] == squeezenet.VERSIONS["1.0"].kernel else "1.1"
    rules = (*squeezenet.public_names(version), (r"classifier\.1\.", r"head.score."))
    ours = renamed(state, rules, network=f"torchvision's SqueezeNet {version}")
    config = Config(
        classes=len(ours["head.score.weight"]),
        channels=first.shape[1],
        architecture=f"squeezenet{version.replace('.', '_')}",
        dropout=0.5,
    )
    return replace(config, **KNOWN.get(digest(first), {})), ours


def _doodlenet(state: Mapping[str, Tensor]) -> Found:
    ours = renamed(state, DOODLENET, network="DoodleNet")
    first = ours["backbone.stages.0.0.weight"]
    return Config(
        classes=len(ours["head.score.weight"]),
        channels=first.shape[1],
        architecture="doodlenet",
        width=len(first),
        head_channels=len(ours["head.fc1.weight"]),
        short_side=28,
        crop=28,
        mean=(0.0,),
        std=(1.0,),
    ), ours


READERS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Tensor]], Found]], ...] = (
    (("features.0.weight", "classifier.6.weight"), _vgg),
    (("features.0.weight", "features.3.squeeze.weight", "classifier.1.weight"), _squeezenet),
    (("conv1.weight", "layer1.0.conv1.weight", "fc.weight"), _resnet),
    (("conv1.weight", "layer1.0.conv1.weight", "linear.weight"), _cifar_resnet),
    (("conv1.weight", "conv6.weight", "fc1.weight", "fc2.weight"), _doodlenet),
)
"""The names that tell whose a checkpoint is, and who reads it."""


def digest(tensor: Tensor) -> str:
    """16 hexadecimal digits that tell the numbers of a tensor (...) from all others."""
    if tensor.is_meta:  # shapes alone
        return ""
    values = tensor.detach().float().contiguous().numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def _known_names(architecture: str, classes: int) -> tuple[str, ...]:
    """Those of ImageNet and CIFAR-10; of others, "class 1" and so on."""
    if classes == 1000:
        from torchvision.models import VGG16_Weights

        found = VGG16_Weights.IMAGENET1K_V1.meta["categories"]
        # Older lists of ImageNet's classes have two cranes and two maillots.
        return tuple(name if name not in found[:index] else f"{name} 2" for index, name in enumerate(found))
    return CIFAR10 if architecture == "cifar_resnet" and classes == len(CIFAR10) else numbered(classes)
