"""Public checkpoints -> ours: the DCGAN of pytorch/examples, its generator and its discriminator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.conditional_gan.config import DCGAN, Config
from ocellus.imagine.conditional_gan.model import build
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, class_labels, renamed

STAGES = 4
"""Doublings of the published networks, from 4 to 64 pixels."""

GENERATOR = (
    (r"main\.0\.", r"first."),
    (r"main\.12\.", r"last."),
    *((rf"main\.{3 * index}\.", f"convs.{index - 1}.") for index in range(1, STAGES)),
    *((rf"main\.{3 * index + 1}\.", f"norms.{index}.") for index in range(STAGES)),
)
DISCRIMINATOR = (
    (r"main\.0\.", r"convs.0."),
    (r"main\.11\.", r"last."),
    *((rf"main\.{3 * index - 1}\.", f"convs.{index}.") for index in range(1, STAGES)),
    *((rf"main\.{3 * index}\.", f"norms.{index}.") for index in range(1, STAGES)),
)


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A generator of pytorch/examples' dcgan as settings and weights of ours.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: what it draws, one name, for it knows no classes; none: "picture".
        adjust: fields of Config that the tensors cannot tell.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and the class names.

    Raises:
        OcellusError: the checkpoint is of another network, or of the discriminator.
    """
    first = published(state)
    if first.shape[-1] != 4 or "main.12.weight" not in state:
        raise OcellusError(
            "the checkpoint is the DCGAN's discriminator, which draws nothing; give the generator's (netG)"
        )
    last = state["main.12.weight"]
    config = settings(noise=first.shape[0], width=last.shape[0], channels=last.shape[1])
    config = adjusted(config, adjust)
    ours = renamed(state, GENERATOR, network="the DCGAN of pytorch/examples")
    check_whole(ours, build, config)
    return config, ours, class_labels(names, classes=1, known=lambda _: ("picture",))


def discriminator_state(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    """The discriminator of pytorch/examples' dcgan: settings, and the state of `build_discriminator(config)`.

    Raises:
        OcellusError: the checkpoint is of another network, or of the generator.
    """
    first = published(state)
    if "main.12.weight" in state:
        raise OcellusError("the checkpoint is the DCGAN's generator; give the discriminator's (netD)")
    config = settings(noise=DCGAN.noise, width=DCGAN.width, channels=first.shape[1])
    ours = renamed(state, DISCRIMINATOR, network="the DCGAN of pytorch/examples")
    return replace(config, discriminator_width=first.shape[0]), ours


def published(state: Mapping[str, Tensor]) -> Tensor:
    """(...) the first convolution of a DCGAN.

    Raises:
        OcellusError: it is none of pytorch/examples'.
    """
    if "main.0.weight" not in state or "main.3.weight" not in state or state["main.0.weight"].ndim != 4:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of the DCGAN of "
            "pytorch/examples (main.0.weight and so on); only that is known"
        )
    return state["main.0.weight"]


def settings(*, noise: int, width: int, channels: int) -> Config:
    """Of the published networks: 64 pixels, no classes."""
    return replace(DCGAN, classes=1, condition="none", side=64, noise=noise, width=width, channels=channels)
