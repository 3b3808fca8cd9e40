"""Looking into a network while it runs, and leaving it as it was.

Three kinds of hook, for whoever writes an explaining method:

- A **forward hook** belongs to a module: `hook(module, inputs, output)` runs after each call of its
  `forward`. `inputs` is a tuple. What it returns, if not None, takes the place of the output. `recorded` uses
  this kind.
- A **backward hook** belongs to a module too: `hook(module, grad_input, grad_output)` runs when the gradients
  of its inputs and outputs are known. `grad_output` of one layer is `grad_input` of the next only in a chain:
  where the output goes to two places (a residual block), it is the sum of what both send back, and no layer's
  `grad_input` alone. Backward hooks cannot go with operations that overwrite a module's output (in-place
  ReLU).
- A **tensor hook** belongs to one tensor: `tensor.register_hook(lambda gradient: ...)` is given the gradient
  of that very tensor, all branches summed. It knows nothing of modules, so that a module that is called three
  times gives three tensors with a gradient each. Gradients here are always of tensors.

The weight of a channel in Grad-CAM is such a gradient. It needs no loss and no label: a gradient is the
derivative of any number that was computed, and the number is the score of the answer in question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.summary import describe_shape

Call = tuple[Tensor, ...]


class LayerInfo(NamedTuple):
    """One module of a network."""

    name: str  # "layer4.1.conv2"
    kind: str  # its class
    output: str  # the shapes it puts out, "1x512x7x7"; empty where the network was not run or it not called
    calls: int  # how often it was called; more than once: a reused module
    spatial: bool  # whether it puts out maps, (B, C, h, w) with h and w above 1


class Record(NamedTuple):
    """What went through the recorded modules: for each name, for each call, the tensors it put out.

    Nearly always `activations[name][-1][0]` is what is wanted: the last call's only tensor.
    """

    activations: dict[str, list[Call]]
    gradients: dict[str, list[list[Tensor | None]]]  # filled by `backward`; None where none arrived


def layers(network: nn.Module, images: Tensor | None = None) -> list[LayerInfo]:
    """All modules of a network by name, in the order they were built.

    Args:
        network: any.
        images: (B, C, H, W), what to run it on, to see shapes; the network's state is left as it was.
    """
    outputs: dict[str, list[Any]] = {}
    if images is not None:

        def note(name: str) -> Callable[..., None]:
            return lambda module, inputs, output: outputs.setdefault(name, []).append(
                (describe_shape(output), any(is_spatial(tensor) for tensor in tensors_in(output)))
            )

        with untouched(network), torch.no_grad(), hooked(network, note):
            network(images)
    found = []
    for name, module in network.named_modules():
        if name:
            calls = outputs.get(name, [])
            shape, spatial = calls[-1] if calls else ("", False)
            found.append(LayerInfo(name, type(module).__name__, shape, len(calls), spatial))
    return found


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """The module of a name.

    Raises:
        OcellusError: there is none; the message has the nearest names. Exit code 2.
    """
    known: dict[str, nn.Module] = dict(network.named_modules())
    if name in known and name:
        return known[name]
    names = [other for other in known if other]
    near = (
        get_close_matches(name, names, n=3, cutoff=0.5) or [other for other in names if "." not in other][:8]
    )
    message = f"there is no layer {name!r} in this {type(network).__name__}; there is {', '.join(near)}"
    raise OcellusError(f"{message} (--list-layers shows all)", exit_code=2)


@contextmanager
def recorded(network: nn.Module, names: Sequence[str], *, gradients: bool = False) -> Iterator[Record]:
    """Keeps what modules put out while the block runs; the hooks are gone after it, whatever happens.

        with recorded(network, ["layer4"], gradients=True) as record:
            score = network(images)[0, 281]
            score.backward()
        record.activations["layer4"][-1][0]  # (B, C, h, w)
        record.gradients["layer4"][-1][0]    # the same shape

    The values are those at the end of the module's own work: what later overwrites its output in place (an
    in-place ReLU behind a convolution) works on a copy. Each call of a reused module is kept.

    Args:
        network: any.
        names: of its modules.
        gradients: keep the tensors in the graph, so that gradients can be taken with respect to them, and
            note those that `backward` brings. Where nothing before the module needs a gradient, the graph
            begins there: what lies before is run as under `torch.no_grad`. Calls under `torch.no_grad` are
            not kept.

    Raises:
        OcellusError: no module of that name. Exit code 2.
    """
    modules = [(name, find_layer(network, name)) for name in names]
    record = Record({name: [] for name in names}, {name: [] for name in names})
    handles = []
    try:
        for name, module in modules:
            hook = _keep_graph(record, name) if gradients else _keep_values(record, name)
            handles.append(module.register_forward_hook(hook))
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _keep_values(record: Record, name: str) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        record.activations[name].append(tuple(tensor.detach().clone() for tensor in tensors_in(output)))

    return hook


def _keep_graph(record: Record, name: str) -> Callable[..., Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not torch.is_grad_enabled():
            return None
        kept: list[Tensor] = []
        arrived: list[Tensor | None] = []

        def note(index: int) -> Callable[[Tensor], None]:
            def arrive(gradient: Tensor) -> None:
                arrived[index] = gradient.detach()

            return arrive

        def keep(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return tensor
            own = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
            own.register_hook(note(len(kept)))  # type: ignore[no-untyped-call]
            kept.append(own)
            arrived.append(None)
            return own.clone()  # what comes next may overwrite it

        passed_on = mapped(output, keep)
        record.activations[name].append(tuple(kept))
        record.gradients[name].append(arrived)
        return passed_on

    return hook


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Runs a block on a network in eval mode, with gradients possible, and puts everything back after it.

    Inside, modules are in eval mode, parameters need no gradient (so that only what is asked for is computed)
    and gradients are on, also for callers under `torch.no_grad` or `torch.inference_mode`. Afterwards, also
    when the block raises: each module's training flag, each parameter's `requires_grad` and `.grad`, and the
    buffers are as they were.

    Args:
        network: any; not to be used by another thread meanwhile.
    """
    modes = [(module, module.training) for module in network.modules()]
    parameters = [(parameter, parameter.requires_grad, parameter.grad) for parameter in network.parameters()]
    with torch.inference_mode(False), torch.enable_grad():
        buffers = [
            (module, name, buffer, buffer.detach().clone())
            for module in network.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        replaced = _without_inference_tensors(network)
        try:
            network.eval()
            for parameter, _, _ in parameters:
                if not parameter.is_inference():
                    parameter.requires_grad_(False)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for module, name, tensor in replaced:
                setattr(module, name, tensor)
            for parameter, required, gradient in parameters:
                if not parameter.is_inference():
                    parameter.requires_grad_(required)
                parameter.grad = gradient
            for module, name, buffer, value in buffers:
                if getattr(module, name) is not buffer:
                    setattr(module, name, buffer)
                # Only where it changed: writing would invalidate a graph that the caller may hold.
                if not torch.equal(buffer, value):
                    with torch.no_grad(), torch.inference_mode(buffer.is_inference()):
                        buffer.copy_(value)


def _without_inference_tensors(network: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Puts copies in the place of parameters made under inference mode, which no gradient can pass."""
    replaced: list[tuple[nn.Module, str, Tensor]] = []
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_inference():
                replaced.append((module, name, parameter))
                setattr(module, name, nn.Parameter(parameter.clone(), requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_inference():
                replaced.append((module, name, buffer))
                setattr(module, name, buffer.clone())
    return replaced


@contextmanager
def hooked(network: nn.Module, make: Callable[[str], Callable[..., Any]]) -> Iterator[None]:
    """Puts a forward hook, `make(name)`, on every module while a block runs; the network's name is ""."""
    handles = []
    try:
        for name, module in network.named_modules():
            handles.append(module.register_forward_hook(make(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_spatial(tensor: Tensor) -> bool:
    """Whether a tensor is a map, (B, C, h, w) with h and w above 1."""
    return tensor.ndim == 4 and tensor.is_floating_point() and min(tensor.shape[2:]) > 1


def tensors_in(output: Any) -> Iterator[Tensor]:
    """The tensors in whatever a module returns: tuples, lists and dictionaries of tensors, and so on."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from tensors_in(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from tensors_in(value)


def mapped(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same structure with each tensor changed."""
    if isinstance(output, Tensor):
        return change(output)
    if isinstance(output, dict):
        changed = copy(output)
        for key, value in output.items():
            changed[key] = mapped(value, change)
        return changed
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(mapped(value, change) for value in output))
    if isinstance(output, (tuple, list)):
        return type(output)(mapped(value, change) for value in output)
    return output
