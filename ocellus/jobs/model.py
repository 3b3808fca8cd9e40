"""A model ready to use: a network, what its file says of it, and how to call it on a picture."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import nn

from ocellus import catalog, weights
from ocellus.data.images import read_picture, to_picture
from ocellus.errors import OcellusError
from ocellus.jobs.settings import read_setting
from ocellus.jobs.shipped import find_shipped, near, others
from ocellus.nn.fuse import fuse
from ocellus.values import Classification, Instances, Picture, Segmentation
from ocellus.weights import Header


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A network that answers when it is called with a picture.

    Args:
        network: in eval mode, on `device`.
        header: what its weights file says: classes, data, licence, metrics.
        source: the file.
        device: where it runs.
        precision: "32" or "bf16".
    """

    network: nn.Module
    header: Header
    source: str
    device: str = "cpu"
    precision: str = "32"

    def __call__(
        self, picture: Picture | str | Path | Any, *, probabilities: bool = False, options: Any = None
    ) -> Any:
        """What the system says or makes of one picture: a file's path, a Picture, a PIL image or an array.

        Args:
            picture: in which to look; of a system that draws classes, the name of one.
            probabilities: of a system that gives every pixel a class: keep those of all classes.
            options: of a system that makes pictures: its `Run`; None: as it stands there.

        Returns:
            The value that the system's card names, in pixels of the picture as given: Instances for a
            detector, Segmentation for a segmenter, Classification for a classifier. It keeps the picture, to
            show itself in a notebook. A system that makes pictures answers with a Picture, one that draws
            classes with several.

        Raises:
            OcellusError: the file is missing, is not a picture, or has other channels than the network takes;
                or probabilities are asked of a system that has none, or the file holds a discriminator, with
                exit code 2.
        """
        card = catalog.card(self.header.system)
        self.refuse_part()
        if card.verb == "generate":
            return self.generate(picture, probabilities=probabilities, options=options)
        if options is not None:
            raise OcellusError(f"{card.name} has no options: leave them out", exit_code=2)
        if isinstance(picture, (str, Path)):
            picture = read_picture(picture, channels=self.channels)
        elif not isinstance(picture, Picture):
            picture = to_picture(picture)
        skeleton = self.header.skeleton
        facts: dict[str, Any] = {
            "names": self.header.labels,
            "edges": skeleton.edges if skeleton else (),
        }
        if card.value == "Segmentation":
            facts |= {"colors": self.header.colors, "probabilities": probabilities}
        elif probabilities:
            raise OcellusError(
                f"{self.header.system} does not give every pixel a class: leave probabilities out",
                exit_code=2,
            )
        with torch.inference_mode(), self.autocast():
            value = catalog.system(self.header.system).predict(self.network, picture, **facts)
        kept = isinstance(value, (Classification, Instances, Segmentation))
        return replace(value, picture=picture) if kept else value

    def refuse_part(self) -> None:
        """See that the file holds what answers.

        Raises:
            OcellusError: it holds a discriminator. Exit code 2.
        """
        if self.header.part:
            raise OcellusError(
                f"{self.source} holds the {self.header.part} of {self.header.system}, which answers nothing: "
                "give the best.safetensors beside it, or look at this one with `ocellus explain`",
                exit_code=2,
            )

    def generate(self, given: Any, *, probabilities: bool, options: Any) -> Any:
        """What a system that makes pictures makes of a picture or the name of a class; see `__call__`."""
        if probabilities:
            raise OcellusError(f"{self.header.system} makes pictures: leave probabilities out", exit_code=2)
        system = catalog.system(self.header.system)
        facts: dict[str, Any] = {"names": self.header.labels}
        if hasattr(system, "Run"):
            facts["options"] = options if options is not None else system.Run()
        elif options is not None:
            raise OcellusError(f"{self.header.system} has no options: leave them out", exit_code=2)
        if self.takes == "picture":
            if isinstance(given, (str, Path)):
                given = read_picture(given, channels=self.channels)
            given = to_picture(given)
        with torch.inference_mode(), self.autocast():
            made = system.generate(self.network, given, **facts)
        if isinstance(made, Picture) and isinstance(given, Picture):
            return replace(made, path=given.path)
        return made

    def about(self) -> dict[str, str]:
        """What a file that this model made says of itself: which model, under which licence."""
        header = self.header
        made = f"Made by {header.system} of Ocellus {header.version} with {Path(self.source).name}"
        licence = f"; licence of the weights: {header.licence}" if header.licence != "not stated" else ""
        return {"Software": f"Ocellus {header.version}", "Source": f"{made}{licence}", "Synthetic": "yes"}

    @property
    def takes(self) -> str:
        """What it is given: a "picture", or the name of a "class"."""
        return catalog.card(self.header.system).takes

    @property
    def channels(self) -> int:
        """Channels of the pictures that the network takes."""
        return int(getattr(getattr(self.network, "config", None), "channels", 3))

    def introduction(self) -> str:
        """One line on what answers here: the file, what it knows, what to know of it, its licence; of a file
        that is shipped, what else is shipped of its system."""
        header = self.header
        labels = f", knows {', '.join(header.labels[:12])}" if header.labels else ""
        knows = f"{self.source}: {header.system}{labels}."
        free = header.licence == "Apache-2.0"
        licence = "" if free else f"Licence of the weights: {header.licence.rstrip('.')}."
        also = "; ".join(one.line() for one in others(Path(self.source)))
        return " ".join(
            part for part in (knows, header.notes, licence, also and f"Also shipped: {also}.") if part
        )

    def autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def __repr__(self) -> str:
        return f"Model({self.header.system}, {', '.join(self.header.labels)}, {self.source!r})"


