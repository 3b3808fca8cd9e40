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


class Last(nn.Module):
    """A network that keeps channels last, and attends to places; or its twin that keeps them first."""

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last = last
        self.begin, self.middle, self.end = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 20), nn.Linear(20, 5)
        self.blocks, self.softmax = nn.Identity(), nn.Softmax(dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.begin(images).permute(0, 2, 3, 1)  # (B, h, w, 6)
        tokens = maps.flatten(1, 2)
        shares = self.softmax((tokens @ tokens.mT)[:, None])  # (B, 1, tokens, tokens)
        maps = self.middle((shares[:, 0] @ tokens).unflatten(1, maps.shape[1:3])).relu()
        maps = self.blocks(maps * 1 if self.last else maps.permute(0, 3, 1, 2) * 1)
        return self.end(maps.mean(dim=(1, 2) if self.last else (2, 3)))


def test_channels_may_come_last_and_attention_is_no_map() -> None:
    from ocellus.explain import gradcam
    from ocellus.nn.features import layer_features
    from ocellus.nn.subject import subject_of

    last, first = Last(last=True).eval(), Last(last=False).eval()
    assert torch.allclose(last(image(32)), first(image(32)), atol=1e-6)
    assert last_spatial_layer(last, image(32), score=class_score(2)) == "middle"
    heats = [gradcam.explain(network, image(32), layer="middle", score=3).values for network in (last, first)]
    assert torch.allclose(*heats, atol=1e-8) and heats[0].max() > 0
    own, twin = (gradcam.explain(one, image(32), layer="blocks", score=3).values for one in (last, first))
    assert torch.allclose(own, twin, atol=1e-8) and own.max() > 0
    rows = [layer_features(one, subject_of(one, image(32)), layer="blocks") for one in (last, first)]
    assert torch.allclose(*rows, atol=1e-6) and rows[0].shape == (1, 20)


def test_an_activation_behind_a_step_that_does_nothing_is_found() -> None:
    """As in timm's norms: Identity where there is no dropout, then a ReLU in place."""

    class Norm(nn.BatchNorm2d):
        def __init__(self) -> None:
            super().__init__(6)
            self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

        def forward(self, values: Tensor) -> Tensor:
            return self.act(self.drop(super().forward(values)))

    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), Norm(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)
    )
    assert last_spatial_layer(network, image(32), score=class_score(0)) == "1"


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet10t", "layer4"), ("efficientnet_lite0", "bn2"), ("convnext_atto", "stages")],
)
def test_those_of_timm(name: str, layer: str) -> None:
    timm = pytest.importorskip("timm")
    network = timm.create_model(name, num_classes=5).eval()
    assert last_spatial_layer(network, image(96), score=class_score(0)) == layer
