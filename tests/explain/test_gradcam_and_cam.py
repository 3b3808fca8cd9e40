"""Grad-CAM and CAM: what they are to each other and to the score, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.explain import cam, deconvnet, gradcam, guided_backprop, guided_gradcam, occlusion, saliency
from ocellus.explain.cam.method import cam_maps
from ocellus.explain.gradcam.method import gradcam_maps
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import as_score, class_score, output_score, region_score
from ocellus.nn.subject import subject_of
from ocellus.values import Picture
from tests.explain.networks import SIZE, Written, image, photograph, random_network, relative, squeezenet


def both(network: nn.Module, images: Tensor, score: object) -> tuple[Tensor, Tensor, str, Tensor]:
    """CAM and Grad-CAM of the layer that CAM names, and the score."""
    with untouched(network):
        subject = subject_of(network, images)
        maps, answer, layer = cam_maps(network, subject, as_score(score))
        other, _ = gradcam_maps(network, subject, answer.settled, layer=layer, weights="mean")
        return maps, other, layer, answer.values.detach()


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer4"), ("squeezenet1_0", "classifier.2"), ("shufflenet", "conv5")]
)
def test_cam_is_gradcam_times_the_places(name: str, layer: str) -> None:
    if name == "shufflenet":  # averages by `x.mean([2, 3])`
        torch.manual_seed(2)
        network = torchvision.models.shufflenet_v2_x0_5(num_classes=20).eval()
    else:
        network = random_network(name)
    images = torch.cat([image(96), image(96, seed=1)])
    maps, other, found, _ = both(network, images, class_score(torch.tensor([4, 7])))
    assert found == layer
    assert maps.shape[1] > 1
    assert relative(other * maps[0].numel(), maps) < 1e-5


def test_cam_adds_up_to_the_score() -> None:
    network = random_network("resnet18")
    maps, _, _, score = both(network, image(), 4)
    torch.testing.assert_close(maps.mean(dim=(1, 2)) + network.fc.bias[4], score)
    squeeze = random_network("squeezenet1_0")
    maps, _, _, score = both(squeeze, image(96), 4)
    torch.testing.assert_close(maps.mean(dim=(1, 2)), score)


def test_cam_of_real_weights(shared: Path) -> None:
    network, images = squeezenet(shared), photograph(shared, "n03445777.jpg")
    maps, other, layer, score = both(network, images, None)
    assert layer == "classifier.2" and maps.shape == (1, 13, 13)
    assert relative(other * 169, maps) < 1e-5
    torch.testing.assert_close(maps.mean(dim=(1, 2)), score)
    heat = cam.explain(network, images)
    assert heat.target == "class 574"  # a golf ball, in the middle of its picture
    x1, y1, x2, y2 = heat.box(0.5).tolist()
    assert x1 < 113 < x2 and y1 < 113 < y2 and (x2 - x1) * (y2 - y1) < 0.4 * 227 * 227


def test_cam_finds_the_pooling_however_it_is_written() -> None:
    class Written2(Written):
        def __init__(self, pooling: str) -> None:
            super().__init__("functional")
            self.pooling = pooling
            self.single = nn.Conv2d(12, 5, 1)
            with torch.no_grad():
                self.single.weight.copy_(self.last.weight[:, :, None, None])
                self.single.bias.copy_(self.last.bias)

        def forward(self, images: Tensor) -> Tensor:
            maps = F.relu(self.norm(self.convs[1](F.relu(self.convs[0](images)))))
            if self.pooling == "whole window":
                return self.last(F.avg_pool2d(maps, maps.shape[2:]).flatten(1))
            if self.pooling == "keepdim":
                return self.last(maps.mean((-2, -1), keepdim=True).squeeze(3).squeeze(2))
            if self.pooling == "1x1 convolution":
                return self.single(F.adaptive_avg_pool2d(maps, 1)).flatten(1)
            return self.last(F.dropout(torch.mean(maps, dim=(2, 3)), 0.5, self.training))

    found = [
        cam.explain(Written2(pooling), image(32), score=2)
        for pooling in ("whole window", "keepdim", "1x1 convolution", "dropout")
    ]
    assert all(relative(heat.values, found[0].values) < 1e-5 for heat in found)
    assert found[0].layer == ""  # a functional ReLU made the map: no layer has it
    assert found[0].signed


def test_cam_refuses_other_ends() -> None:
    for network in (random_network("vgg11"), nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5))):
        with pytest.raises(OcellusError, match=r"ends in global average pooling .* use explain/gradcam"):
            cam.explain(network, image(), score=1)
    segmenter = nn.Conv2d(3, 5, 3)
    with pytest.raises(OcellusError, match="CAM explains the score of a class"):
        cam.explain(segmenter, image(), score=region_score(1, box=(2, 2, 8, 8)))


def test_parts_of_the_map() -> None:
    network, layer = Written("functional").eval(), "convs.1"
    most, least, signed = (
        gradcam.explain(network, image(32), score=1, layer=layer, config=gradcam.Config(part=part))
        for part in ("positive", "negative", "both")
    )
    assert signed.signed and not most.signed and not least.signed
    assert signed.values.min() < 0 < signed.values.max()
    assert most.values.min() >= 0 and least.values.min() >= 0
    # The paper cuts at the layer's resolution, before the map is enlarged.
    with untouched(network):
        maps, _ = gradcam_maps(network, subject_of(network, image(32)), class_score(1), layer=layer)
    for heat, sign in ((most, 1), (least, -1)):
        large = F.interpolate((sign * maps)[:, None].clamp(min=0), size=(32, 32), mode="bilinear")[0, 0]
        torch.testing.assert_close(heat.values, large)
    with pytest.raises(OcellusError, match="part is 'all'; it is positive, negative or both"):
        gradcam.explain(network, image(32), config=gradcam.Config(part="all"))
    with pytest.raises(OcellusError, match="weights is 'max'; it is auto, mean or place"):
        gradcam.explain(network, image(32), config=gradcam.Config(weights="max"))


def test_what_speaks_against_is_what_would_speak_for_the_opposite() -> None:
    """The paper's counterfactual: the same map of the negated score (section 3.3)."""
    network = Written("functional").eval()
    opposite = output_score(lambda logits: -logits[:, 1])
    wanted = gradcam.explain(network, image(32), score=opposite, layer="convs.1").values
    against = gradcam.Config(part="negative")
    found = gradcam.explain(network, image(32), score=1, layer="convs.1", config=against)
    assert relative(found.values, wanted) < 1e-6


