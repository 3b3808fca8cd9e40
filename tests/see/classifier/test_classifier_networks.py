"""The networks: sizes, what they look at, what they refuse, and public checkpoints that are told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from ocellus.errors import OcellusError
from ocellus.explain.cam.method import explain as cam
from ocellus.explain.gradcam.method import explain as gradcam
from ocellus.see.classifier.config import PAPER, PRESETS, SMALL, TINY, Config
from ocellus.see.classifier.convert import CAFFE, KNOWN, digest, import_state
from ocellus.see.classifier.inference import decode, predict, prepared
from ocellus.see.classifier.model import ARCHITECTURES, Raw, build
from ocellus.values import Picture

LITTLE = {
    "vgg": Config(architecture="vgg", depth=11, width=4, head_channels=8, classes=3, short_side=48, crop=40),
    "resnet": Config(architecture="resnet", depth=18, width=4, classes=3, short_side=48, crop=40),
    "cifar_resnet": Config(architecture="cifar_resnet", width=4, classes=3, short_side=48, crop=40),
    "squeezenet1_0": Config(architecture="squeezenet1_0", classes=3, short_side=48, crop=40),
    "squeezenet1_1": Config(architecture="squeezenet1_1", classes=3, short_side=48, crop=40),
    "doodlenet": Config(architecture="doodlenet", width=4, classes=3, short_side=48, crop=40),
    "small": replace(SMALL, width=4, classes=3, short_side=48, crop=40),
}


def picture(height: int, width: int) -> Picture:
    random = torch.Generator().manual_seed(height * 1000 + width)
    return Picture(pixels=torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=random))


def test_every_architecture_is_tried() -> None:
    assert set(LITTLE) == set(ARCHITECTURES)


@pytest.mark.parametrize("kind", LITTLE)
def test_any_size_and_any_number_of_channels(kind: str) -> None:
    config = LITTLE[kind]
    for channels in (1, 3, 5):
        network = build(replace(config, channels=channels, mean=(0.5,), std=(0.2,))).eval()
        with torch.no_grad():
            for size in ((40, 40), (33, 70), (64, 48)):
                images = torch.rand(2, channels, *size)
                raw = network(images)
                assert raw.logits.shape == (2, 3) and raw.logits.isfinite().all()
                assert network.embed(images).ndim == 2 and network.features(images).ndim == 4


@pytest.mark.parametrize("kind", LITTLE)
def test_the_embedding_is_what_the_last_layer_scores(kind: str) -> None:
    torch.manual_seed(0)
    network = build(LITTLE[kind]).eval()
    images = torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        embedding, logits = network.embed(images), network(images).logits
        score = network.head.score
        if isinstance(score, nn.Linear):
            torch.testing.assert_close(score(embedding), logits)
        else:  # each place is scored, and what is positive is averaged
            maps = score(network.features(images))
            torch.testing.assert_close(maps.relu().mean(dim=(2, 3)), logits)
            assert embedding.shape == (2, 512)


@pytest.mark.parametrize("kind", LITTLE)
def test_smallest_pictures(kind: str) -> None:
    """`least` is the least: one pixel fewer fails, and the message comes before torch's."""
    config = replace(LITTLE[kind], short_side=0, crop=0)
    network, least = build(config).eval(), ARCHITECTURES[kind].least
    assert predict(network, picture(least, least)).probabilities.isfinite().all()
    if least > 1:
        with pytest.raises(RuntimeError), torch.no_grad():
            network(torch.rand(1, 3, least - 1, least - 1))
        with pytest.raises(OcellusError, match=f"{kind} needs {least} or more a side"):
            predict(network, picture(least - 1, 200))
        with pytest.raises(OcellusError, match=f"it must be {least} or more for {kind}"):
            build(replace(config, short_side=least - 1))


@pytest.mark.parametrize(("kind", "stride", "cells"), [("small", 8, 6), ("small", 32, 2), ("resnet", 16, 3)])
def test_strides(kind: str, stride: int, cells: int) -> None:
    network = build(replace(LITTLE[kind], stride=stride)).eval()
    assert network.features(torch.rand(1, 3, 48, 48)).shape[2:] == (cells, cells)


