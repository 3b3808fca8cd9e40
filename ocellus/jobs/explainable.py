"""Networks that can be explained: models of ours, torchvision's and timm's by name, or any module."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.foreign import read_foreign
from ocellus.jobs.model import Model, load
from ocellus.jobs.preparation import Preparation
from ocellus.nn.dense import device_of, resized_size, shrunk, window_of
from ocellus.nn.subject import Subject, subject_of
from ocellus.values import Classification, Picture

FOREIGN = re.compile(r"(torchvision|timm):([^=]*)=?(.*)")
IMAGENET_CLASSES = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class Explainable:
    """A network, and how a picture reaches it.

    Args:
        network: in eval mode.
        names: class names, where known.
        source: what it is called.
        about: a line on what it is.
        subject: a picture as the network sees it.
        channels: of the pictures.
        classify: of a classifier of ours: what `ocellus run` answers, which looks at the middle of a picture.
    """

    network: nn.Module
    names: tuple[str, ...] = ()
    source: str
    about: str = ""
    subject: Callable[[Picture], Subject]
    channels: int = 3
    classify: Callable[[Picture], Classification] | None = None


def explainable(
    model: Explainable | Model | nn.Module | str | Path,
    *,
    device: str = "auto",
    names: tuple[str, ...] = (),
    preparation: dict[str, Any] | None = None,
) -> Explainable:
    """What can be explained, from whatever names it.

    Args:
        model: what `ocellus.load` takes; "torchvision:resnet50=FILE" or "timm:NAME=FILE", a network of theirs
            with the weights of a local file; a Model; or any module.
        device: where a network that is read here runs.
        names: class names, where the model does not know them.
        preparation: fields of `ocellus.jobs.preparation.Preparation`, for networks of others that were
            trained with other ones than theirs.

    Raises:
        OcellusError: no such model, architecture or file; weights of another network; settings for a model of
            ours, which knows its own.
    """
    if isinstance(model, Explainable):
        return model
    if isinstance(model, str) and (spec := FOREIGN.fullmatch(model)):
        return _foreign(spec[1], spec[2], spec[3], device=device, names=names, adjust=preparation or {})
    if isinstance(model, nn.Module):
        own = Preparation(**preparation) if preparation else None
        subject = partial(foreign_subject, model, own) if own else partial(subject_of, model)
        channels = int(getattr(getattr(model, "config", None), "channels", 3))
        kind = type(model).__name__
        return Explainable(network=model, names=names, source=kind, subject=subject, channels=channels)
    if preparation:
        message = f"{model} knows how its pictures are prepared"
        raise OcellusError(f"{message}: leave out {', '.join(preparation)}", exit_code=2)
    ready = model if isinstance(model, Model) else load(model, device=device, precision="32", fused=False)
    if ready.takes == "class" and not ready.header.part:
        message = f"{ready.source} draws what it is told to, and looks at no picture"
        raise OcellusError(f"{message}: explain the discriminator.safetensors beside it", exit_code=2)
    classifies = catalog.card(ready.header.system).value == "Classification" and not ready.header.part
    return Explainable(
        network=ready.network,
        names=names or ready.header.labels,
        source=ready.source,
        about=ready.introduction(),
        subject=partial(subject_of, ready.network),
        channels=ready.channels,
        classify=ready if classifies else None,
    )


def foreign_subject(network: nn.Module, preparation: Preparation, picture: Picture) -> Subject:
    """A picture as a network of others sees it: the whole of it, nothing cropped, so that a map of it is one
    of the picture."""
    channels = 3 if picture.channels is None else len(picture.channels)
    window = window_of(picture, channels, device=device_of(network))
    side = preparation.short_side
    seen = (side, side) if preparation.square and side else resized_size(picture.size, side)
    if seen == picture.size:
        images = window(0, picture.size[0], 0, picture.size[1])
    else:
        images = shrunk(window, picture.size, seen)
    own = subject_of(network, images, preprocess=preparation)
    return own._replace(picture_size=picture.size, picture=picture)


def _foreign(
    library: str, architecture: str, file: str, *, device: str, names: tuple[str, ...], adjust: dict[str, Any]
) -> Explainable:
    from ocellus.training.devices import choose_device

    if not architecture or not file:
        form = f"{library}:{'resnet50' if library == 'torchvision' else 'resnet50.a1_in1k'}=weights.pth"
        raise OcellusError(f"{library}: wants an architecture and a file of weights, as {form}", exit_code=2)
    make, prepared = (_torchvision if library == "torchvision" else _timm)(architecture)
    state = read_foreign(file)
    network = make(0)
    classes = _other_classes(network, state)
    if classes:
        network = make(classes)
    weights.load_state(network, state, source=file)
    preparation = Preparation(**{**vars(prepared(network)), **adjust})
    network = network.eval().to(choose_device(device))
    return Explainable(
        network=network,
        names=names or (() if classes else _published_names(library, architecture, network)),
        source=file,
        about=f"{architecture} of {library} with the weights of {Path(file).name}.",
        subject=partial(foreign_subject, network, preparation),
    )


Make = Callable[[int], nn.Module]
Prepared = Callable[[nn.Module], Preparation]


def _torchvision(name: str) -> tuple[Make, Prepared]:
    from torchvision import models

    if name not in models.list_models():
        raise _unknown("torchvision", name, models.list_models())

    def make(classes: int) -> nn.Module:
        options: dict[str, Any] = {"weights": None}
        if "weights_backbone" in signature(models.get_model_builder(name)).parameters:
            options["weights_backbone"] = None  # else it would be downloaded
        if classes:
            options["num_classes"] = classes
        network: nn.Module = models.get_model(name, **options)
        return network

    def prepared(network: nn.Module) -> Preparation:
        transforms = next(iter(models.get_model_weights(name))).transforms()
        if not hasattr(transforms, "mean"):  # detectors resize and normalize for themselves
            return Preparation()
        side = transforms.resize_size
        square = name.startswith(("vit_", "maxvit"))
        crop = getattr(transforms, "crop_size", side)
        return Preparation(
            short_side=int((crop if square else side)[0]),
            square=square,
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
        )

    return make, prepared


def _timm(name: str) -> tuple[Make, Prepared]:
    try:
        timm = import_module("timm")
    except ImportError:
        message = "timm is not installed: pip install 'ocellus[timm]'"
        raise OcellusError(message, exit_code=2) from None
    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models())

    def make(classes: int) -> nn.Module:
        network: nn.Module = timm.create_model(
            name, pretrained=False, **({"num_classes": classes} if classes else {})
        )
        return network

    def prepared(network: nn.Module) -> Preparation:
        own = timm.data.resolve_data_config({}, model=network)
        fixed = bool(getattr(network, "pretrained_cfg", {}).get("fixed_input_size", False))
        side = own["input_size"][-1]
        return Preparation(
            short_side=side if fixed else round(side / own["crop_pct"]),
            square=fixed,
            mean=tuple(own["mean"]),
            std=tuple(own["std"]),
        )

    return make, prepared


def _other_classes(network: nn.Module, state: dict[str, Tensor]) -> int:
    """How many classes weights were trained for, where that is another number than the published; else 0."""
    heads = [
        len(state[name])
        for name, value in network.state_dict().items()
        if name in state and len(state[name].shape) and state[name].shape[1:] == value.shape[1:]
        and len(state[name]) != len(value)
    ]  # fmt: skip
    return min(heads, default=0)  # of detectors: the boxes' layer has four for each class


def _published_names(library: str, architecture: str, network: nn.Module) -> tuple[str, ...]:
    """The class names of the published weights."""
    from torchvision import models

    if library == "timm" and getattr(network, "num_classes", 0) != IMAGENET_CLASSES:
        return ()
    known = architecture if library == "torchvision" else "resnet50"
    names = next(iter(models.get_model_weights(known))).meta.get("categories", ())
    return tuple("background" if name == "__background__" else name for name in names)


def _unknown(library: str, name: str, known: list[str]) -> OcellusError:
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"there is {', '.join(known[:6])}, ..."
    return OcellusError(f"{library} has no architecture {name!r}: {hint}", exit_code=2)
