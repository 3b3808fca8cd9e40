"""A network as a table: what each module puts out, how many parameters it has and how much it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Layer:
    """One module of a network.

    Args:
        name: "backbone.layer1.0.conv1"; empty: the whole network.
        kind: the class of the module.
        output: shapes of what it puts out; of the last call, where it is called several times.
        parameters: of the module and all in it, each shared one counted once.
        multiply_adds: of its matrix products and convolutions in all calls; not of sampling and norms.
        calls: how often it was called.
    """

    name: str
    kind: str
    output: str
    parameters: int
    multiply_adds: int
    calls: int


def summarize(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """What each module does for these images.

    Args:
        network: any module; its state is left as it was.
        inputs: of the network: (B, 3, H, W) images, or what else it takes.

    Returns:
        The whole network first, then its modules in the order they were built; those never called are left
        out.
    """
    shapes: dict[str, str] = {}
    calls: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            shapes[name] = describe_shape(output)
            calls[name] = calls.get(name, 0) + 1

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    training = network.training
    try:
        network.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(*inputs)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    # The counter's names begin with the class of the network: "MaskRCNN.backbone.conv1".
    root = type(network).__name__
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    layers = []
    for name, module in network.named_modules():
        if name in shapes:
            parameters = sum(parameter.numel() for parameter in module.parameters())
            work = flops.get(f"{root}.{name}" if name else root, 0) // 2
            layers.append(Layer(name, type(module).__name__, shapes[name], parameters, work, calls[name]))
    return layers


def describe_shape(output: Any) -> str:
    """Shapes of tensors in whatever a module returns: "1x256x200x272", several joined by ", "."""
    if isinstance(output, Tensor):
        return "x".join(str(length) for length in output.shape) or "scalar"
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return ", ".join(shape for entry in output if (shape := describe_shape(entry)))
    return ""
