"""The subject of a picture as a soft mask, by any model with masks."""

from __future__ import annotations

from difflib import get_close_matches

import torch
from torch import Tensor

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model
from ocellus.values import Instances, Picture, Segmentation

BACKGROUND = "background"
PERSON = "person"


def subject_label(model: Model, subject: str = "") -> int:
    """The label of a class by name, or of the one that is meant where none is given.

    Args:
        model: with masks.
        subject: a class's name; empty: person, or the only class there is beside the background.

    Raises:
        OcellusError: the model has no masks, no such class, or several and none was named; the message names
            the nearest. Exit code 2.
    """
    see_masks(model)
    names = model.header.labels
    if subject:
        if subject in names:
            return names.index(subject)
        near = get_close_matches(subject, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(names[:12])}"
        raise OcellusError(f"{model.source} knows no {subject!r}: {hint}", exit_code=2)
    choices = [name for name in names if name != BACKGROUND]
    if PERSON in names or len(choices) == 1:
        return names.index(PERSON if PERSON in names else choices[0])
    raise OcellusError(
        f"{model.source} knows {', '.join(choices[:12])}: say with --subject which of them", exit_code=2
    )


def see_masks(model: Model) -> None:
    """See that a model says which pixels something covers.

    Raises:
        OcellusError: it does not. Exit code 2.
    """
    value = catalog.card(model.header.system).value
    boxes_only = value == "Instances" and not getattr(model.header.settings(), "mask_branch", True)
    if value not in ("Segmentation", "Instances") or boxes_only:
        kind = f"{model.header.system} without masks" if boxes_only else model.header.system
        raise OcellusError(
            f"{model.source} is of {kind}, which does not say which pixels something covers: give a "
            "model with masks, such as imagine/portrait, see/unet or see/mask_rcnn",
            exit_code=2,
        )


def subject_mask(model: Model, picture: Picture, label: int, *, score: float = 0.5) -> Tensor:
    """How surely each place is of the subject.

    A system that has a function `soft_mask` gives it at the size its network looks at; others give it at the
    picture's.

    Args:
        model: with masks.
        picture: to look at.
        label: of the subject's class.
        score: objects below it are left out.

    Returns:
        (h, w) float32 in [0, 1], on the CPU.
    """
    system = catalog.system(model.header.system)
    if hasattr(system, "soft_mask"):
        with torch.inference_mode(), model.autocast():
            quick: Tensor = system.soft_mask(model.network, picture, label=label)
        return quick.float().cpu()
    if catalog.card(model.header.system).value == "Segmentation":
        found: Segmentation = model(picture, probabilities=True)
        return found.alpha(label).cpu()
    objects: Instances = model(picture)
    chosen = objects.labels == label
    if objects.scores is not None:
        chosen = chosen & (objects.scores >= score)
    objects = objects[chosen]
    if objects.masks is None or not len(objects):
        return torch.zeros(picture.size)
    return objects.masks.dense().any(0).float()
