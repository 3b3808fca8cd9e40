"""The same numbers as captum's, on networks of random weights and on SqueezeNet with its real ones."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop, GuidedGradCam, LayerGradCam, Occlusion, Saliency
from torch import Tensor, nn

from ocellus.explain import deconvnet, guided_backprop, guided_gradcam, occlusion, saliency
from ocellus.explain.gradcam.method import gradcam_maps
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import class_score
from ocellus.nn.subject import subject_of
from tests.explain.networks import (
    LAYERS,
    SIZE,
    Written,
    image,
    photograph,
    random_network,
    relative,
    squeezenet,
)

TARGET = 3
CLOSE = 1e-5
PIXELS = {"saliency": (saliency, Saliency), "guided_backprop": (guided_backprop, GuidedBackprop),
          "deconvnet": (deconvnet, Deconvolution)}  # fmt: skip


def attributed(method: object, network: nn.Module, images: Tensor, target: int) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keywords = {"abs": False} if method is Saliency else {}
        return method(network).attribute(images.clone().requires_grad_(), target=target, **keywords)


def our_gradcam(network: nn.Module, images: Tensor, target: int, layer: str) -> Tensor:
    with untouched(network):
        maps, _ = gradcam_maps(network, subject_of(network, images), class_score(target), layer=layer)
    return maps[:, None]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("method", PIXELS)
def test_pixels(name: str, method: str) -> None:
    network = random_network(name)
    ours, theirs = PIXELS[method]
    found = ours.explain(network, image(), score=TARGET)
    wanted = attributed(theirs, network, image(), TARGET)
    assert relative(found.channels, wanted[0]) <= CLOSE
    assert relative(found.values, wanted[0].abs().amax(dim=0)) <= CLOSE


@pytest.mark.parametrize("name", LAYERS)
def test_gradcam(name: str) -> None:
    network, layer = random_network(name), LAYERS[name]
    wanted = LayerGradCam(network, network.get_submodule(layer)).attribute(image(), target=TARGET)
    assert relative(our_gradcam(network, image(), TARGET, layer), wanted) <= CLOSE


def test_gradcam_of_a_batch() -> None:
    network = random_network("resnet18")
    images = torch.cat([image(seed=seed) for seed in range(3)])
    targets = torch.tensor([1, 5, 1])
    wanted = LayerGradCam(network, network.layer3).attribute(images, target=targets)
    with untouched(network):
        subject = subject_of(network, images)
        maps, _ = gradcam_maps(network, subject, class_score(targets), layer="layer3")
    assert relative(maps[:, None], wanted) <= CLOSE


@pytest.mark.parametrize("name", LAYERS)
def test_guided_gradcam(name: str) -> None:
    network, layer = random_network(name), LAYERS[name]
    method = GuidedGradCam(network, network.get_submodule(layer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = method.attribute(image().requires_grad_(), target=TARGET, interpolate_mode="bilinear")
    found = guided_gradcam.explain(network, image(), score=TARGET, layer=layer)
    assert relative(found.channels, wanted[0]) <= CLOSE


@pytest.mark.parametrize(("window", "stride"), [(20, 9), (24, 24), (SIZE, 1)])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_occlusion(window: int, stride: int, fill: float) -> None:
    # A drop is a small difference of two scores: in float32 most of its digits are rounding.
    network, images = copy.deepcopy(random_network("resnet18")).double(), image().double()
    options = {"sliding_window_shapes": (3, window, window), "strides": (3, stride, stride)}
    wanted = Occlusion(network).attribute(images, target=TARGET, baselines=fill, **options)
    config = occlusion.Config(window=window, stride=stride, fills=(str(fill),), batch=4)
    found = occlusion.explain(network, images, score=TARGET, config=config)
    assert relative(found.values.double(), wanted[0, 0]) <= CLOSE


@pytest.mark.parametrize("name", ["n03544143.jpg", "n07590611.jpg"])
def test_real_weights(name: str, shared: Path) -> None:
    network, images, layer = squeezenet(shared), photograph(shared, name), "features.12"
    target = int(network(images).argmax())
    for ours, theirs in PIXELS.values():
        found = ours.explain(network, images, score=target).channels
        assert relative(found, attributed(theirs, network, images, target)[0]) <= CLOSE
    wanted = LayerGradCam(network, network.features[12]).attribute(images, target=target)
    assert relative(our_gradcam(network, images, target, layer), wanted) <= CLOSE
    both = GuidedGradCam(network, network.features[12])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = both.attribute(images.clone().requires_grad_(), target=target, interpolate_mode="bilinear")
    found = guided_gradcam.explain(network, images, score=target, layer=layer).channels
    assert relative(found, wanted[0]) <= CLOSE
    wanted = Occlusion(network).attribute(images, (3, 80, 80), strides=(3, 60, 60), target=target)
    config = occlusion.Config(window=80, stride=60, fills=("0",))
    assert (
        relative(occlusion.explain(network, images, score=target, config=config).values, wanted[0, 0])
        <= CLOSE
    )


@pytest.mark.parametrize("way", Written.WAYS)
@pytest.mark.parametrize("method", PIXELS)
def test_however_the_relus_are_written(way: str, method: str) -> None:
    """captum is given the one way of writing that it can look into; ours is given all."""
    ours, theirs = PIXELS[method]
    wanted = attributed(theirs, Written("modules").eval(), image(32), 2)
    found = ours.explain(Written(way), image(32), score=2)
    assert relative(found.channels, wanted[0]) <= CLOSE
    if method != "saliency":  # the rule makes a difference here at all
        assert relative(saliency.explain(Written(way), image(32), score=2).channels, wanted[0]) > 0.1


@pytest.mark.parametrize("way", Written.WAYS)
def test_gradcam_however_the_relus_are_written(way: str) -> None:
    plain = Written("modules").eval()
    wanted = LayerGradCam(plain, plain.convs[2]).attribute(image(32), target=2)
    # What stands behind the layer overwrites its output in place; it is kept as it was.
    assert relative(our_gradcam(Written(way), image(32), 2, "convs.2"), wanted) <= CLOSE
    wanted = LayerGradCam(plain, plain.norm).attribute(image(32), target=2)
    assert relative(our_gradcam(Written(way), image(32), 2, "norm"), wanted) <= CLOSE
