"""The answer that is explained is the one that `ocellus run` gives; what gives none is told so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ocellus
from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.imagine.conditional_gan.config import TINY as DRAWS
from ocellus.imagine.pix2pix.config import TINY as PAINTS
from ocellus.jobs.explain_units import activations
from ocellus.jobs.model import load
from ocellus.jobs.preparation import Preparation
from ocellus.see.classifier.config import TINY
from ocellus.values import Picture


def written(system: str, config: object, path: Path, labels: tuple[str, ...] = ()) -> Path:
    torch.manual_seed(0)
    network = catalog.system(system).build(config)
    weights.save(path, network, weights.describe(system, config, labels=labels))
    return path


def long_picture(middle: int) -> Picture:
    """Noise on both sides of a square of one grey."""
    pixels = torch.randint(0, 256, (3, 32, 160), generator=torch.Generator().manual_seed(middle)).byte()
    pixels[:, :, 64:96] = middle
    return Picture(pixels=pixels)


def test_the_class_that_run_answers_is_explained(tmp_path: Path) -> None:
    config = replace(TINY, classes=8)
    labels = tuple("abcdefgh")
    model = load(written("see/classifier", config, tmp_path / "own.safetensors", labels), fused=False)
    differs = 0
    for middle in range(0, 256, 15):
        picture = long_picture(middle)
        answer = model(picture)
        (why,) = ocellus.explain("saliency", model, picture)
        assert why.explained.target == f"class {labels[int(answer.probabilities.argmax())]}"
        assert why.explained.answers[0][1] == pytest.approx(float(answer.probabilities.max()), rel=1e-5)
        assert why.heatmaps["saliency"].size == picture.size
        whole = model.network(picture.pixels[None].float() / 255).logits
        differs += int(whole.argmax()) != int(answer.probabilities.argmax())
    assert differs  # else this would show nothing
    found = activations(model, picture, options={"effects": True})
    assert found.target == why.explained.target


def test_networks_that_make_pictures_have_units_alone(tmp_path: Path) -> None:
    paints = written("imagine/pix2pix", PAINTS, tmp_path / "paints.safetensors")
    picture = long_picture(9)
    for target in ("top", "class:0", "region:0,0,9,9", "verdict"):
        with pytest.raises(OcellusError, match=r"cannot answer .*: give --target unit:LAYER,CHANNEL$"):
            next(ocellus.explain("saliency", paints, picture, target=target))
    (why,) = ocellus.explain("saliency", paints, picture, target="unit:generator.downs.0,1")
    assert why.heatmaps["saliency"].values.sum() > 0
    draws = written("imagine/conditional_gan", DRAWS, tmp_path / "draws.safetensors")
    with pytest.raises(OcellusError, match=r"looks at no picture: explain the discriminator"):
        ocellus.explain("saliency", draws, picture)


@pytest.mark.parametrize(
    "wrong", [{"std": (0.0,)}, {"scale": 0.0}, {"short_side": -1}, {"mean": ()}, {"std": (float("nan"),)}]
)
def test_preparations_that_leave_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OcellusError, match="may"):
        Preparation(**wrong)


def test_a_mean_for_other_channels_is_refused() -> None:
    with pytest.raises(OcellusError, match="mean has 2 numbers and pictures have 3 channels"):
        Preparation(mean=(0.5, 0.4))(torch.zeros(1, 3, 4, 4))
