"""What every system promises, checked for each folder that holds a card.toml."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.training.settings import Fit
from ocellus.values import Picture

EVERYONE = [card.name for card in catalog.cards()]
METHODS = [card.name for card in catalog.cards() if card.verb == "explain"]  # they look at others' networks
NAMES = [name for name in EVERYONE if name not in METHODS]  # these bring a network of their own
OWN = [name for name in NAMES if name.startswith("explain/")]  # and these explain theirs
MAKERS = [card.name for card in catalog.cards() if card.verb == "generate"]  # they make pictures
VERBS = {"predict", "start+step", "explain", "generate"}
FOLDER = {"card.toml", "__init__.py", "config.py", "model.py", "loss.py", "inference.py", "recipe.py"}
FOLDER |= {"convert.py", "README.md", "__pycache__"}


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_flat_and_complete(name: str) -> None:
    folder = catalog.PACKAGE / name
    there = {path.name for path in folder.iterdir()}
    assert {"card.toml", "__init__.py", "config.py", "model.py", "README.md"} <= there
    assert there <= FOLDER, f"{name} holds {there - FOLDER}"
    # Names that do not fit into a line stand in one each.
    assert len((folder / "__init__.py").read_text().splitlines()) <= 10


@pytest.mark.parametrize("name", METHODS)
def test_folder_of_a_method_is_flat_and_complete(name: str) -> None:
    folder = catalog.PACKAGE / name
    there = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    assert {"card.toml", "__init__.py", "config.py", "method.py", "README.md"} <= there
    assert all((folder / entry).is_file() for entry in there)
    assert len((folder / "__init__.py").read_text().splitlines()) <= 10


@pytest.mark.parametrize("name", EVERYONE)
def test_card_is_complete(name: str) -> None:
    card = catalog.card(name)
    assert card.verb in VERBS
    assert card.title and card.paper and card.task and card.value and card.summary and card.licence
    assert card.takes in ("picture", "class")
    assert bool(card.data) == (card.verb == "generate")


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_flat_documented_and_apart(name: str) -> None:
    system = catalog.system(name)
    kinds = (system.Config, system.Train, Fit)
    check_settings(name, kinds)
    assert set(system.PREPROCESSING) <= {field.name for field in fields(system.Config)}


@pytest.mark.parametrize("name", [name for name in MAKERS if hasattr(catalog.system(name), "Run")])
def test_options_of_generation_are_flat_documented_and_apart(name: str) -> None:
    system = catalog.system(name)
    check_settings(name, (system.Config, system.Run))
    from ocellus.cli.run import options

    taken = {action.dest for action in options()._actions}
    assert not taken & {field.name for field in fields(system.Run)}, "flags of `ocellus run` already"


@pytest.mark.parametrize("name", METHODS)
def test_settings_of_a_method_are_flat_and_documented(name: str) -> None:
    check_settings(name, (catalog.system(name).Config,))


def check_settings(name: str, kinds: tuple[type, ...]) -> None:
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


@pytest.mark.parametrize("name", EVERYONE)
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
    inputs = inputs_of(name)
    with torch.no_grad():
        before, after = network(*inputs), again(*inputs)
    for a, b in zip(before, after, strict=True):
        assert a is None or torch.equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_same_output_type_in_train_and_eval(name: str) -> None:
    system = catalog.system(name)
    network = system.build(system.TINY)
    inputs = inputs_of(name, count=2)
    with torch.no_grad():
        assert type(network.train()(*inputs)) is type(network.eval()(*inputs))


def inputs_of(name: str, *, count: int = 1) -> tuple[torch.Tensor, ...]:
    """What the system's tiny network takes."""
    system = catalog.system(name)
    return system.example(system.TINY, count) if name in MAKERS else (torch.rand(count, 3, 64, 64),)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_made_are_pictures(name: str) -> None:
    system = catalog.system(name)
    torch.manual_seed(0)
    network = system.build(system.TINY).eval()
    inputs = inputs_of(name, count=2)
    with torch.no_grad():
        raw, alone = network(*inputs), network(*(entry[:1] for entry in inputs))
    assert raw._fields[0] == "pictures" and raw.pictures.ndim == 4 and len(raw.pictures) == 2
    assert raw.pictures.dtype == torch.float32
    assert float(raw.pictures.min()) >= 0 and float(raw.pictures.max()) <= 1
    assert torch.allclose(raw.pictures[:1], alone.pictures, atol=1e-4)  # no picture depends on its neighbours


@pytest.mark.parametrize("name", MAKERS)
def test_pictures_are_generated_of_any_size_or_of_classes(name: str) -> None:
    system, card = catalog.system(name), catalog.card(name)
    torch.manual_seed(0)
    network = system.build(system.TINY).eval()
    if card.takes == "class":
        names = tuple(f"class {number}" for number in range(system.TINY.classes))
        made = system.generate(network, "class 1", names=names)
        again = system.generate(network, "class 1", names=names)
        assert isinstance(made, tuple) and all(isinstance(one, Picture) for one in made)
        assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(made, again, strict=True))
        with pytest.raises(OcellusError, match="class 1"):
            system.generate(network, "class 7", names=names)
        return
    for size in ((37, 53), (64, 64)):
        picture = Picture(pixels=torch.randint(0, 256, (3, *size), dtype=torch.uint8))
        if getattr(system.TINY, "channels", 3) == 1:
            picture = Picture(pixels=picture.pixels, channels=picture.floats().mean(0, keepdim=True))
        with torch.inference_mode():
            made = system.generate(network, picture)
            again = system.generate(network, picture)
        assert isinstance(made, Picture) and torch.equal(made.pixels, again.pixels)
        assert made.size[0] % size[0] == 0 and made.size[0] // size[0] == made.size[1] / size[1]