def test_where_places_are_averaged_both_weights_are_one() -> None:
    network = random_network("resnet18")
    with untouched(network):
        subject = subject_of(network, image())
        mean, _ = gradcam_maps(network, subject, class_score(1), layer="layer4", weights="mean")
        place, _ = gradcam_maps(network, subject, class_score(1), layer="layer4", weights="place")
        assert relative(place, mean) < 1e-5
        mean, _ = gradcam_maps(network, subject, class_score(1), layer="layer2", weights="mean")
        place, _ = gradcam_maps(network, subject, class_score(1), layer="layer2", weights="place")
        assert relative(place, mean) > 0.1


def test_a_pyramid_is_added_up() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.levels = Levels()
            self.last = nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            fine, coarse = self.levels(images)
            return self.last(torch.cat([fine.mean(dim=(2, 3)), coarse.mean(dim=(2, 3))], dim=1))

    class Levels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 2, 2)

        def forward(self, images: Tensor) -> list[Tensor]:
            fine = self.first(images)
            return [fine, self.second(fine)]

    network = Pyramid()
    with untouched(network):
        maps, answer = gradcam_maps(network, subject_of(network, image(16)), class_score(1), layer="levels")
    assert maps.shape == (1, 8, 8)
    # Each cell has its share of the score: all of them add up to it, but for the bias.
    torch.testing.assert_close(maps.sum() + network.last.bias[1], answer.values[0])


@pytest.mark.parametrize("method", [gradcam, guided_gradcam])
def test_layers_that_cannot_be_looked_at(method: object) -> None:
    network = random_network("resnet18")
    with pytest.raises(OcellusError, match="no layer 'layer5' in this ResNet; there is layer4"):
        method.explain(network, image(), layer="layer5")
    for layer, shape in (("fc", r"\(1, 20\)"), ("avgpool", r"\(1, 512, 1, 1\)")):
        wanted = f"{layer} puts out {shape}, which has no places.* the last such layer is layer4"
        with pytest.raises(OcellusError, match=wanted) as caught:
            method.explain(network, image(), layer=layer)
        assert caught.value.exit_code == 2

    class Unused(Written):
        def __init__(self) -> None:
            super().__init__("functional")
            self.other, self.never = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, images: Tensor) -> Tensor:
            self.other(images)
            return super().forward(images)

    with pytest.raises(OcellusError, match="no gradient goes from class 1 to other in this Unused"):
        method.explain(Unused(), image(), layer="other", score=1)
    with pytest.raises(OcellusError, match="never of this Unused is not called on the way to class 1"):
        method.explain(Unused(), image(), layer="never", score=1)


def test_a_network_without_a_path_for_gradients() -> None:
    class Cut(Written):
        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                return super().forward(images)

    for method in (saliency, guided_backprop, deconvnet):
        with pytest.raises(OcellusError, match="no gradient goes from class 1 to the picture in this Cut"):
            method.explain(Cut("functional"), image(), score=1)
    with pytest.raises(OcellusError, match=r"no gradient|not called"):
        gradcam.explain(Cut("functional"), image(), score=1, layer="norm")
    assert occlusion.explain(Cut("functional"), image(), score=1).values.abs().sum() > 0


def test_a_picture_is_explained_in_its_own_pixels() -> None:
    """The network is given another size by its `preprocess`; the map lies on the picture as it is."""
    network = random_network("resnet18")
    pixels = torch.randint(0, 256, (3, 90, 60), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]

    def preprocess(images: Tensor) -> Tensor:
        return (F.interpolate(images, size=(96, 64), mode="bilinear") - mean) / 0.225

    picture = Picture(pixels=pixels)
    signed = gradcam.Config(part="both")
    heat = gradcam.explain(network, picture, score=2, preprocess=preprocess, config=signed)
    assert heat.size == (90, 60) and heat.picture is picture
    given = preprocess(picture.floats()[None])
    wanted = gradcam.explain(network, given, score=2, layer=heat.layer, config=signed).values
    assert wanted.shape == (96, 64)
    small = F.interpolate(wanted[None, None], size=(90, 60), mode="bilinear")[0, 0]
    assert relative(heat.values, small) < 0.1
