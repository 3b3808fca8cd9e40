"""What all systems promise that give every pixel a class: one set of settings, the same checks."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from ocellus import catalog
from ocellus.data.dataset import Dataset, Record
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.segmentation_losses import balanced_class_weights, class_counts
from ocellus.training.settings import Fit
from ocellus.values import Picture

NAMES = [card.name for card in catalog.cards() if card.value == "Segmentation"]
LOSS = ("focal_gamma", "ohem_keep")
FAST = Fit(steps=4, batch_size=2, precision="32")


@dataclass(frozen=True)
class Stored:
    """A label map in a file."""

    path: Path

    def __call__(self) -> NDArray[np.uint8]:
        return np.load(self.path)


def dataset(folder: Path, *, names: tuple[str, ...] = ("ground", "spot"), channels: int = 3) -> Dataset:
    """Two pictures; the second has a larger spot than the first."""
    dice = np.random.default_rng(0)
    records = []
    for number in range(2):
        pixels = dice.integers(0, 256, (64, 64, 3), np.uint8)
        labels = np.zeros((64, 64), np.uint8)
        labels[: 4 + 28 * number, :16] = 1
        path = folder / f"{number}.png"
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(path)
        np.save(folder / f"{number}.npy", labels)
        label_map = Stored(folder / f"{number}.npy")
        records.append(Record(image=path, name=path.name, size=(64, 64), label_map=label_map))
    splits = {"train": tuple(records)}
    return Dataset(root=folder, format="masks", labels=LabelMap(names), splits=splits)


def text_of(kind: type, field: str) -> str:
    """What a class says of a field."""
    found = re.search(rf'^    {field}: [^\n]*\n    """(.*?)"""', inspect.getsource(kind), re.DOTALL | re.M)
    assert found is not None
    return " ".join(found[1].split())


def test_losses_are_set_by_the_same_names_with_the_same_defaults_and_words() -> None:
    kinds = [catalog.system(name).Train for name in NAMES]
    assert len(kinds) >= 4
    for field in ("loss", *LOSS):
        assert len({text_of(kind, field) for kind in kinds}) == 1, field
    for field in LOSS:
        assert len({getattr(kind(), field) for kind in kinds}) == 1, field
    assert not {field.name for kind in kinds for field in fields(kind)} & {"gamma", "keep"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", LOSS)
def test_settings_of_losses_reach_them(name: str, field: str, tmp_path: Path) -> None:
    system, data = catalog.system(name), dataset(tmp_path)
    kind = {"focal_gamma": "focal", "ohem_keep": "ohem"}[field]
    found = []
    for value in (0.01, 1.0):
        made = system.Recipe(
            system.TINY, replace(plain(system), loss=kind, **{field: value}), FAST, data.labels
        )
        found.append(made.training_step(batch_of(made, data), 0)["loss"].item())
    assert found[0] != found[1]


@pytest.mark.parametrize("name", NAMES)
def test_balanced_is_by_all_training_pixels(name: str, tmp_path: Path) -> None:
    """Not by those of a batch: what a pixel counts does not depend on what it is drawn together with."""
    system, data = catalog.system(name), dataset(tmp_path)
    made = system.Recipe(system.TINY, replace(plain(system), loss="balanced"), FAST, data.labels)
    assert made.class_weights is None
    batch = batch_of(made, data)
    maps = torch.stack([torch.from_numpy(record.label_map()) for record in data.splits["train"]]).long()
    wanted = balanced_class_weights(class_counts(maps, classes=2))
    torch.testing.assert_close(made.class_weights, wanted)
    found = made.training_step(batch, 0)["loss"].item()
    made.class_weights = balanced_class_weights(class_counts(batch.maps[:1], classes=2))
    assert abs(made.training_step(batch, 0)["loss"].item() - found) > 1e-4 * found  # and they are used


@pytest.mark.parametrize("name", NAMES)
def test_presets_take_other_channels_with_one_setting(name: str, tmp_path: Path) -> None:
    system, data = catalog.system(name), dataset(tmp_path, channels=1)
    for preset, (config, _, _) in system.PRESETS.items():
        found = system.adapt(replace(config, channels=1), data, pretrained=True)
        assert found.channels == 1 and len(found.mean) == len(found.std) == 1
        assert found.mean[0] == pytest.approx(sum(config.mean) / len(config.mean))
        assert system.adapt(found, data, pretrained=True) == found  # as a resumed run does
        with torch.device("meta"):
            system.build(found)
        if preset == "tiny":
            picture = Picture(pixels=torch.zeros(3, 40, 50, dtype=torch.uint8))
            assert system.predict(system.build(found), picture).size == (40, 50)
        same = system.adapt(config, dataset(tmp_path), pretrained=True)
        assert (same.mean, same.std) == (config.mean, config.std)


@pytest.mark.parametrize("name", NAMES)
def test_no_more_classes_than_a_label_map_holds(name: str, tmp_path: Path) -> None:
    """Indices are bytes, and 255 is no class: the 256th would be taken for the first, or for nothing."""
    system = catalog.system(name)
    many = tuple(f"class {index}" for index in range(256))
    with pytest.raises(OcellusError, match="256 classes; a label map of 8 bits holds 255"):
        system.adapt(system.TINY, dataset(tmp_path, names=many), pretrained=True)
    assert system.adapt(system.TINY, dataset(tmp_path, names=many[:255]), pretrained=True).classes == 255
    with pytest.raises(OcellusError, match=r"is 256; it must be|scores 256 classes"):
        network = system.build(replace(system.TINY, classes=256))
        system.predict(network, Picture(pixels=torch.zeros(3, 40, 40, dtype=torch.uint8)))


def plain(system: Any) -> Any:
    """A Train of pictures as they are."""
    given = {field.name for field in fields(system.Train)}
    nothing = {"flip": 0.0, "rotate": 0.0, "scale_low": 1.0, "scale_high": 1.0, "crop": 0, "color": 0.0}
    return replace(
        system.Train(), **{name: value for name, value in {**nothing, "paste": 0.0}.items() if name in given}
    )


def batch_of(made: Any, data: Dataset) -> Any:
    """Both pictures; the same dice for what a network drops."""
    examples = made.examples(data, "train")
    made.network.eval()
    return made.collate([examples[0, index] for index in range(2)])
