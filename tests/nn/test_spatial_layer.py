"""Which layer is looked at where none is named."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.nn.scores import box_score, class_score, top
from ocellus.nn.spatial_layer import last_spatial_layer
from tests.explain.networks import Written, image, random_network

# The layer that each network's literature takes: before the pooling, before the classes.
KNOWN = {"resnet18": "layer4", "vgg11": "features.19", "squeezenet1_0": "features"}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("score", [None, class_score(3), top()])
def test_torchvision(name: str, score: object) -> None:
    assert last_spatial_layer(random_network(name), image(), score=score) == KNOWN[name]


@pytest.mark.parametrize(("name", "wanted"), [("mobilenet_v2", "features"), ("densenet121", "features")])
def test_others_of_torchvision(name: str, wanted: str) -> None:
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(num_classes=5)
    network.to_empty(device="cpu").eval()
    for tensor in (*network.parameters(), *network.buffers()):
        nn.init.ones_(tensor)
    assert last_spatial_layer(network, image(64)) == wanted


def test_functional_relus_leave_the_norm() -> None:
    assert last_spatial_layer(Written("functional"), image(32)) == "convs.2"
    assert last_spatial_layer(Written("modules"), image(32)) == "relus.2"


def test_only_what_the_score_depends_on() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 6, 3)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return self.used(images).mean(dim=(2, 3)), self.unused(images).mean(dim=(2, 3))

    assert last_spatial_layer(Two(), image(16)) == "unused"
    assert last_spatial_layer(Two(), image(16), score=class_score(0)) == "used"


def test_no_such_layer() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    with pytest.raises(OcellusError, match="no layer of this Sequential puts out a map") as caught:
        last_spatial_layer(network, image(8), score=class_score(0))
    assert caught.value.exit_code == 2

    class Cut(Written):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).detach() + F.adaptive_avg_pool2d(images, 1).sum()

    with pytest.raises(OcellusError, match="that the answer depends on; name one"):
        last_spatial_layer(Cut("functional"), image(16), score=class_score(0))


def test_detectors_end_before_their_regions() -> None:
    system = catalog.system("see/mask_rcnn")
    network = system.build(system.TINY)
    assert last_spatial_layer(network, torch.rand(1, 3, 64, 64), score=box_score(0)) == "pyramid"


@pytest.mark.parametrize("name", [card.name for card in catalog.cards() if card.value == "Segmentation"])
def test_segmenters_do_not_end_at_their_answer(name: str) -> None:
    system = catalog.system(name)
    network = system.build(system.TINY).eval()
    images = torch.rand(1, 3, 96, 96)
    found = last_spatial_layer(network, images, score=top())
    with torch.no_grad():
        classes = network(images).logits.shape[1]
    last = [module for module in network.get_submodule(found).modules() if isinstance(module, nn.Conv2d)]
    assert not last or last[-1].out_channels != classes
