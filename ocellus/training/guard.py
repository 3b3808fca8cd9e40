"""What went wrong when a loss is not a finite number: which picture, which term, which layer."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.training.checkpoint import write_failure

Step = Callable[[Any], Any]
"""A batch -> the loss, or a mapping of its terms."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is not finite; "" where all is."""

    picture: str = ""
    term: str = ""
    layer: str = ""
    parameter: str = ""
    gradient: str = ""

    def text(self) -> str:
        """As a phrase."""
        parts = (
            ("picture", self.picture),
            ("loss term", self.term),
            ("first in layer", self.layer),
            ("weights", self.parameter),
            ("gradient of", self.gradient),
        )
        return ", ".join(f"{what} {name}" for what, name in parts if name)


def diagnose(recipe: nn.Module, batch: Any, *, step: Step) -> Diagnosis:
    """Do a step again, watching every layer; then each picture alone.

    Args:
        recipe: whose layers are watched and whose parameters are looked at.
        batch: that the step went wrong with.
        step: the loss of a batch, by term, as in training.
    """
    parameter = next((name for name, value in recipe.named_parameters() if not finite(value)), "")
    layer, term = _watch(recipe, batch, step=step)
    named = recipe.named_parameters()
    gradients = [name for name, value in named if value.grad is not None and not finite(value.grad)]
    gradient = f"{gradients[-1]} and {len(gradients) - 1} more" if gradients else ""
    picture = "" if parameter else _find_picture(recipe, batch, step=step)
    return Diagnosis(
        picture=picture,
        term=term,
        layer=layer,
        parameter=parameter,
        gradient="" if parameter or layer or term else gradient,
    )


def _watch(recipe: nn.Module, batch: Any, *, step: Step) -> tuple[str, str]:
    """The first layer whose output is not finite, and the first term of the loss."""
    found: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and not all(finite(value) for _, value in tensors(output)):
                found.append(f"{name} ({type(module).__name__})")

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in recipe.named_modules() if name]
    terms: Any = {}
    try:
        # What is not finite may well break a layer further on; what was seen before it is the answer.
        with contextlib.suppress(Exception):
            terms = step(batch)
    finally:
        for handle in hooks:
            handle.remove()
    if isinstance(terms, Tensor):
        terms = {"loss": terms}
    wrong = [name for name, value in (terms or {}).items() if isinstance(value, Tensor) and not finite(value)]
    term = next((name for name in wrong if name != "loss"), wrong[0] if wrong else "")
    return (found[0] if found else ""), term


def _find_picture(recipe: nn.Module, batch: Any, *, step: Step) -> str:
    """The pictures that are themselves not finite, or with which alone the step goes wrong."""
    count = size_of(batch)
    names = [str(name) for name in getattr(batch, "names", ())] or [f"{i} of the batch" for i in range(count)]
    ones = [only(batch, row, count) for row in range(count)]
    pairs = list(zip(names, ones, strict=False))
    bad = [name for name, one in pairs if not all(finite(value) for _, value in tensors(one))]
    if not bad and count > 1:
        bad = [name for name, one in pairs if any(_watch(recipe, one, step=step))]
    # A batch whose every picture goes wrong tells nothing about one of them.
    return ", ".join(bad) if len(bad) < count or count == 1 else f"any of {', '.join(names)}"


def save_batch(path: Path, batch: Any) -> str:
    """Write a batch's tensors and its strings to a .safetensors; what to say of it.

    Names of tensors are the paths to them: "images", "targets.0.boxes".
    """
    from safetensors.torch import save_file

    found = {name: value.detach().cpu().contiguous().clone() for name, value in tensors(batch)}
    texts = {name: text for name, text in walk(batch) if isinstance(text, str)}
    try:
        save_file(found, path, {"strings": json.dumps(texts, ensure_ascii=False)})
    except Exception as error:  # the disk may be full too; the diagnosis matters more
        return f"the batch could not be saved ({write_failure(error) or error})"
    return f"{path} holds the batch"


def report(diagnosis: Diagnosis, batch: Any, *, path: Path, step: int) -> OcellusError:
    """Save the batch of a step that went wrong; the error that says so."""
    saved = save_batch(path, batch)
    return OcellusError(
        f"step {step} gave numbers that are not finite ({diagnosis.text() or 'not again when done again'}); "
        f"{saved}, and the checkpoint is from before. Look at the picture and its annotation; else try a "
        "lower --learning-rate or --precision 32"
    )


def finite(value: Tensor) -> bool:
    """Whether all numbers of a tensor (of any shape) are finite."""
    if not (value.is_floating_point() or value.is_complex()):
        return True
    return bool(torch.isfinite(value.detach()).all())


def tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested tuples, lists, mappings and dataclasses, with the path to it."""
    for path, leaf in walk(value):
        if isinstance(leaf, Tensor):
            yield path, leaf


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a nested value with the path to it, "targets.0.boxes"."""
    entries = _entries(value)
    if entries is None:
        yield path, value
        return
    for name, entry in entries:
        yield from walk(entry, f"{path}.{name}" if path else name)


def size_of(batch: Any) -> int:
    """Pictures in a batch: the length of its first tensor."""
    return next((len(value) for _, value in tensors(batch) if value.ndim), 0)


def only(batch: Any, row: int, count: int) -> Any:
    """A batch of one of its `count` pictures: what has that length is cut, one level down."""
    entries = _entries(batch)
    if entries is None:
        return batch
    parts = {}
    for name, entry in entries:
        whole = isinstance(entry, (Tensor, tuple, list)) and not hasattr(entry, "_fields")
        parts[name] = entry[row : row + 1] if whole and _length(entry) == count else entry
    if isinstance(batch, Mapping):
        return parts
    if isinstance(batch, (tuple, list)) and not hasattr(batch, "_fields"):
        return type(batch)(parts.values())
    return type(batch)(**parts)


def _length(value: Any) -> float:
    if isinstance(value, Tensor) and value.ndim == 0:
        return math.nan
    return len(value)


def _entries(value: Any) -> list[tuple[str, Any]] | None:
    if isinstance(value, Mapping):
        return [(str(name), entry) for name, entry in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, (tuple, list)):
        return [(str(index), entry) for index, entry in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(entry.name, getattr(value, entry.name)) for entry in fields(value)]
    return None
