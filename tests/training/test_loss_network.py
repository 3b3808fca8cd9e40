"""Features of a loss network against torchvision's own layers: the published SqueezeNet, a random VGG."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn

from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.training.loss_network import LossNetwork

SYSTEM = "see/classifier"


def ours_of(network: nn.Module, path: Path) -> Path:
    """A torchvision network as a weights file of ours."""
    system = catalog.system(SYSTEM)
    config, state, labels = system.import_state(network.state_dict())
    made = system.build(config)
    weights.load_state(made, state, source="torchvision")
    weights.save(path, made, weights.describe(SYSTEM, config, labels=labels.names))
    return path


def normalized(images: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images - mean[:, None, None]) / std[:, None, None]


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    theirs = torchvision.models.VGG(
        torchvision.models.vgg.make_layers(
            [8, 8, "M", 16, 16, "M", *[32] * 3, "M", *[64] * 3, "M", *[64] * 3, "M"]
        ),
        num_classes=5,
    )
    theirs.classifier = nn.Sequential(
        nn.Linear(64 * 49, 8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(8, 8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(8, 5),
    )
    return theirs.eval(), ours_of(theirs, tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


def test_layers_of_vgg_are_those_of_torchvision(vgg: tuple[nn.Module, Path]) -> None:
    """Places of relu1_2, relu2_2, relu3_3, relu4_3 and conv5_1 in torchvision's list of modules."""
    theirs, path = vgg
    places = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "conv5_1": 24}
    network = LossNetwork.load(path, tuple(places))
    images = torch.rand(2, 3, 40, 48)
    found = network.features(images)
    assert list(found) == list(places)
    for name, place in places.items():
        wanted = theirs.features[: place + 1](normalized(images))
        assert torch.allclose(found[name], wanted, rtol=1e-4, atol=1e-5), name
    assert (found["conv5_1"] < 0).any() and (found["relu4_3"] >= 0).all()


def test_layers_of_squeezenet_are_those_of_torchvision(tmp_path: Path) -> None:
    theirs = torchvision.models.squeezenet1_0(num_classes=4).eval()
    network = LossNetwork.load(ours_of(theirs, tmp_path / "squeezenet.safetensors"))
    assert network.names == ("relu1", *(f"fire{number}" for number in range(2, 10)))
    places = {"relu1": 1, "fire2": 3, "fire4": 5, "fire5": 7, "fire8": 10, "fire9": 12}
    images = torch.rand(1, 3, 64, 72)
    found = network.features(images)
    for name, place in places.items():
        wanted = theirs.features[: place + 1](normalized(images))
        assert torch.allclose(found[name], wanted, rtol=1e-4, atol=1e-5), name


def test_published_squeezenet_is_read_with_its_own_preparation(shared: Path, tmp_path: Path) -> None:
    theirs = torchvision.models.squeezenet1_0()
    theirs.load_state_dict(torch.load(shared / "data/weights/squeezenet1_0.pt", weights_only=True))
    network = LossNetwork.load(ours_of(theirs, tmp_path / "squeezenet.safetensors"), ("fire4",))
    images = torch.rand(1, 3, 64, 64)
    bytes_less_mean = 255 * images.flip(1) - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    wanted = theirs.eval().features[:6](bytes_less_mean)
    assert torch.allclose(network.features(images)["fire4"], wanted, rtol=1e-3, atol=1e-2)


def test_resnets_have_stages(tmp_path: Path) -> None:
    system = catalog.system(SYSTEM)
    network = system.build(system.Config(classes=3, depth=18, width=8)).eval()
    path = tmp_path / "resnet.safetensors"
    weights.save(path, network, weights.describe(SYSTEM, network.config, labels=("a", "b", "c")))
    found = LossNetwork.load(path).features(torch.rand(1, 3, 64, 64))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "stage1": (1, 8, 16, 16),
        "stage2": (1, 16, 8, 8),
        "stage3": (1, 32, 4, 4),
        "stage4": (1, 64, 2, 2),
    }


def test_gradients_reach_the_picture_and_nothing_else(vgg: tuple[nn.Module, Path]) -> None:
    network = LossNetwork.load(vgg[1], ("relu1_2", "relu3_3"))
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(features.sum() for features in network.features(images).values()).backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.network.parameters())
    # What lies behind the last layer is not computed: it could not be, of so small a picture.
    assert network.features(torch.rand(1, 3, 4, 4), layers=("relu3_1",))["relu3_1"].shape[2:] == (1, 1)


def test_grey_pictures_are_looked_at_in_grey(vgg: tuple[nn.Module, Path]) -> None:
    network = LossNetwork.load(vgg[1], ("relu2_2",))
    grey = torch.rand(1, 1, 32, 32)
    wanted = network.features(grey.repeat(1, 3, 1, 1))["relu2_2"]
    assert torch.allclose(network.features(grey)["relu2_2"], wanted)


def test_embedding_is_the_mean_of_the_last_features(vgg: tuple[nn.Module, Path]) -> None:
    network = LossNetwork.load(vgg[1])
    images = torch.rand(2, 3, 48, 32)
    wanted = network.features(images)["relu5_3"].mean(dim=(2, 3))
    assert torch.allclose(network.embed(images), wanted) and not network.embed(images).requires_grad


def test_what_is_no_loss_network_is_refused(vgg: tuple[nn.Module, Path], tmp_path: Path) -> None:
    with pytest.raises(
        OcellusError, match=r"nothing.safetensors is not there.*ocellus import see/classifier"
    ):
        LossNetwork.load(tmp_path / "nothing.safetensors")
    with pytest.raises(OcellusError, match="no layer 'relu3_4': did you mean relu3_3"):
        LossNetwork.load(vgg[1], ("relu3_4",))
    with pytest.raises(OcellusError, match="32x8 pixels, too small for relu5_3"):
        LossNetwork.load(vgg[1]).check_size((8, 32), what="style.png")
    system = catalog.system("see/unet")
    path = tmp_path / "unet.safetensors"
    weights.save(path, system.build(system.TINY), weights.describe("see/unet", system.TINY))
    with pytest.raises(OcellusError, match="of see/unet, not of see/classifier"):
        LossNetwork.load(path)
    with pytest.raises(OcellusError, match="a loss network is a classifier"):
        LossNetwork(nn.Linear(2, 2))


def test_torchvision_fetches_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = torchvision.models.squeezenet1_1().eval()
    asked = []

    def fetch(url: str, **options: object) -> dict[str, Tensor]:
        asked.append((url, options))
        return theirs.state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    network = LossNetwork.load("torchvision:squeezenet1_1", ("fire5",))
    ((url, options),) = asked
    assert "squeezenet1_1" in url
    assert options["weights_only"] and options["check_hash"]
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = theirs.features[:8](normalized(images))
    torch.testing.assert_close(network.features(images)["fire5"], wanted, rtol=1e-4, atol=1e-5)


def test_torchvision_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, **options: object) -> dict[str, Tensor]:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    with pytest.raises(OcellusError, match=r"weights of vgg16 cannot be fetched.*vgg16-.*ocellus import"):
        LossNetwork.load("torchvision:vgg16")
    with pytest.raises(OcellusError, match="no classifier 'vgg'"):
        LossNetwork.load("torchvision:vgg")
