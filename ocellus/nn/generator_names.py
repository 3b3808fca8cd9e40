"""Names in the published checkpoints of pix2pix and CycleGAN (PyTorch) -> those of our generators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError

Found = tuple[dict[str, Any], dict[str, Tensor]]
"""Fields of the network (generator, inputs, outputs, width, blocks, depth, norm, dropout) and its tensors."""

KNOWN = "ResNet generator or U-Net of pix2pix or CycleGAN (PyTorch)"


def read_generator(state: Mapping[str, Tensor], *, source: str = "the checkpoint") -> Found:
    """What a published generator is, and its tensors under our names.

    Instance norms have no tensors of their own. Files of mid-2018 hold running statistics for them, which
    the authors' later code throws away, as is done here.

    Args:
        state: of one generator, as `ocellus.foreign.read_foreign` gives it.
        source: for the message.

    Raises:
        OcellusError: the names are of no generator that is known.
    """
    kept = without_instance_statistics(state)
    if not all(name.startswith("model.") for name in kept) or any("filt" in name for name in kept):
        first = next(iter(kept), "nothing")
        raise OcellusError(f"{source} holds {first}; wanted are the names of a {KNOWN}")
    norm = "batch" if any(name.endswith("running_mean") for name in kept) else "instance"
    if any(name.startswith("model.model.") for name in kept):
        fields, places = _unet(kept, source=source)
    else:
        fields, places = _residual(kept, source=source)
    answer = {}
    for name, tensor in kept.items():
        module, _, entry = name.rpartition(".")
        if module not in places:
            raise OcellusError(f"{source} holds {name}, which a {KNOWN} does not have")
        answer[f"{places[module]}.{entry}"] = tensor
    return {**fields, "norm": norm}, answer


def without_instance_statistics(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the running statistics of norms that have no weight, which are instance norms."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return {
        name: tensor
        for name, tensor in state.items()
        if not name.endswith(statistics) or f"{name.rpartition('.')[0]}.weight" in state
    }


def _unet(state: Mapping[str, Tensor], *, source: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A block is nested in the block before it: as number 1 in the outermost, as number 3 in the others."""
    depth = sum(tensor.ndim == 4 for tensor in state.values()) // 2
    if depth < 3 or "model.model.0.weight" not in state or "model.model.3.weight" not in state:
        raise OcellusError(f"{source} is no whole {KNOWN}")
    places = {"model.model.0": "downs.0", "model.model.3": "ups.0"}
    inner = "model.model.1.model."
    for level in range(1, depth - 1):
        places |= {f"{inner}1": f"downs.{level}", f"{inner}2": f"down_norms.{level}"}
        places |= {f"{inner}5": f"ups.{level}", f"{inner}6": f"up_norms.{level}"}
        inner += "3.model."
    last = depth - 1
    places |= {f"{inner}1": f"downs.{last}", f"{inner}3": f"ups.{last}", f"{inner}4": f"up_norms.{last}"}
    width, channels = state["model.model.0.weight"].shape[:2]
    outputs = state["model.model.3.weight"].shape[1]
    fields = {"generator": "unet", "channels": channels, "outputs": outputs, "width": width, "depth": depth}
    return fields, places


def _residual(state: Mapping[str, Tensor], *, source: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A row of layers, counted with those that have no tensors; with dropout a block has one layer more."""
    numbers = [re.match(r"model\.(\d+)\.conv_block\.(\d+)\.weight", name) for name in state]
    inside = [(int(found[1]), int(found[2])) for found in numbers if found]
    if not inside or "model.1.weight" not in state:
        raise OcellusError(f"{source} is no whole {KNOWN}")
    blocks = len({number for number, _ in inside})
    dropout = ("model.10.conv_block.6.weight" in state) and state["model.10.conv_block.6.weight"].ndim == 4
    second = 6 if dropout else 5
    places = {"model.1": "stem", "model.2": "stem_norm"}
    for level in range(2):
        places |= {
            f"model.{4 + 3 * level}": f"downs.{level}",
            f"model.{5 + 3 * level}": f"down_norms.{level}",
        }
        up = 10 + blocks + 3 * level
        places |= {f"model.{up}": f"ups.{level}", f"model.{up + 1}": f"up_norms.{level}"}
    for block in range(blocks):
        row = f"model.{10 + block}.conv_block"
        places |= {f"{row}.1": f"blocks.{block}.first", f"{row}.2": f"blocks.{block}.first_norm"}
        places |= {f"{row}.{second}": f"blocks.{block}.second"}
        places |= {f"{row}.{second + 1}": f"blocks.{block}.second_norm"}
    head = f"model.{17 + blocks}"
    places[head] = "head"
    if f"{head}.weight" not in state:
        raise OcellusError(f"{source} is no whole {KNOWN}: {head}.weight is not there")
    width, channels = state["model.1.weight"].shape[:2]
    outputs = state[f"{head}.weight"].shape[0]
    fields = {"generator": "resnet", "channels": channels, "outputs": outputs, "width": width}
    return {**fields, "blocks": blocks, "dropout": dropout}, places