def test_pictures_are_prepared_as_the_settings_say() -> None:
    config = replace(
        TINY, short_side=0, crop=0, channel_order="BGR", scale=255.0, mean=(104.0, 117.0, 123.0), std=(2.0,)
    )
    images = torch.rand(1, 3, 32, 32)
    wanted = (images.flip(1) * 255 - torch.tensor([104.0, 117.0, 123.0])[:, None, None]) / 2
    torch.testing.assert_close(build(config).normalize(images), wanted)
    upside = replace(TINY, channels=1, short_side=0, crop=0, scale=-1.0, mean=(-1.0,), std=(1.0,))
    torch.testing.assert_close(build(upside).normalize(images[:, :1]), 1 - images[:, :1])
    odd = build(TINY).normalize(torch.rand(1, 3, 20, 33))
    assert odd.shape[2:] == (32, 48) and torch.equal(
        odd[:, :, 19:20].expand_as(odd[:, :, 20:]), odd[:, :, 20:]
    )


def test_grey_and_deep_pictures() -> None:
    grey = replace(TINY, channels=1, mean=(0.5,), std=(0.5,))
    shown = picture(40, 50)
    weights = torch.tensor([0.299, 0.587, 0.114])
    seen = prepared(replace(grey, short_side=0, crop=0), shown)
    torch.testing.assert_close(seen[0], torch.einsum("c,chw->hw", weights, shown.floats()))
    deep = Picture(pixels=shown.pixels, channels=torch.rand(1, 40, 50))
    assert prepared(grey, deep).shape == (1, 32, 32)
    with pytest.raises(OcellusError, match="has 1 channels, and the network takes 3"):
        prepared(TINY, deep)


def test_predictions_are_probabilities_of_named_classes() -> None:
    network = build(TINY).eval()
    found = predict(network, picture(50, 70), names=("cat", "dog"))
    assert found.probabilities.sum().item() == pytest.approx(1) and len(found) == 2
    assert found.probabilities.dtype == torch.float32 and found.top(1)[0][0] in ("cat", "dog")
    logits = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert decode(Raw(logits)).probabilities.tolist() == pytest.approx(
        torch.sigmoid(torch.tensor([-2.0, 2.0]))
    )


@pytest.mark.parametrize("kind", ["resnet", "cifar_resnet", "squeezenet1_0", "small"])
def test_their_ends_are_those_that_cam_explains(kind: str) -> None:
    torch.manual_seed(0)
    network = build(LITTLE[kind]).eval()
    heat = cam(network, picture(48, 60), score=1)
    assert heat.size == (48, 60) and heat.target == "class 1"
    assert gradcam(network, picture(48, 60), score=1).values.isfinite().all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architecture": "alexnet"}, "architecture is 'alexnet'; it must be one of vgg, resnet"),
        ({"depth": 19}, "depth is 19; it must be one of 0, 50, 18, 34, 101 for resnet"),
        ({"architecture": "doodlenet", "depth": 5}, "one of 0 for doodlenet"),
        ({"architecture": "squeezenet1_0", "width": 32}, "width is 32; it must be 0 for squeezenet1_0"),
        ({"head_channels": 10}, "it must be 0 for resnet"),
        ({"architecture": "vgg", "stride": 16}, "stride is 16"),
        ({"classes": 1}, "classes is 1; it must be 2 or more"),
        ({"crop": 300}, "crop is 300; it must be at most short_side, 256"),
        ({"channels": 4}, "mean is .* 4 numbers, one a channel, or 1 for all"),
        ({"std": (0.0,)}, "std is .* above 0"),
        ({"scale": 0.0}, "scale is 0.0; it must be other than 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_networks_that_cannot_be(values: dict[str, object], words: str) -> None:
    with pytest.raises(OcellusError, match=words) as caught:
        build(replace(PAPER, **values))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_sizes() -> None:
    """Numbers of weights as published: in He 2015's table 6, and in torchvision's documentation."""
    published = {
        "vgg": (Config(architecture="vgg"), 138_357_544),
        "resnet": (Config(), 25_557_032),
        "squeezenet1_0": (Config(architecture="squeezenet1_0"), 1_248_424),
        "squeezenet1_1": (Config(architecture="squeezenet1_1"), 1_235_496),
        "cifar_resnet": (Config(architecture="cifar_resnet", classes=10, crop=32), 269_722),
        "small": (replace(SMALL, classes=100), 3_630_000),
    }
    for name, (config, wanted) in published.items():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in build(config).parameters())
        assert count == pytest.approx(wanted, rel=0.01 if name == "small" else 0)
    for config, _, _ in PRESETS.values():
        with torch.device("meta"):
            build(config)


