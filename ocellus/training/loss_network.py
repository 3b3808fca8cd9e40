"""Frozen features of a classifier, to measure pictures with: what a perceptual loss looks at.

The classifier is a weights file of `see/classifier`: torchvision's VGG-16 or 19 after `ocellus import
see/classifier vgg16.pth`, SqueezeNet, ResNet, or one that was trained here. "torchvision:vgg16" in its place
has torchvision fetch its weights, once, into torch's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus import weights
from ocellus.errors import OcellusError
from ocellus.nn.squeezenet import SqueezeNet
from ocellus.nn.vgg import VGG

SYSTEM = "see/classifier"
PUBLISHED = "torchvision:"


class LossNetwork:
    """Features of pictures at some layers of a classifier whose weights never change.

    It is no module, so that a recipe which holds it does not keep its weights in every checkpoint, nor train
    them. It follows the pictures to their device.

    Layers are called, of VGG, `conv1_1` and `relu1_1` (before and after the ReLU) to `conv5_4` and `relu5_4`;
    of SqueezeNet `relu1` and `fire2` to `fire9`; of others `stage1` and so on, with the strides of
    `see/classifier`.

    Args:
        network: a classifier with `backbone` and `normalize`.
        layers: those whose features are wanted; none: all after a ReLU.
        source: the file it is from, for messages.

    Raises:
        OcellusError: not a classifier, or no layer of that name. Exit code 2.
    """

    def __init__(self, network: nn.Module, *, layers: tuple[str, ...] = (), source: str = "it") -> None:
        if not hasattr(network, "backbone") or not hasattr(network, "normalize"):
            raise OcellusError(
                f"{source} is a {type(network).__name__}; a loss network is a classifier, a weights file of "
                f"{SYSTEM}",
                exit_code=2,
            )
        self.network: Any = network.eval().requires_grad_(False)
        if hasattr(self.network, "head"):
            self.network.head = nn.Identity()  # is not looked at
        self.source = source
        self.names = layer_names(self.network.backbone)
        for name in layers:
            if name not in self.names:
                near = get_close_matches(name, self.names, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise OcellusError(
                    f"{source} has no layer {name!r}: {hint}it has {', '.join(self.names)}", exit_code=2
                )
        self.layers = layers or tuple(name for name in self.names if not name.startswith("conv"))

    @classmethod
    def load(cls, path: Path | str, layers: tuple[str, ...] = ()) -> LossNetwork:
        """The loss network of a weights file.

        Args:
            path: of `see/classifier`; public checkpoints are read by `ocellus import see/classifier FILE`.
                Or "torchvision:" and the name of one of its classifiers.
            layers: those whose features are wanted; none: all.

        Raises:
            OcellusError: the file is missing, damaged or of another system, or has no such layer; torchvision
                has no such classifier, or no network to fetch it from.
        """
        if str(path).startswith(PUBLISHED):
            return cls(published(str(path).removeprefix(PUBLISHED)), layers=layers, source=str(path))
        if Path(path).is_dir():
            raise OcellusError(
                f"{path} is a folder: give the weights file in it, {Path(path) / 'best.safetensors'}"
            )
        if not Path(path).is_file():
            raise OcellusError(
                f"{path} is not there: give the weights file of a classifier; `ocellus import {SYSTEM} "
                f"vgg16.pth` makes one of torchvision's, and {PUBLISHED}vgg16 has it fetch its own"
            )
        network, _ = weights.load(path, system=SYSTEM)
        return cls(network, layers=layers, source=str(path))

    @property
    def channels(self) -> int:
        """Channels of the pictures that it was trained on."""
        return int(self.network.config.channels)

    def features(self, images: Tensor, *, layers: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """Features by layer; gradients go through them to the pictures.

        Args:
            images: (B, C, H, W) in [0, 1]. One channel is repeated where the classifier looks at three.
            layers: some of its layers; none: those it was made for.

        Returns:
            (B, C', h, w) of each layer. Nothing behind the last of them is computed.
        """
        wanted = layers or self.layers
        if self.network.mean.device != images.device:
            self.network.to(images.device)
        if images.shape[1] == 1 < self.channels:
            images = images.expand(-1, self.channels, -1, -1)
        found: dict[str, Tensor] = {}
        for name, features in walk(self.network.backbone, self.network.normalize(images)):
            if name in wanted:
                found[name] = features
                if len(found) == len(set(wanted)):
                    break
        return found

    def embed(self, images: Tensor) -> Tensor:
        """(B, D), the last layer's features averaged over all places: for distances between sets of pictures.

        Args:
            images: (B, C, H, W) in [0, 1].
        """
        last = self.names[-1]
        with torch.no_grad():
            return self.features(images, layers=(last,))[last].float().mean(dim=(2, 3))

    def check_size(self, size: tuple[int, int], *, what: str) -> None:
        """See that pictures are large enough to have features at every layer that is looked at.

        Args:
            size: H, W.
            what: the picture, for the message.

        Raises:
            OcellusError: they are too small.
        """
        blank = torch.zeros(1, self.channels, *size, device=self.network.mean.device)
        try:
            with torch.no_grad():
                found = self.features(blank)
        except RuntimeError:  # a pooling with nothing left to pool
            found = {}
        if len(found) < len(set(self.layers)) or any(not part.numel() for part in found.values()):
            raise OcellusError(
                f"{what} is {size[1]}x{size[0]} pixels, too small for {self.layers[-1]} of {self.source}: "
                "give a larger picture, or earlier layers"
            )


def published(name: str) -> nn.Module:
    """A classifier with the weights that torchvision fetches: from its cache, or from the internet.

    Args:
        name: what torchvision calls it, "vgg16".

    Raises:
        OcellusError: it has none of that name, or that `see/classifier` can be, or it cannot be fetched.
    """
    import torchvision  # takes seconds, and few want it

    try:
        found: Any = torchvision.models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise OcellusError(
            f"torchvision has no classifier {name!r}: try vgg16, vgg19", exit_code=2
        ) from error
    try:
        state = found.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network; a file that is not what it should be
        raise OcellusError(
            f"torchvision's weights of {name} cannot be fetched ({error}): fetch {found.url} elsewhere and "
            f"`ocellus import {SYSTEM} FILE`"
        ) from error
    return weights.of_foreign(SYSTEM, state, source=found.url)


def layer_names(backbone: Any) -> tuple[str, ...]:
    """The names of a backbone's layers, in their order."""
    stages: Any = getattr(backbone, "stages", ())
    if isinstance(backbone, VGG):
        places = [
            f"{stage + 1}_{index + 1}" for stage, convs in enumerate(stages) for index in range(len(convs))
        ]
        return tuple(f"{kind}{place}" for place in places for kind in ("conv", "relu"))
    if isinstance(backbone, SqueezeNet):
        count = sum(len(stage) for stage in stages)
        return ("relu1", *(f"fire{index + 2}" for index in range(count)))
    return tuple(f"stage{index + 1}" for index in range(len(backbone.channels)))


def walk(backbone: Any, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Features of normalized images, (B, C, H, W), one layer after the other under `layer_names`.

    Nothing is overwritten in place, and what is not asked for is not computed.
    """
    if isinstance(backbone, VGG):
        yield from _walk_vgg(backbone, images)
    elif isinstance(backbone, SqueezeNet):
        yield from _walk_squeezenet(backbone, images)
    else:
        yield from zip(layer_names(backbone), backbone(images), strict=True)


def _walk_vgg(backbone: Any, features: Tensor) -> Iterator[tuple[str, Tensor]]:
    for stage, convs in enumerate(backbone.stages):
        if stage:
            features = F.max_pool2d(features, 2, stride=2, ceil_mode=backbone.ceil)
        for index, conv in enumerate(convs):
            features = conv(features)
            yield f"conv{stage + 1}_{index + 1}", features
            features = F.relu(features)
            yield f"relu{stage + 1}_{index + 1}", features


def _walk_squeezenet(backbone: Any, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    features, number = F.relu(backbone.stem(images)), 1
    yield "relu1", features
    for stage in backbone.stages:
        features = F.max_pool2d(features, 3, stride=2, ceil_mode=True)
        for fire in stage:
            features, number = fire(features), number + 1
            yield f"fire{number}", features
