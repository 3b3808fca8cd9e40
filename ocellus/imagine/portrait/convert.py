"""A public SqueezeNet classifier as the beginning of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.portrait.config import PAPER, Config
from ocellus.imagine.portrait.model import build
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, class_labels
from ocellus.see import classifier
from ocellus.training.beginning import seeded


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """SqueezeNet 1.0 under torchvision's names as the encoder; the decoder is fresh.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: class names; none: background and person.
        adjust: fields of Config that the tensors cannot tell.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the checkpoint is of another network.
    """
    known, theirs, _ = classifier.import_state(state)
    if known.architecture != "squeezenet1_0":
        raise OcellusError(
            f"the checkpoint is of {known.architecture}; this encoder can begin with SqueezeNet 1.0 alone"
        )
    config = replace(
        PAPER,
        backbone="squeezenet1_0",
        classes=len(tuple(names)) or 2,
        channels=known.channels,
        channel_order=known.channel_order,
        mean=tuple(value / known.scale for value in known.mean),
        std=tuple(value / known.scale for value in known.std),
    )
    config = adjusted(config, adjust)
    fresh = seeded(build, config, seed=0).state_dict()
    ours = fresh | {name: tensor for name, tensor in theirs.items() if name.startswith("backbone.")}
    check_whole(ours, build, config)
    return config, ours, class_labels(names, classes=config.classes, known=lambda _: ("background", "person"))
