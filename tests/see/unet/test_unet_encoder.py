"""A U-Net whose contracting path is SqueezeNet's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.nn import encoded
from ocellus.nn.squeezenet import SqueezeNet
from ocellus.see import classifier, unet
from ocellus.see.unet.config import PRETRAINED

CONFIG = replace(PRETRAINED, classes=3, width=4)
SQUEEZENET = classifier.Config(
    architecture="squeezenet1_0", classes=5, channel_order="BGR", scale=255.0, mean=(104.0, 117.0, 123.0),
    std=(1.0,),
)  # fmt: skip


@pytest.mark.parametrize("encoder", ["squeezenet1_0", "small"])
@pytest.mark.parametrize("size", [(64, 96), (37, 50)])
def test_any_size_gives_the_same_size(encoder: str, size: tuple[int, int]) -> None:
    network = unet.build(replace(CONFIG, encoder=encoder)).eval()
    assert network(torch.rand(2, 3, *size)).logits.shape == (2, 3, *size)


def test_levels_are_the_classifiers_where_its_cells_lie_alike() -> None:
    """Of an input that needs no padding, the classifier's stem is ours less the border; deeper by pooling."""
    backbone = SqueezeNet("1.0").eval()
    images = torch.rand(1, 3, 65, 65)
    stem = torch.relu(backbone.stem(images))
    ours = encoded.levels(backbone, images)
    assert [tuple(level.shape[1:]) for level in ours] == [
        (96, 33, 33),
        (256, 17, 17),
        (512, 9, 9),
        (512, 5, 5),
    ]
    # Its cell j looks at pixels 2 j to 2 j + 6, and so does ours j + 1 of a picture without its first pixel.
    shifted = encoded.levels(backbone, images[..., 1:, 1:])[0]
    torch.testing.assert_close(shifted[..., 2:30, 2:30], stem[..., 1:29, 1:29], atol=1e-5, rtol=1e-5)


def test_begins_with_a_classifiers_features() -> None:
    network, known = unet.build(CONFIG), classifier.build(SQUEEZENET)
    state = unet.begin_state(network, known)
    assert set(state) == set(network.state_dict())
    mine = [name for name in state if name.startswith("backbone.")]
    assert len(mine) == 50
    assert all(torch.equal(state[name], known.state_dict()[name]) for name in mine)
    assert torch.equal(state["scores.0.weight"], network.scores[0].weight)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"mean": (0.5, 0.5, 0.5)}, "--mean 0.40784314"), ({"channel_order": "RGB"}, "--channel-order BGR")],
)
def test_says_which_preparation_is_wanted(change: dict[str, object], word: str) -> None:
    network = unet.build(replace(CONFIG, **change))
    with pytest.raises(OcellusError, match=word):
        unet.begin_state(network, classifier.build(SQUEEZENET))


def test_refuses_another_classifier() -> None:
    other = classifier.build(classifier.Config(architecture="small", classes=3))
    with pytest.raises(OcellusError, match="of small; the encoder is squeezenet1_0"):
        unet.begin_state(unet.build(CONFIG), other)


def test_refuses_what_an_encoder_cannot_be() -> None:
    for change in ({"valid": True}, {"variant": "tight_frame"}, {"norm": "none"}, {"encoder": "resnet"}):
        with pytest.raises(OcellusError):
            unet.build(replace(CONFIG, **change))


@pytest.mark.parametrize("encoder", ["squeezenet1_0", "small"])
def test_learns_one_picture(encoder: str) -> None:
    torch.manual_seed(0)
    network = unet.build(replace(CONFIG, encoder=encoder, width=16, dropout=0.0)).train()
    maps = torch.randint(3, (2, 4, 4)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    images = maps[:, None] / 2 + 0.1 * torch.randn(2, 3, 64, 64)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(images).logits, maps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
