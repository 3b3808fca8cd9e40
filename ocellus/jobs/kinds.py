"""Kinds of answers, objects or classes of pixels or pictures: where that which differs is done.

A system's card names the type of its value; everything in `jobs` that depends on it is in the modules named
here, with the same functions in each, imported when they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ocellus import catalog
from ocellus.data.dataset import Dataset
from ocellus.data.read import View, read
from ocellus.errors import OcellusError


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What depends on the type of a system's value.

    Args:
        view: how a data set is read for it.
        wants: what it needs of a data set, in words.
        measuring: the module that measures it.
        showing: the module that puts it into lines, JSON and drawings.
    """

    view: View
    wants: str
    measuring: str
    showing: str

    @property
    def generates(self) -> bool:
        """Whether the answer is a picture that was made."""
        return self.measuring == "evaluate_pictures"

    def measure(self) -> ModuleType:
        """With `Measure(model, dataset, records, ...)`; of pictures that are made with `measured`."""
        return import_module(f"ocellus.jobs.{self.measuring}")

    def show(self) -> ModuleType:
        """With `kept`, `summary`, `details`, `draw`; of classes of pixels `write_labels`, too."""
        return import_module(f"ocellus.jobs.{self.showing}")


WANTS: dict[str, str] = {
    "pictures": "pictures",
    "pairs": "pairs of pictures",
    "domains": "pictures of two domains",
    "labels": "a class for every picture",
}
"""What a view of data holds, in words."""

KINDS = {
    "Instances": Kind(view="objects", wants="objects", measuring="evaluate_objects", showing="found_objects"),
    "Segmentation": Kind(
        view="classes", wants="a class for every pixel", measuring="evaluate_pixels", showing="found_pixels"
    ),
    "Classification": Kind(
        view="labels", wants=WANTS["labels"], measuring="evaluate_labels", showing="found_labels"
    ),
    "Picture": Kind(
        view="pictures", wants=WANTS["pictures"], measuring="evaluate_pictures", showing="found_pictures"
    ),
}
"""By the name of the value's type."""


@lru_cache(maxsize=64)
def kind_of(system: str) -> Kind:
    """The kind of answer that a system gives.

    Raises:
        OcellusError: no such system, or its value is not one that these commands know. Exit code 2.
    """
    card = catalog.card(system)
    if card.value not in KINDS:
        raise OcellusError(
            f"{system} answers with {card.value}; this command knows {' and '.join(KINDS)}", exit_code=2
        )
    kind = KINDS[card.value]
    if not kind.generates:
        return kind
    view: Any = card.data or kind.view
    return replace(kind, view=view, wants=WANTS[view])


def view_for(system: str, config: Any) -> View:
    """How a data set is read for a network of a system.

    A system may learn from pairs, or make its pairs of pictures alone: its module's `view(config)` says so.
    """
    module = catalog.system(system)
    return module.view(config) if hasattr(module, "view") else kind_of(system).view


def kind_of_value(value: Any) -> Kind:
    """The kind of an answer itself."""
    return KINDS[type(value).__name__]


def dataset_for(
    data: Dataset | str | Path, system: str, *, val_fraction: float = 0.2, config: Any = None
) -> Dataset:
    """A data set as a system needs it, read where it is named only.

    Args:
        data: a data set, or what `ocellus.read` takes.
        system: that is to learn from it or to be measured on it.
        val_fraction: as of `ocellus.read`.
        config: the network's, for systems that can do with several views; None: the system's usual view.

    Raises:
        OcellusError: it cannot be read, or was read as another kind needs it.
    """
    view = kind_of(system).view if config is None else view_for(system, config)
    if not isinstance(data, Dataset):
        return read(data, val_fraction=val_fraction, view=view)
    if data.view != view and len(data):
        wants = WANTS[view] if kind_of(system).generates else kind_of(system).wants
        raise OcellusError(
            f"{system} learns {wants}, and {data.root} was read otherwise: give "
            f'ocellus.read(path, view="{view}")'
        )
    return data
