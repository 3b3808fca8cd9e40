"""Public checkpoints -> ours: those of pytorch/examples, and of TensorFlow's in torch's layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.fast_style.config import Config
from ocellus.imagine.fast_style.model import build
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, renamed

PLACES = (("1", "first"), ("2", "downs.0"), ("3", "downs.1"), ("4", "ups.0"), ("5", "ups.1"))
EXAMPLES = (
    *((rf"conv{number}\.conv2d\.", f"{place}.conv.") for number, place in PLACES[:3]),
    *((rf"in{number}\.", f"{place}.norm.") for number, place in PLACES),
    (r"res(\d)\.conv1\.conv2d\.", "blocks.{0-1}.first.conv."),
    (r"res(\d)\.conv2\.conv2d\.", "blocks.{0-1}.second.conv."),
    (r"res(\d)\.in1\.", "blocks.{0-1}.first.norm."),
    (r"res(\d)\.in2\.", "blocks.{0-1}.second.norm."),
    (r"deconv([12])\.conv2d\.", "ups.{0-1}.conv."),
    (r"deconv3\.conv2d\.", "last.conv."),
)
TRANSPOSED = (
    (r"conv1\.norm\.", "first.norm."),
    (r"conv1\.", "first.conv."),
    (r"conv([23])\.norm\.", "downs.{0-2}.norm."),
    (r"conv([23])\.", "downs.{0-2}.conv."),
    (r"res(\d)\.conv1\.norm\.", "blocks.{0-1}.first.norm."),
    (r"res(\d)\.conv1\.", "blocks.{0-1}.first.conv."),
    (r"res(\d)\.conv2\.norm\.", "blocks.{0-1}.second.norm."),
    (r"res(\d)\.conv2\.", "blocks.{0-1}.second.conv."),
    (r"up([12])\.norm\.", "ups.{0-1}.norm."),
    (r"up([12])\.", "ups.{0-1}.conv."),
    (r"out\.norm\.", "last.norm."),
    (r"out\.", "last.conv."),
)
STATISTICS = re.compile(r"(^|\.)in\d+\.(running_(mean|var)|num_batches_tracked)$")
"""Left in files from before 2018; instance normalization has no use for them."""


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A public checkpoint as settings and weights of ours.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: not used; all systems are called alike.
        adjust: fields of Config that the tensors cannot tell.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and no class names.

    Raises:
        OcellusError: the names are not those of a known network.
    """
    state = {name: tensor for name, tensor in state.items() if not STATISTICS.search(name)}
    if "conv1.conv2d.weight" in state:
        ours = renamed(state, EXAMPLES, network="pytorch/examples' fast style")
        known: dict[str, Any] = {"output": "linear"}
    elif "conv1.norm.weight" in state and "up1.weight" in state:
        ours = renamed(state, TRANSPOSED, network="TensorFlow's fast style")
        known = {"padding": "zero", "upsampling": "transposed", "norm_eps": 1e-3, "last_norm": True}
    else:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of pytorch/examples' "
            "fast style (conv1.conv2d.weight) or of TensorFlow's (conv1.norm.weight); only those are known"
        )
    first = ours["first.conv.weight"]
    config = Config(
        width=len(first),
        blocks=len({name.split(".")[1] for name in ours if name.startswith("blocks.")}),
        kernel=first.shape[-1],
        bias="first.conv.bias" in ours,
        **known,
    )
    config = adjusted(config, adjust)
    check_whole(ours, build, config)
    return config, ours, LabelMap(())
