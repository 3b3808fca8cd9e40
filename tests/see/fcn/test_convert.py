"""Public checkpoints: what is told apart, and what is refused. Outputs: test_parity.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18, resnext50_32x4d, vgg11, vgg16, vgg16_bn
from torchvision.models.segmentation import fcn_resnet50, fcn_resnet101

from ocellus.errors import OcellusError
from ocellus.nn.upsampling import bilinear_kernel
from ocellus.see.fcn.config import RGB_MEAN
from ocellus.see.fcn.convert import import_state
from ocellus.see.fcn.inference import predict
from ocellus.see.fcn.model import build
from ocellus.values import Picture


def shapes_of(make: object, **settings: object) -> dict[str, Tensor]:
    with torch.device("meta"):
        return make(weights=None, **settings).state_dict()  # type: ignore[operator]


def pytorch_fcn(shared: Path, stride: int) -> dict[str, Tensor]:
    """Names and shapes, and a last upsampling of zeros."""
    entries = json.loads((shared / "parity" / f"fcn-{stride}s" / "meta.json").read_text())["entries"]
    state = {key: torch.empty(shape, device="meta") for key, shape in entries.items()}
    name = {32: "upscore", 16: "upscore16", 8: "upscore8"}[stride]
    return state | {f"{name}.weight": torch.zeros(21, 21, 2 * stride, 2 * stride)}


def test_pytorch_fcn_with_its_bilinear_kernel(shared: Path) -> None:
    """As published weights have it: it is then kept once, not for each pair of classes."""
    state = pytorch_fcn(shared, 16)
    state["upscore16.weight"] = torch.eye(21)[:, :, None, None] * bilinear_kernel(16)
    config, ours, labels = import_state(state)
    assert (config.stride, config.mixed, config.channel_order) == (16, False, "BGR")
    assert torch.equal(ours["upsample_full.weight"], bilinear_kernel(16)[None, None])
    assert len(labels) == 21 and labels[15] == "person"
    config, _, _ = import_state(pytorch_fcn(shared, 8), adjust={"at_once": True})
    assert config.at_once and config.mixed


@pytest.mark.parametrize(("make", "depth"), [(fcn_resnet50, 50), (fcn_resnet101, 101)])
def test_torchvision_fcn(make: object, depth: int) -> None:
    config, ours, _ = import_state(shapes_of(make, weights_backbone=None, aux_loss=True))
    assert (config.depth, config.dilated, config.auxiliary, config.head_channels) == (depth, True, True, 512)
    assert ours["backbone.stem.norm.num_batches_tracked"].ndim == 0
    config, ours, labels = import_state(
        shapes_of(make, weights_backbone=None, aux_loss=False, num_classes=3), names=("a", "b", "c")
    )
    assert not config.auxiliary and tuple(labels) == ("a", "b", "c")
    config, ours, _ = import_state(shapes_of(make, weights_backbone=None), adjust={"norm": "frozen"})
    assert config.norm == "frozen" and not any("tracked" in name for name in ours)


def test_vgg_classifiers() -> None:
    config, ours, labels = import_state(shapes_of(vgg16))
    assert (config.backbone, config.depth, config.stride, config.classes) == ("vgg", 16, 32, 1000)
    assert config.channel_order == "RGB" and config.mean == RGB_MEAN and not config.at_once
    assert tuple(ours["head.fc6.weight"].shape) == (4096, 512, 7, 7) and labels[0] == "tench"
    assert len(set(labels)) == 1000
    assert import_state(shapes_of(vgg11))[0].depth == 11


def test_a_vgg_classifiers_layers_answer_as_before() -> None:
    torch.manual_seed(0)
    classifier = vgg11(num_classes=4).eval()
    config, ours, _ = import_state(classifier.state_dict())
    network = build(config).eval()
    network.load_state_dict(ours)
    features = torch.randn(1, 512, 7, 7).relu()
    with torch.no_grad():
        wanted = classifier.classifier(features.flatten(1))
        found = network.score(network.head(features))
    torch.testing.assert_close(found[:, :, 0, 0], wanted, rtol=1e-4, atol=1e-5)
    assert wanted.std() > 0


def test_a_resnet_classifiers_map_has_its_answer_as_mean() -> None:
    torch.manual_seed(0)
    classifier = resnet18(num_classes=4).eval()
    config, ours, _ = import_state(classifier.state_dict())
    assert (config.stride, config.dilated, config.depth) == (32, False, 18)
    network = build(config).eval()
    network.load_state_dict(ours)
    images = torch.rand(2, 3, 96, 128)
    with torch.no_grad():
        wanted = classifier(network.normalize(images))
        found = network(images).score.mean(dim=(2, 3))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_classifier_of_a_thousand_classes_is_no_segmenter() -> None:
    config, ours, labels = import_state(resnet18().state_dict())
    network = build(config)
    network.load_state_dict(ours)
    with pytest.raises(OcellusError, match=r"scores 1000 classes, .* begin a training"):
        predict(network, Picture(pixels=torch.zeros(3, 40, 40, dtype=torch.uint8)), names=labels.names)


def test_refused(shared: Path) -> None:
    with pytest.raises(OcellusError, match="neither pytorch-fcn's nor those of torchvision's"):
        import_state({"encoder.weight": torch.zeros(1)})
    with pytest.raises(OcellusError, match="vgg16_bn"):
        import_state(shapes_of(vgg16_bn))
    with pytest.raises(OcellusError, match="grouped convolutions"):
        import_state(shapes_of(resnext50_32x4d))
    state = pytorch_fcn(shared, 8)
    with pytest.raises(
        OcellusError, match=r"holds extra\.weight, which pytorch-fcn's FCN on VGG-16 does not"
    ):
        import_state(state | {"extra.weight": torch.zeros(1)})
    for name, ours in (("fc7.bias", r"head\.fc7\.bias"), ("conv5_3.bias", r"stages\.4\.2\.bias")):
        with pytest.raises(OcellusError, match=f"nothing that could be .*{ours}"):
            import_state({key: value for key, value in state.items() if key != name})
    with pytest.raises(OcellusError, match="last upsampling"):
        import_state({key: value for key, value in state.items() if key != "upscore8.weight"})
    with pytest.raises(OcellusError, match="2 class names for a checkpoint of 21"):
        import_state(state, names=("a", "b"))
    with pytest.raises(OcellusError, match="no setting colour"):
        import_state(state, adjust={"colour": "RGB"})
