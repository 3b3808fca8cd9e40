"""A trained classifier as a fully convolutional network (Long 2015, arXiv:1411.4038, section 3.1)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError

POOLS = (nn.AdaptiveAvgPool2d,)
POOL_CALLS = (F.adaptive_avg_pool2d,)
LINEAR = (nn.Linear, nn.Dropout, nn.Identity)
POINTWISE = (*LINEAR, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid,
             nn.Tanh, nn.BatchNorm1d)  # fmt: skip
POINTWISE_CALLS = (F.relu, torch.relu, F.dropout, torch.tanh, torch.sigmoid, F.gelu, F.silu, F.hardswish)

Shape = tuple[int, ...]


def convolutionalize(
    classifier: nn.Module, *, size: tuple[int, int] = (224, 224), channels: int = 3
) -> nn.Module:
    """A classifier that answers for every place of a picture of any size.

    The linear layers after its features, biases included, become convolutions: the first one as large as the
    features were (7x7 for VGG's fc6), the others 1x1. A global average pooling before linear layers alone is
    left out, for a mean and a linear layer may change places; before anything else it becomes a mean over a
    window as large as the features were.

    Args:
        classifier: (B, channels, H, W) -> (B, K): convolutions, perhaps an adaptive average pooling, a
            flattening, then linear layers and what works on each value by itself. It is left as it is.
        size: (H, W) of the pictures that it was trained on.
        channels: of the pictures.

    Returns:
        A network in eval mode, (B, channels, H, W) -> (B, K, h, w). At the training size the mean over h and
        w is the classifier's answer; for VGG h = w = 1.

    Raises:
        OcellusError: a classifier of other parts, or whose pooling changes the features at the training size.
    """
    try:
        traced = fx.symbolic_trace(deepcopy(classifier).eval())
    except Exception as error:  # whatever the classifier's own code does when it is traced
        name = type(classifier).__name__
        raise OcellusError(f"{name} cannot be followed layer by layer: {error}") from error
    shapes = Shapes(traced)
    weight = next(iter(classifier.parameters()), torch.zeros(0))
    with torch.no_grad():
        shapes.run(torch.zeros(1, channels, *size, device=weight.device, dtype=weight.dtype))
    flat = _flattening(traced, shapes.found)
    after = _after(traced, flat)
    features, inner = _features(traced, flat, shapes.found, size=size)
    replacement = features
    if inner == (1, 1) and not all(isinstance(_module(traced, node), LINEAR) for node in after):
        sides = shapes.found[features][2:]
        traced.add_submodule("window", nn.AvgPool2d((sides[0], sides[1]), stride=1))
        with traced.graph.inserting_after(features):
            replacement = traced.graph.call_module("window", (features,))
    flat.replace_all_uses_with(replacement)
    kernel = inner
    for node in after:
        module = _module(traced, node)
        if isinstance(module, nn.Linear):
            traced.add_submodule(str(node.target), as_convolution(module, kernel))
            kernel = (1, 1)
        elif isinstance(module, nn.BatchNorm1d):
            traced.add_submodule(str(node.target), _for_maps(module))
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.eval()


def as_convolution(linear: nn.Linear, kernel: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """A linear layer over flattened (C, h, w) features as a convolution with a kernel of h x w."""
    inputs = linear.in_features // (kernel[0] * kernel[1])
    conv = nn.Conv2d(inputs, linear.out_features, kernel, bias=linear.bias is not None)
    conv.weight = nn.Parameter(linear.weight.detach().reshape(linear.out_features, inputs, *kernel).clone())
    if linear.bias is not None:
        conv.bias = nn.Parameter(linear.bias.detach().clone())
    return conv


class Shapes(fx.Interpreter):
    """Runs a traced network and notes the shape of what each node gives."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Shape] = {}

    def run_node(self, n: fx.Node) -> Any:
        """The node's result."""
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.found[n] = tuple(result.shape)
        return result


def _module(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _flattening(traced: fx.GraphModule, shapes: dict[fx.Node, Shape]) -> fx.Node:
    """The last node that makes (1, N) of (1, C, h, w)."""
    nodes: list[fx.Node] = list(traced.graph.nodes)
    for node in reversed(nodes):
        inputs = node.all_input_nodes
        if inputs and len(shapes.get(inputs[0], ())) == 4 and len(shapes.get(node, ())) == 2:
            return node
    raise OcellusError(
        "the network nowhere flattens features (B, C, h, w) to (B, N): only classifiers of convolutions "
        "followed by linear layers can be made convolutional"
    )


def _after(traced: fx.GraphModule, flat: fx.Node) -> list[fx.Node]:
    """What follows the flattening, one after the other, each working on every position by itself."""
    nodes: list[fx.Node] = []
    node = flat
    while True:
        users = list(node.users)
        if len(users) != 1:
            raise OcellusError(f"{len(users)} layers use the output of {node.name}; one is expected")
        node = users[0]
        if node.op == "output":
            return nodes
        if not isinstance(_module(traced, node), POINTWISE) and node.target not in POINTWISE_CALLS:
            raise OcellusError(
                f"{node.name} follows the flattened features; only linear layers and functions of "
                "each value may"
            )
        nodes.append(node)


def _features(
    traced: fx.GraphModule, flat: fx.Node, shapes: dict[fx.Node, Shape], *, size: tuple[int, int]
) -> tuple[fx.Node, tuple[int, int]]:
    """The features before any pooling, and the (h, w) that the first linear layer looks at."""
    node = flat.all_input_nodes[0]
    _, channels, height, width = shapes[node]
    if shapes[flat][1] == channels:  # the flattening is a mean itself, or of 1x1
        inner = (1, 1)
        if (height, width) != (1, 1):
            return node, inner
    elif shapes[flat][1] == channels * height * width:
        inner = (height, width)
    else:
        raise OcellusError(f"{node.name} of {shapes[node]} becomes {shapes[flat]}; that is no flattening")
    pooled = isinstance(_module(traced, node), POOLS) or node.target in POOL_CALLS
    if not pooled:
        return node, inner
    before = node.all_input_nodes[0]
    if inner != (1, 1) and shapes[before] != shapes[node]:
        raise OcellusError(
            f"at {size[0]}x{size[1]} pixels the pooling makes {height}x{width} features of "
            f"{shapes[before][2]}x{shapes[before][3]}: give the size at which the classifier was trained"
        )
    return before, inner


def _for_maps(norm: nn.BatchNorm1d) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(norm.num_features, eps=norm.eps, affine=norm.affine)
    made.load_state_dict(norm.state_dict())
    return made
