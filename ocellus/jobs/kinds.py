"""Kinds of answers, objects or classes of pixels or pictures: where that which differs is done.

A system's card names the type of its value; everything in `jobs` that depends on it is in the modules named
here, with the same functions in each, imported when they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ocellus import catalog
from ocellus.data.dataset import Dataset
from ocellus.data.read import read
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

    view: Literal["objects", "classes", "labels"]
    wants: str
    measuring: str
    showing: str

    def measure(self) -> ModuleType:
        """With `Measure(model, dataset, records, ...)`."""
        return import_module(f"ocellus.jobs.{self.measuring}")

    def show(self) -> ModuleType:
        """With `kept`, `summary`, `details`, `draw`; of classes of pixels `write_labels`, too."""
        return import_module(f"ocellus.jobs.{self.showing}")


KINDS = {
    "Instances": Kind(view="objects", wants="objects", measuring="evaluate_objects", showing="found_objects"),
    "Segmentation": Kind(
        view="classes", wants="a class for every pixel", measuring="evaluate_pixels", showing="found_pixels"
    ),
    "Classification": Kind(
        view="labels", wants="a class for every picture", measuring="evaluate_labels", showing="found_labels"
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
    return KINDS[card.value]


def kind_of_value(value: Any) -> Kind:
    """The kind of an answer itself."""
    return KINDS[type(value).__name__]


def dataset_for(data: Dataset | str | Path, system: str, *, val_fraction: float = 0.2) -> Dataset:
    """A data set as a system needs it, read where it is named only.

    Raises:
        OcellusError: it cannot be read, or was read as another kind needs it.
    """
    kind = kind_of(system)
    if not isinstance(data, Dataset):
        return read(data, val_fraction=val_fraction, view=kind.view)
    if data.view != kind.view and len(data):
        raise OcellusError(
            f"{system} learns {kind.wants}, and {data.root} was read otherwise: give "
            f'ocellus.read(path, view="{kind.view}")'
        )
    return data