def meta(make: object, classes: int = 1000) -> dict[str, Tensor]:
    with torch.device("meta"):
        return make(weights=None, num_classes=classes).state_dict()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "kind", "depth"),
    [
        (models.vgg13, "vgg", 13),
        (models.vgg19, "vgg", 19),
        (models.resnet34, "resnet", 34),
        (models.resnet101, "resnet", 101),
        (models.squeezenet1_1, "squeezenet1_1", 0),
    ],
)
def test_checkpoints_are_told_apart(make: object, kind: str, depth: int) -> None:
    config, _, labels = import_state(meta(make))
    assert (config.architecture, config.depth, config.classes) == (kind, depth, 1000)
    assert (config.short_side, config.crop, config.scale) == (256, 224, 1.0)
    assert labels[0] == "tench" and labels[281] == "tabby" and len(set(labels.names)) == 1000
    assert import_state(meta(make, 2))[2].names == ("class 1", "class 2")
    adjusted, _, named = import_state(meta(make, 2), names=("a", "b"), adjust={"crop": 200, "mean": (0.5,)})
    assert (adjusted.crop, adjusted.mean, named.names) == (200, (0.5,), ("a", "b"))


def test_checkpoints_of_grey_pictures() -> None:
    state = models.resnet18(weights=None, num_classes=2).state_dict()
    state["conv1.weight"] = state["conv1.weight"].mean(dim=1, keepdim=True)
    config, ours, _ = import_state(state)
    assert config.channels == 1 and config.mean == (pytest.approx(0.449),)
    build(config).load_state_dict(ours)


def test_what_cannot_be_imported() -> None:
    with pytest.raises(OcellusError, match="batch normalization"):
        import_state(meta(models.vgg11_bn))
    with pytest.raises(OcellusError, match=r"stages of \(3, 8, 36, 3\) blocks"):
        import_state(meta(models.resnet152))
    with pytest.raises(OcellusError, match="ResNeXt"):
        import_state(meta(models.resnext50_32x4d))
    with pytest.raises(OcellusError, match="only those are known"):
        import_state(meta(models.densenet121))
    with pytest.raises(OcellusError, match="3 class names for a checkpoint of 2 classes"):
        import_state(meta(models.resnet18, 2), names=("a", "b", "c"))
    with pytest.raises(OcellusError, match="there is no setting colour"):
        import_state(meta(models.resnet18, 2), adjust={"colour": 1})
    half = {name: tensor for name, tensor in meta(models.resnet18).items() if "layer4.1" not in name}
    with pytest.raises(OcellusError, match=r"stages of \(2, 2, 2, 1\) blocks"):
        import_state(half)
    lacking = meta(models.squeezenet1_0)
    del lacking["features.12.squeeze.bias"]
    with pytest.raises(OcellusError, match=r"nothing that could be backbone\.stages\.2\.0\.squeeze\.bias"):
        import_state(lacking)


def test_only_the_very_weights_are_taken_for_the_authors() -> None:
    """A changed last bit is other weights: they are prepared for as torchvision's."""
    torch.manual_seed(0)
    tensor = torch.randn(96, 3, 7, 7)
    other = tensor.clone()
    other.view(torch.int32)[0, 0, 0, 0] ^= 1
    assert digest(tensor) == digest(tensor.clone(memory_format=torch.channels_last)) != digest(other)
    state = models.squeezenet1_0(weights=None, num_classes=2).state_dict()
    assert import_state(state)[0].channel_order == "RGB" and CAFFE in KNOWN.values()
