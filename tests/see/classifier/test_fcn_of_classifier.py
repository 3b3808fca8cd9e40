"""Classifiers as the beginning of an FCN: place by place the scores that the classifier would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_streets import QUICK, write_streets
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus import weights
from ocellus.cli import main
from ocellus.errors import OcellusError
from ocellus.see.classifier.config import Config
from ocellus.see.classifier.model import Classifier, build
from ocellus.see.fcn import config as fcn_config
from ocellus.see.fcn.convert import begin_state, of_classifier
from ocellus.see.fcn.model import build as build_fcn

LITTLE = {
    "vgg": Config(architecture="vgg", depth=11, width=4, head_channels=8, classes=5),
    "resnet": Config(architecture="resnet", depth=18, width=4, classes=5),
    "small": Config(architecture="small", width=4, classes=5, norm="group"),
}


def classifier(kind: str) -> Classifier:
    torch.manual_seed(0)
    caffe = replace(
        LITTLE[kind], channel_order="BGR", scale=255.0, mean=(104.0, 117.0, 123.0), std=(60.0, 61.0, 62.0)
    )
    made = build(caffe).eval()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.1)
    return made


@pytest.mark.parametrize("kind", LITTLE)
def test_the_scores_are_the_classifiers(kind: str) -> None:
    """Averaged over places where the classifier averages its features; over 7 x 7 of them where not."""
    given = classifier(kind)
    network = of_classifier(given)
    assert (network.config.stride, network.config.backbone, network.config.classes) == (32, kind, 5)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        wanted = given(images).logits
        assert wanted.std() > 1e-3
        if kind == "vgg":  # an FCN pads its picture by 100 pixels: what lies beyond is not what a VGG saw
            features = given.features(images)  # (B, C, 7, 7)
            found = network.score(network.head(features))[:, :, 0, 0]
            same = network.normalize(images)
            torch.testing.assert_close(same, given.normalize(images), rtol=1e-4, atol=1e-5)
        else:
            found = network(images).score.mean(dim=(2, 3))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_finer_fcn_begins_with_it() -> None:
    given = classifier("vgg")
    same = of_classifier(given).config
    fine = build_fcn(replace(same, stride=8, classes=3))
    state = begin_state(fine, given)
    assert torch.equal(state["backbone.stages.0.0.weight"], given.backbone.stages[0][0].weight)
    fc6: Tensor = given.head.fc6.weight
    assert torch.equal(state["head.fc6.weight"].flatten(1), fc6)
    assert state["score_pool4.weight"].abs().max() == 0 and state["score.weight"].shape[0] == 5
    with pytest.raises(OcellusError, match="with channel_order BGR: give --channel-order BGR too"):
        begin_state(build_fcn(replace(same, channel_order="RGB")), given)
    assert F.mse_loss(torch.tensor(same.mean), torch.tensor((104.0, 117.0, 123.0)) / 255) < 1e-12


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(architecture="cifar_resnet", width=4), "not with cifar_resnet of stride 32"),
        (replace(LITTLE["small"], stride=16), "not with small of stride 16"),
    ],
)
def test_classifiers_that_are_no_beginning(config: Config, words: str) -> None:
    with pytest.raises(OcellusError, match=words) as caught:
        of_classifier(build(config))
    assert caught.value.exit_code == 2


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_streets(Path("data"))
    tiny = fcn_config.TINY
    config = replace(
        LITTLE["small"], norm=tiny.norm, width=tiny.width, mean=tiny.mean, std=tiny.std, short_side=0, crop=0
    )
    names = tuple("abcde")
    header = weights.describe("see/classifier", config, labels=names, data="nothing")
    weights.save(Path("small.safetensors"), build(config), header)
    start = ["data", "--start", "small.safetensors", *QUICK]
    assert main(["train", "see/fcn", *start, "--out", "run", "--steps", "2"]) == 0
    assert "knows a, b, c, d, e; the 2 tensors for other classes start anew" in capsys.readouterr().out
    assert main(["train", "see/unet", *start, "--out", "u"]) == 2
    assert "are of small; the encoder is of its own" in capsys.readouterr().err
