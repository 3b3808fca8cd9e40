"""A classifier's features as the encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.imagine import portrait
from ocellus.imagine.portrait.config import PRETRAINED
from ocellus.labels import LabelMap
from ocellus.see import classifier


def test_squeezenet_becomes_the_encoder() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.squeezenet1_0(weights=None).eval()
    config, state, _ = classifier.import_state(theirs.state_dict())
    known = classifier.build(config)
    known.load_state_dict(state)
    settings = replace(PRETRAINED, channel_order=config.channel_order, mean=config.mean, std=config.std)
    if config.scale != 1:
        scale = config.scale
        settings = replace(
            settings, mean=tuple(x / scale for x in config.mean), std=tuple(x / scale for x in config.std)
        )
    network = portrait.build(settings)
    network.load_state_dict(portrait.begin_state(network, known))
    network.eval()
    images = torch.rand(1, 3, 95, 127)
    with torch.no_grad():
        first = network.levels(images)[0]
        wanted = F.relu(theirs.features[0](F.pad(images, (3, 3, 3, 3))))
        assert torch.allclose(first, wanted, atol=1e-5)
        pooled = torch.rand(1, 96, 20, 24)
        ours = network.backbone.stages[0](pooled) if network.backbone is not None else None
        assert ours is not None and torch.allclose(ours, theirs.features[3:6](pooled), atol=1e-5)
        raw = network(images)
    assert raw.logits.shape == (1, 2, 95, 127) and raw.auxiliary is None


def test_auxiliary_answer_is_at_stride_8_with_either_encoder() -> None:
    for backbone in ("residual", "squeezenet1_0"):
        network = portrait.build(replace(portrait.PAPER, backbone=backbone)).train()
        with torch.no_grad():
            raw = network(torch.rand(2, 3, 64, 96))
        assert raw.auxiliary is not None and raw.auxiliary.shape == (2, 2, 8, 12), backbone


def test_other_classifiers_and_encoders_are_refused() -> None:
    small = classifier.build(classifier.Config(architecture="small", classes=3))
    with pytest.raises(OcellusError, match="of small; the encoder is squeezenet1_0"):
        portrait.begin_state(portrait.build(PRETRAINED), small)
    with pytest.raises(OcellusError, match="the encoder is of its own"):
        portrait.begin_state(portrait.build(portrait.PAPER), small)
    with pytest.raises(OcellusError, match="backbone is 'mobilenet'"):
        portrait.build(replace(portrait.PAPER, backbone="mobilenet"))


@pytest.mark.parametrize("backbone", ["residual", "squeezenet1_0"])
def test_the_encoder_may_learn_more_slowly_than_the_decoder(backbone: str) -> None:
    fit = replace(portrait.FIT, learning_rate=1.0, layer_decay=0.5)
    labels = LabelMap(("background", "person"))
    recipe = portrait.Recipe(replace(portrait.PAPER, backbone=backbone), portrait.Train(), fit, labels)
    optimizer = recipe.configure_optimizers()
    names = {id(parameter): name for name, parameter in recipe.network.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    stages = [name for name in rates if ".stages." in f".{name}"]
    first = [rates[name] for name in stages if "stages.0." in name]
    last = [rates[name] for name in stages if "stages.2." in name]
    assert len(set(first)) == len(set(last)) == 1 and last[0] == 4 * first[0]
    assert rates["classify.weight"] == 1.0 and first[0] < 1.0