def takes_class(name: str | Path | Model) -> bool:
    """Whether a model is given names of classes; what is wrong with its own is said when it is loaded."""
    if isinstance(name, Model):
        return name.takes == "class"
    try:
        return catalog.card(weights.read_header(find(name)).system).takes == "class"
    except OcellusError:
        return False


def check_score(score: float) -> None:
    """See that a score to cut detections off at is one.

    Raises:
        OcellusError: it is not from 0 to 1. Exit code 2.
    """
    if not 0 <= score <= 1:
        raise OcellusError(f"--score {score:g} makes no sense: it takes a number from 0 to 1", exit_code=2)


def new_folder(kind: str, source: str) -> Path:
    """A folder in runs/ that is not there yet: runs/found-coins, runs/found-coins-2.

    Args:
        kind: what is to be put there, "found" or "evaluation".
        source: the model's file; best.safetensors is called after its run.
    """
    path = Path(source)
    stem = path.resolve().parent.name if path.name == "best.safetensors" else path.stem
    folder, number = Path("runs") / f"{kind}-{stem}", 2
    while folder.exists():
        folder, number = Path("runs") / f"{kind}-{stem}-{number}", number + 1
    return folder


def find(name: str | Path) -> Path:
    """The weights file that a name stands for.

    Args:
        name: a file, a run folder, a system whose weights are shipped ("see/unet": the first of them), or
            shipped weights ("see/unet:lungs", or the file's name, "unet-lungs"). What is on the disk under
            that name goes before what is shipped.

    Raises:
        OcellusError: nothing of that name.
    """
    path = Path(name)
    if path.is_dir() and (path / "best.safetensors").is_file():
        return path / "best.safetensors"
    if path.is_file():
        return path
    named = not path.is_dir() or len(path.parts) == 1  # a folder of pictures may be called as weights are
    if named and (found := find_shipped(str(name))):
        return found
    raise OcellusError(
        f"{name} is no model here: {near(path.name)}give a weights file, a folder of a run with "
        "best.safetensors, or a system or shipped weights as `ocellus list` shows"
    )


def looks_of(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of how a picture reaches a network, of the types that its Config declares.

    Args:
        path: of the weights.
        given: values by name; as text, numbers in it, with commas where there may be several.

    Raises:
        OcellusError: a value of another type. Exit code 2.
    """
    if not given:
        return {}
    hints = get_type_hints(catalog.system(weights.read_header(path).system).Config)
    known = {name: read_setting(name, value, hints[name]) for name, value in given.items() if name in hints}
    return {**given, **known}  # what there is not is refused where the names are known


def load(
    name: str | Path,
    *,
    device: str = "cpu",
    precision: str = "auto",
    fused: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """A model ready to use.

    Args:
        name: a weights file, a run folder, a system whose weights are shipped ("see/mask_rcnn"), or shipped
            weights ("see/unet:lungs").
        device: "cpu", "cuda", "cuda:1" or "mps".
        precision: "32", "bf16", or "auto": bf16 where the device multiplies it in hardware.
        fused: fold norms into convolutions, which is faster and answers the same; False keeps every layer,
            for fine-tuning and for explanations.
        settings: of how a picture reaches the network, in place of the file's: {"short_side": 512}.

    Raises:
        OcellusError: no such model or setting, a damaged file, or a device that is not there.
    """
    from ocellus.training.devices import choose_device, choose_precision

    path = find(name)
    network, header = weights.load(path, settings=looks_of(path, settings or {}))
    classes = getattr(getattr(network, "config", None), "classes", len(header.labels))
    if header.labels and len(header.labels) != classes:
        raise OcellusError(
            f"{path} is a network for {classes} classes with the names of {len(header.labels)}: "
            f"{', '.join(header.labels[:8])}; write it anew with as many names as classes"
        )
    place = choose_device(device)
    network = (fuse(network) if fused else network).to(place)
    return Model(
        network=network,
        header=header,
        source=str(path),
        device=place,
        precision=choose_precision(precision, place),
    )
