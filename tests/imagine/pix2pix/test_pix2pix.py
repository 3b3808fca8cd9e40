"""pix2pix: its losses by hand, what runs, what is refused, published checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from translations import parity, write_pairs

from ocellus import weights
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine import pix2pix
from ocellus.imagine.pix2pix.config import Run, Train
from ocellus.imagine.pix2pix.inference import condition_of
from ocellus.imagine.pix2pix.loss import generator_terms, judge_loss
from ocellus.imagine.pix2pix.model import paired
from ocellus.jobs.model import load
from ocellus.values import Picture

TINY = pix2pix.TINY


def picture(height: int = 37, width: int = 50) -> Picture:
    torch.manual_seed(height)
    return Picture(pixels=torch.randint(0, 256, (3, height, width), dtype=torch.uint8))


def test_losses_by_hand() -> None:
    answers, targets = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.25, 1.0]]]])
    logits = torch.zeros(1, 1, 2, 2)
    terms = generator_terms(answers, targets, logits, Train())
    assert float(terms["gan"]) == pytest.approx(torch.log(torch.tensor(2.0)))  # -log 1/2
    assert float(terms["l1"]) == pytest.approx(100 * 2 * 0.125)  # of pictures in [-1, 1]
    assert list(generator_terms(answers, targets, None, Train(loss="l1"))) == ["l1"]
    assert list(generator_terms(answers, targets, logits, Train(loss="gan"))) == ["gan"]
    least_squares = judge_loss(torch.tensor([2.0]), torch.tensor([3.0]), Train(game="lsgan"))
    assert float(least_squares) == 0.5 * (1 + 9)


def test_published_sizes() -> None:
    with torch.device("meta"):
        network, judge = pix2pix.build(pix2pix.PAPER), pix2pix.build_discriminator(pix2pix.PAPER)
    assert sum(p.numel() for p in network.parameters()) == 54_413_955
    assert sum(p.numel() for p in judge.parameters()) == 2_768_705
    inputs, answers = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert paired(inputs, answers)[0, :, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_published_checkpoint_is_imported(shared: Path, tmp_path: Path) -> None:
    golden = parity(shared).load(shared / "parity" / "pix2pix-unet_256")
    config, state, labels = pix2pix.import_state(golden.state)
    assert config == replace(pix2pix.PAPER, dropout_first=1) and len(labels) == 0
    network = pix2pix.build(config).eval()
    weights.load_state(network, state, source="golden")
    with torch.no_grad():
        made = network((golden.inputs[0] + 1) / 2).pictures
    assert parity(shared).compare(made * 2 - 1, golden.outputs["out"])[1] <= 1e-4
    part = {name: value for name, value in golden.state.items() if "model.3.model.5" not in name}
    with pytest.raises(OcellusError, match="does not have"):
        pix2pix.import_state(part)


def test_answer_has_the_picture_s_own_size() -> None:
    for generator in ("unet", "resnet"):
        network = pix2pix.build(replace(TINY, generator=generator, blocks=1))
        for size in ((37, 50), (20, 90), (32, 32)):
            assert pix2pix.generate(network, picture(*size)).size == size
    network = pix2pix.build(replace(TINY, short_side=0))
    assert pix2pix.generate(network, picture(45, 45)).size == (45, 45)


def test_noise_as_published_and_none() -> None:
    torch.manual_seed(0)
    network = pix2pix.build(TINY).train()
    for parameter in network.parameters():  # dropout has to be seen through the fresh weights
        parameter.data.mul_(8)
    image = picture()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    dice = torch.get_rng_state()
    first, again = (pix2pix.generate(network, image).pixels for _ in range(2))
    other = pix2pix.generate(network, image, options=Run(seed=1)).pixels
    still, still_again = (
        pix2pix.generate(network, image, options=Run(noise=False, seed=seed)).pixels for seed in (0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(still, still_again) and not torch.equal(still, first)
    assert torch.equal(torch.get_rng_state(), dice) and network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_condition_made_of_the_picture() -> None:
    network = pix2pix.build(replace(TINY, condition="edges", channels=1))
    drawing = condition_of(network, picture(64, 64))
    assert torch.equal(drawing.pixels[0], drawing.pixels[2])  # a drawing in grey
    small = picture(32, 32)  # as large as the network looks at it
    made = pix2pix.generate(network, small, options=Run(from_picture=True))
    of_drawing = pix2pix.generate(network, condition_of(network, small))  # whose drawing is rounded to bytes
    assert (made.pixels.int() - of_drawing.pixels.int()).abs().max() <= 3
    assert pix2pix.generate(network, picture(64, 50), options=Run(from_picture=True)).size == (64, 50)
    with pytest.raises(OcellusError, match="no seed: from 0 to"):
        pix2pix.generate(network, small, options=Run(seed=10**20))
    with pytest.raises(OcellusError, match=r"direction is 'backward'.*made of the answer"):
        pix2pix.build(replace(TINY, condition="edges", channels=1, direction="backward"))
    with pytest.raises(OcellusError, match="trained on pairs") as caught:
        pix2pix.generate(pix2pix.build(TINY), picture(), options=Run(from_picture=True))
    assert caught.value.exit_code == 2


def test_other_channels(tmp_path: Path) -> None:
    network = pix2pix.build(replace(TINY, channels=5, outputs=2))
    stack = Picture(pixels=picture(40, 40).pixels, channels=torch.rand(5, 40, 40))
    made = pix2pix.generate(network, stack)
    assert made.channels is not None and made.channels.shape == (2, 40, 40)
    with pytest.raises(OcellusError, match="3 channels, and the network takes 5"):
        pix2pix.generate(network, picture())


def test_settings_that_cannot_be() -> None:
    for change, words in (
        ({"generator": "vae"}, "generator is 'vae'"),
        ({"depth": 1}, "depth is 1"),
        ({"norm": "group"}, "norm is 'group'"),
        ({"direction": "up"}, "direction is 'up'"),
    ):
        with pytest.raises(OcellusError, match=words):
            pix2pix.build(replace(TINY, **change))


def test_data_that_does_not_fit(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    with pytest.raises(OcellusError, match="read as pairs, wanted are pictures"):
        pix2pix.adapt(replace(TINY, condition="edges"), read(root, view="pairs"), pretrained=False)
    with pytest.raises(OcellusError, match="no degradation 'fog'"):
        pix2pix.adapt(replace(TINY, condition="fog"), read(root, view="pairs"), pretrained=False)
    plain = read(root, view="pictures")
    for condition, outputs, words in (
        ("blur", 3, "has 3, and the network looks at 1: give --channels 3"),
        ("jpeg", 2, "JPEG files have 1 channel or 3, not 2"),
    ):
        asked = replace(TINY, condition=condition, channels=1, outputs=outputs)
        with pytest.raises(OcellusError, match=words) as caught:
            pix2pix.adapt(asked, plain, pretrained=False)
        assert caught.value.exit_code == 2
    pix2pix.adapt(replace(TINY, condition="grey+jpeg", channels=1), plain, pretrained=False)
    with pytest.raises(OcellusError, match='view="pairs"'):
        pix2pix.adapt(TINY, read(root, view="pictures"), pretrained=False)
    assert (pix2pix.view(TINY), pix2pix.view(replace(TINY, condition="edges"))) == ("pairs", "pictures")


def test_checkpoint_of_the_other_direction_is_no_beginning() -> None:
    network, other = pix2pix.build(TINY), pix2pix.build(replace(TINY, direction="backward"))
    assert pix2pix.begin_state(network, pix2pix.build(TINY)).keys() == network.state_dict().keys()
    with pytest.raises(OcellusError, match=r"direction 'backward'.*--direction backward") as caught:
        pix2pix.begin_state(network, other)
    assert caught.value.exit_code == 2


def test_discriminator_has_a_file_of_its_own_and_is_explained(tmp_path: Path) -> None:
    from ocellus.explain import gradcam
    from ocellus.nn.scores import parse_target

    torch.manual_seed(0)
    judge = pix2pix.build_discriminator(TINY).eval()
    path = tmp_path / "discriminator.safetensors"
    weights.save(path, judge, weights.describe("imagine/pix2pix", TINY, part="discriminator"))
    again, header = weights.load(path)
    assert header.part == "discriminator" and header.settings() == TINY
    images = torch.rand(1, 6, 40, 40)
    assert torch.equal(again(images), judge(images))
    pair = Picture(pixels=picture(40, 40).pixels, channels=images[0])
    heat = gradcam.explain(again, pair, score=parse_target("verdict"))
    assert heat.size == (40, 40) and heat.target == "verdict real" and heat.values.sum() > 0
    with pytest.raises(OcellusError, match="holds the discriminator of imagine/pix2pix") as caught:
        load(path)(picture())
    assert caught.value.exit_code == 2
    header = replace(header, part="critic")
    weights.save(tmp_path / "critic.safetensors", judge, header)
    with pytest.raises(OcellusError, match="has no critic"):
        weights.load(tmp_path / "critic.safetensors")