@pytest.mark.parametrize(
    "name", [name for name in MAKERS if hasattr(catalog.system(name), "build_discriminator")]
)
def test_discriminator_is_saved_and_loaded_whole(name: str, tmp_path) -> None:
    system = catalog.system(name)
    torch.manual_seed(0)
    discriminator = system.build_discriminator(system.TINY)
    path = tmp_path / "discriminator.safetensors"
    weights.save(path, discriminator, weights.describe(name, system.TINY, part="discriminator"))
    again, header = weights.load(path, system=name)
    assert header.part == "discriminator" and type(again) is type(discriminator)
    for (key, a), b in zip(discriminator.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


# A style's recipe begins with a picture and a classifier's weights: its own tests give it both.
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "imagine/fast_style"])
def test_recipe_of_what_makes_pictures_tells_what_is_best(name: str) -> None:
    system = catalog.system(name)
    _, train, fit = system.PRESETS["tiny"]
    labels = LabelMap(tuple(f"class {number}" for number in range(getattr(system.TINY, "classes", 0))))
    recipe = system.Recipe(system.PRESETS["tiny"][0], train, fit, labels, None)
    assert isinstance(recipe.monitor, str) and isinstance(recipe.lower_is_better, bool)
    companions = recipe.companions() if hasattr(recipe, "companions") else {}
    kept = {id(parameter) for parameter in recipe.parameters()}
    for companion in companions.values():
        assert all(id(parameter) in kept for parameter in companion.parameters())
    product = {id(parameter) for parameter in recipe.network.parameters()}
    assert all(id(p) not in product for one in companions.values() for p in one.parameters())
    assert callable(recipe.samples)


class Toy(nn.Module):
    """A classifier of its own, with all that methods are known to stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 6, 3, padding=1)
        self.last = nn.Linear(6, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = F.max_pool2d(self.relu(self.norm(self.first(images))), 2)
        maps = self.relu(self.second(maps))
        return {"logits": self.last(maps.mean(dim=(2, 3)))}


HEAT = [name for name in METHODS if catalog.card(name).value == "Heatmap"]


@pytest.mark.parametrize("name", HEAT)
@pytest.mark.parametrize("caller", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_method_explains_a_picture_and_leaves_the_network_alone(name: str, caller: type) -> None:
    explain = catalog.system(name).explain
    torch.manual_seed(0)
    network = Toy().train()
    network.first.weight.requires_grad_(False)
    network.last.bias.grad = torch.ones(4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    picture = Picture(pixels=torch.randint(0, 256, (3, 40, 48), dtype=torch.uint8))
    with caller():
        heat = explain(network, picture)
        again = explain(network, picture.floats(), score=1)
    assert heat.size == again.size == picture.size and heat.picture is picture
    assert heat.values.isfinite().all() and heat.values.abs().sum() > 0
    assert not heat.values.requires_grad and not heat.values.is_inference()
    assert heat.target.startswith("class") and again.target == "class 1"
    assert heat.method == name.split("/")[1]
    assert heat.signed or heat.values.min() >= 0
    assert network.training and all(module.training for module in network.modules())
    assert all(not module._forward_hooks and not module._backward_hooks for module in network.modules())
    frozen = [key for key, parameter in network.named_parameters() if not parameter.requires_grad]
    assert frozen == ["first.weight"]
    graded = [key for key, parameter in network.named_parameters() if parameter.grad is not None]
    assert graded == ["last.bias"] and torch.equal(network.last.bias.grad, torch.ones(4))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", HEAT)
def test_method_refuses_what_it_cannot_explain(name: str) -> None:
    explain = catalog.system(name).explain
    for given, wanted in (
        ({"score": 4}, "class 4 .* the network has 4: 0 to 3"),
        ({"image": torch.zeros(3, 40, 48, dtype=torch.uint8)}, "uint8 .* floats"),
        ({"image": torch.zeros(2, 3, 40, 48)}, "2 pictures"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            explain(**{"network": Toy(), "image": torch.rand(3, 40, 48)} | given)


@pytest.mark.parametrize("name", OWN)
def test_system_explains_its_own_networks_and_no_others(name: str) -> None:
    system = catalog.system(name)
    check_settings(name, (system.Config, system.Train, Fit, system.Explain))
    network = system.build(system.TINY).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    picture = Picture(pixels=torch.randint(0, 256, (3, 40, 48), dtype=torch.uint8))
    heat = system.explain(network, picture, score=1, config=system.Explain())
    assert heat.size == picture.size and heat.method == name.split("/")[1] and "class 1" in heat.target
    assert heat.values.isfinite().all() and heat.values.abs().sum() > 0
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    with pytest.raises(OcellusError, match="not this Toy"):
        system.explain(Toy(), picture)


def test_every_method_has_one_signature() -> None:
    wanted = ["network", "image", "layer", "score", "preprocess", "config"]
    for name in HEAT + OWN:
        assert list(inspect.signature(catalog.system(name).explain).parameters) == wanted, name
