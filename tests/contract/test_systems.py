"""What every system promises, checked for each folder that holds a card.toml."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest
import torch

from ocellus import catalog, weights
from ocellus.training.settings import Fit

NAMES = [card.name for card in catalog.cards()]
VERBS = {"predict", "start+step", "explain", "generate"}
FOLDER = {"card.toml", "__init__.py", "config.py", "model.py", "loss.py", "inference.py", "recipe.py"}
FOLDER |= {"convert.py", "README.md", "__pycache__"}


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_flat_and_complete(name: str) -> None:
    folder = catalog.PACKAGE / name
    there = {path.name for path in folder.iterdir()}
    assert {"card.toml", "__init__.py", "config.py", "model.py", "README.md"} <= there
    assert there <= FOLDER, f"{name} holds {there - FOLDER}"
    assert len((folder / "__init__.py").read_text().splitlines()) <= 10


@pytest.mark.parametrize("name", NAMES)
def test_card_is_complete(name: str) -> None:
    card = catalog.card(name)
    assert card.verb in VERBS
    assert card.title and card.paper and card.task and card.value and card.summary and card.licence


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_flat_documented_and_apart(name: str) -> None:
    system = catalog.system(name)
    kinds = (system.Config, system.Train, Fit)
    source = (catalog.PACKAGE / name / "config.py").read_text(encoding="utf-8")
    seen: set[str] = set()
    for kind in kinds:
        assert is_dataclass(kind) and kind.__dataclass_params__.frozen
        for field in fields(kind):
            assert isinstance(field.default, (bool, int, float, str, tuple)), f"{kind.__name__}.{field.name}"
            assert field.name not in seen, f"{field.name} is in two of Config, Train and Fit"
            seen.add(field.name)
            if kind is not Fit:
                after = source.split(f"    {field.name}: ", 1)[1].split("\n", 1)[1]
                assert after.lstrip().startswith('"""'), f"{field.name} has no line of text"
    assert set(system.PREPROCESSING) <= {field.name for field in fields(system.Config)}


@pytest.mark.parametrize("name", NAMES)
def test_settings_import_nothing_heavy(name: str) -> None:
    module = "ocellus." + name.replace("/", ".")
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'lightning')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_running_a_model_imports_no_lightning(name: str) -> None:
    module = "ocellus." + name.replace("/", ".")
    verb = catalog.card(name).verb.split("+")[0]
    code = (
        f"import sys, {module} as system, ocellus.jobs.model; system.build(system.TINY); system.{verb}\n"
        "sys.exit('lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_tiny_network_is_saved_and_loaded_whole(name: str, tmp_path) -> None:
    system = catalog.system(name)
    torch.manual_seed(0)
    network = system.build(system.TINY).eval()
    labels = tuple(f"class {index}" for index in range(getattr(system.TINY, "classes", 1)))
    path = tmp_path / "tiny.safetensors"
    weights.save(path, network, weights.describe(name, system.TINY, labels=labels))
    again, header = weights.load(path, system=name)
    assert header.settings() == system.TINY and header.labels == labels
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before, after = network(images), again(images)
    for a, b in zip(before, after, strict=True):
        assert a is None or torch.equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_same_output_type_in_train_and_eval(name: str) -> None:
    system = catalog.system(name)
    network = system.build(system.TINY)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert type(network.train()(images)) is type(network.eval()(images))
