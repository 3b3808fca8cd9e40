"""The map whose mean is a class's score; arXiv:1512.04150, section 2."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ocellus.errors import OcellusError
from ocellus.explain.cam.config import Config
from ocellus.nn.hooks import hooked, untouched
from ocellus.nn.map_parts import chosen_part
from ocellus.nn.scores import as_score, logits_in
from ocellus.nn.subject import Answer, Score, Subject, heatmap, subject_of
from ocellus.values import Heatmap, Picture

AVERAGES = {F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, Tensor.mean}


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    layer: str | None = None,
    score: Score | int | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Heatmap:
    """Which region of a picture a class's score comes from.

    Args:
        network: one that ends in global average pooling: before a linear layer, or behind a convolution with
            one channel a class. It is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: not used: the map is the one that is averaged.
        score: a class's score, or its index; None: the network's top class.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: another network or answer, or a picture or setting that cannot be explained.
    """
    config = Config() if config is None else config
    with untouched(network), torch.no_grad():
        subject = subject_of(network, image, preprocess=preprocess)
        maps, answer, name = cam_maps(network, subject, as_score(score))
        return heatmap(
            chosen_part(maps, config.part), subject, method="cam", target=answer.settled.text, layer=name,
            signed=config.part == "both",
        )  # fmt: skip


def cam_maps(network: nn.Module, subject: Subject, score: Score) -> tuple[Tensor, Answer, str]:
    """Class activation maps of a batch, whose mean over places, plus the class's bias, is the class's score.

    With A_k the maps that are averaged and w_k the linear layer's weights of the class, sum over k of w_k A_k
    (equation 2). Where the classes have a map each, as in SqueezeNet, it is the class's own, behind its ReLU.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the pictures, (B, C, H, W).
        score: a class's score.

    Returns:
        (B, h, w) float32, the answer, and the name of the layer that puts out the maps that are averaged.

    Raises:
        OcellusError: the network has no such end, or the answer is not a class's score. Exit code 2.
    """
    ends = _Ends([], [], {}, [])
    with hooked(network, ends.note), _Watch(ends.pooled):
        answer = score.ask(network, subject)
    labels = answer.settled.labels
    logits = logits_in(ends.outputs[-1]) if ends.outputs else None
    if labels is None or logits is None or logits.ndim != 2:
        message = f"CAM explains the score of a class, not {answer.settled.text}"
        raise OcellusError(f"{message}: use explain/gradcam", exit_code=2)
    labels = labels.to(logits.device).expand(len(logits))
    for maps, mean in reversed(ends.pooled):
        name = ends.name_of(maps)
        if torch.equal(mean, logits):
            return maps[torch.arange(len(maps)), labels].float(), answer, name
        for last in ends.last:
            if torch.equal(last.given, mean) and torch.equal(last.output, logits):
                return torch.einsum("bk,bkhw->bhw", last.weight[labels].float(), maps.float()), answer, name
    wanted = "one that ends in global average pooling and one linear layer, or a map a class and the pooling"
    message = f"CAM needs {wanted}; this {type(network).__name__} does not"
    raise OcellusError(f"{message}: use explain/gradcam, which needs neither", exit_code=2)


class _Last(NamedTuple):
    """A linear layer, or a 1x1 convolution of one place, as it was called."""

    given: Tensor  # (B, K)
    output: Tensor  # (B, C)
    weight: Tensor  # (C, K)


class _Ends(NamedTuple):
    """What is seen of a network's end while it runs."""

    pooled: list[tuple[Tensor, Tensor]]  # maps (B, K, h, w) and their means (B, K)
    last: list[_Last]
    makers: dict[int, tuple[weakref.ref[Tensor], str]]  # which module put out a tensor last
    outputs: list[Any]  # of the network

    def note(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not name:
                self.outputs.append(output)
            if isinstance(output, Tensor) and output.ndim == 4:
                self.makers[id(output)] = (weakref.ref(output), name)
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                given, weight = inputs[0], module.weight
                # A convolution of a single place with all channels is a linear layer too.
                if given.ndim in (2, 4) and given[0].numel() == weight[0].numel() == given.shape[1]:
                    self.last.append(_Last(given.flatten(1), output.flatten(1), weight.flatten(1)))

        return hook

    def name_of(self, tensor: Tensor) -> str:
        reference, name = self.makers.get(id(tensor), (None, ""))
        return name if reference is not None and reference() is tensor else ""


class _Watch(TorchFunctionMode):
    """Notes every averaging over all places of a map, by whichever function it is done."""

    def __init__(self, found: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = args[0] if args else (kwargs or {}).get("input")
        if func in AVERAGES and isinstance(given, Tensor) and given.ndim == 4 and isinstance(result, Tensor):
            count = given.shape[0] * given.shape[1]
            if result.numel() == count and result.shape[:2] == given.shape[:2]:
                self.found.append((given, result.flatten(1)))
        return result
