"""The classes that a model knows against those of a data set, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ocellus.data.dataset import Dataset
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model


def class_map(model: Model, dataset: Dataset, *, say: Callable[[str], None]) -> torch.Tensor:
    """(C,) the data set's label for each of the model's, by name; -1 where the data set has no such class.

    Raises:
        OcellusError: the data set has classes that the model does not know.
    """
    known, wanted = model.header.labels, dataset.labels.names
    if unknown := [name for name in wanted if name not in known]:
        raise OcellusError(
            f"{model.source} does not know {', '.join(unknown[:5])} ({len(unknown)} of the {len(wanted)} "
            f"classes of {dataset.root}); it knows {', '.join(known[:12])}. Train it on this data, or rename "
            "the classes"
        )
    if extra := [name for name in known if name not in wanted]:
        say(f"{len(extra)} classes of the model are not in the data and are left out: {', '.join(extra[:8])}")
    return torch.tensor([wanted.index(name) if name in wanted else -1 for name in known])
