"""Public checkpoints -> ours: BasicSR's MSRResNet, twtygqyy's SRResNet and its discriminator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.srgan.config import PAPER, Config
from ocellus.imagine.srgan.model import FACTORS, build
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, counted, renamed

MSRRESNET = (
    (r"conv_first\.", "first."),
    (r"body\.(\d+)\.conv1\.", "blocks.{0}.first."),
    (r"body\.(\d+)\.conv2\.", "blocks.{0}.second."),
    (r"upconv([12])\.", "steps.{0-1}."),
    (r"conv_hr\.", "before_last."),
    (r"conv_last\.", "last."),
)
SRRESNET = (
    (r"conv_input\.", "first."),
    (r"residual\.(\d+)\.conv1\.", "blocks.{0}.first."),
    (r"residual\.(\d+)\.in1\.", "blocks.{0}.first_norm."),
    (r"residual\.(\d+)\.conv2\.", "blocks.{0}.second."),
    (r"residual\.(\d+)\.in2\.", "blocks.{0}.second_norm."),
    (r"conv_mid\.", "middle."),
    (r"bn_mid\.", "middle_norm."),
    (r"upscale4x\.0\.", "steps.0."),
    (r"upscale4x\.3\.", "steps.1."),
    (r"conv_output\.", "last."),
)
DISCRIMINATOR = (
    (r"features\.0\.", "convs.0."),
    *((rf"features\.{3 * index - 1}\.", f"convs.{index}.") for index in range(1, 8)),
    *((rf"features\.{3 * index}\.", f"norms.{index}.") for index in range(1, 8)),
    (r"fc1\.", "first_linear."),
    (r"fc2\.", "last_linear."),
)


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: not used; there are no classes.
        adjust: fields of Config that the tensors cannot tell: views, tile, overlap.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and no class names.

    Raises:
        OcellusError: the names are of none of these, or of a network that this system does not have.
    """
    if "conv_first.weight" in state:
        config, ours = _msrresnet(state)
    elif "conv_input.weight" in state:
        config, ours = _srresnet(state)
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of BasicSR's "
            "MSRResNet or of twtygqyy's SRResNet; only those are known"
        )
    config = adjusted(config, adjust)
    check_whole(ours, build, config)
    return config, ours, LabelMap(())


def discriminator_state(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    """twtygqyy's discriminator as settings and weights of ours.

    Raises:
        OcellusError: a name that it does not have.
    """
    ours = renamed(state, DISCRIMINATOR, network="twtygqyy's discriminator")
    first, linear = ours["convs.0.weight"], ours["first_linear.weight"]
    places = linear.shape[1] // (8 * first.shape[0])
    config = Config(
        channels=first.shape[1],
        signed=False,
        discriminator_width=first.shape[0],
        discriminator_side=16 * round(places**0.5),
        discriminator_kernel=ours["convs.1.weight"].shape[-1],
    )
    return config, counted(ours, norm="batch")


def _msrresnet(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    if any(".rdb1." in name or ".RDB1." in name for name in state):
        raise OcellusError("the checkpoint is an RRDBNet (ESRGAN); only MSRResNet of BasicSR is known")
    ours = renamed(state, MSRRESNET, network="BasicSR's MSRResNet")
    width, channels = ours["first.weight"].shape[:2]
    steps = tuple(
        round((len(ours[f"steps.{index}.weight"]) / width) ** 0.5)
        for index in range(3)
        if f"steps.{index}.weight" in ours
    )
    config = Config(
        factor=_factor(steps),
        channels=channels,
        width=width,
        blocks=_count(ours),
        norm="none",
        activation="leaky_relu",
        block_activation="relu",
        slope=0.1,
        kernel=3,
        skip=False,
        last=True,
        base="bilinear",
        signed=False,
    )
    return config, ours


def _srresnet(state: Mapping[str, Tensor]) -> tuple[Config, dict[str, Tensor]]:
    ours = renamed(state, SRRESNET, network="twtygqyy's SRResNet")
    width, channels = ours["first.weight"].shape[:2]
    config = Config(
        factor=4,
        channels=channels,
        width=width,
        blocks=_count(ours),
        norm="instance",
        activation="leaky_relu",
        block_activation="leaky_relu",
        slope=0.2,
        kernel=ours["first.weight"].shape[-1],
        bias=False,
        signed=False,
        overlap=PAPER.overlap,
    )
    return config, ours


def _factor(steps: tuple[int, ...]) -> int:
    found = [factor for factor, parts in FACTORS.items() if parts == steps]
    if not found:
        raise OcellusError(f"the checkpoint enlarges in steps of {steps}; known are {list(FACTORS.values())}")
    return found[0]


def _count(state: Mapping[str, Tensor]) -> int:
    return 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
