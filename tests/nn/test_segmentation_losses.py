"""Losses of label maps against torch, torchvision, gradients by differences, and cases by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from ocellus.errors import OcellusError
from ocellus.nn import segmentation_losses as losses
from ocellus.nn.segmentation_losses import LOSSES, segmentation_loss


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """(2, 4, 9, 11) logits and maps with ignored pixels; class 3 is not there."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 9, 11, generator=generator, dtype=torch.float64)
    maps = torch.randint(0, 3, (2, 9, 11), generator=generator)
    maps[torch.rand(2, 9, 11, generator=generator) < 0.2] = 255
    return logits, maps


def test_cross_entropy_is_torchs(batch):
    logits, maps = batch
    class_weights = torch.tensor([1.0, 3, 0.5, 2], dtype=torch.float64)
    wanted = F.cross_entropy(logits, maps, ignore_index=255)
    assert losses.cross_entropy(logits, maps) == pytest.approx(float(wanted), rel=1e-12)
    wanted = F.cross_entropy(logits, maps, weight=class_weights, ignore_index=255)
    found = losses.cross_entropy(logits, maps, class_weights=class_weights)
    assert found == pytest.approx(float(wanted), rel=1e-12)


def test_pixel_weights_make_a_weighted_mean(batch):
    logits, maps = batch
    weights = torch.rand(maps.shape, dtype=torch.float64) + 0.1
    each = F.cross_entropy(logits, maps, ignore_index=255, reduction="none")
    known = maps != 255
    wanted = (weights * each)[known].sum() / weights[known].sum()
    found = losses.cross_entropy(logits, maps, weights=weights)
    assert found == pytest.approx(float(wanted), rel=1e-12)
    # A pixel of weight 0 is a pixel that is ignored.
    blank = maps.clone()
    blank[0, :4] = 255
    found = losses.cross_entropy(logits, maps, weights=(blank != 255).double())
    assert found == pytest.approx(float(losses.cross_entropy(logits, blank)), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 5])
def test_focal_is_torchvisions_for_two_classes(gamma: float):
    """A softmax over (0, x) is a sigmoid of x."""
    generator = torch.Generator().manual_seed(1)
    x = 3 * torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    maps = torch.randint(0, 2, x.shape, generator=generator)
    maps[0, 0] = 255
    each = sigmoid_focal_loss(x, (maps == 1).double(), alpha=-1, gamma=gamma)
    found = losses.focal(torch.stack([torch.zeros_like(x), x], dim=1), maps, gamma=gamma)
    assert found == pytest.approx(float(each[maps != 255].mean()), rel=1e-9)


def test_focal_of_gamma_zero_is_cross_entropy(batch):
    logits, maps = batch
    found = losses.focal(logits, maps, gamma=0)
    assert found == pytest.approx(float(losses.cross_entropy(logits, maps)), rel=1e-12)


def test_dice_by_hand():
    """Four pixels, one ignored; classes 0 and 1 are there, class 2 is not."""
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    maps = torch.tensor([[[0, 0, 1, 255]]])
    logits = chances.log().T.reshape(1, 3, 1, 4)
    first = 2 * (0.7 + 0.5) / (0.7 + 0.5 + 0.1 + 2)
    second = 2 * 0.8 / (0.2 + 0.4 + 0.8 + 1)
    assert losses.dice(logits, maps) == pytest.approx(1 - (first + second) / 2, rel=1e-6)
    found = losses.dice(logits, maps, class_weights=torch.tensor([1.0, 3, 9]))
    assert found == pytest.approx(1 - (first + 3 * second) / 4, rel=1e-6)
    # With weights, a pixel of weight 2 is two pixels.
    first = 2 * (0.7 + 2 * 0.5) / (0.7 + 2 * 0.5 + 0.1 + 3)
    second = 2 * 0.8 / (0.2 + 2 * 0.4 + 0.8 + 1)
    found = losses.dice(logits, maps, weights=torch.tensor([[[1.0, 2, 1, 7]]]))
    assert found == pytest.approx(1 - (first + second) / 2, rel=1e-6)


def test_dice_of_a_right_answer_is_zero():
    maps = torch.randint(0, 3, (2, 6, 6))
    assert losses.dice(100 * F.one_hot(maps, 3).permute(0, 3, 1, 2).float(), maps) == pytest.approx(
        0, abs=1e-6
    )


def pixels(*chances: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a row, the true class 1 of 2 with these probabilities; a pixel more is ignored."""
    chance = torch.tensor([*chances, 0.01], dtype=torch.float64)
    logits = torch.stack([(1 - chance).log(), chance.log()])[None, :, None]
    maps = torch.ones(1, 1, len(chance), dtype=torch.int64)
    maps[..., -1] = 255
    return logits, maps


def test_ohem_keeps_the_hard_ones():
    logits, maps = pixels(0.9, 0.95, 0.6, 0.3)
    found = losses.ohem(logits, maps, keep=0.25)
    assert found == pytest.approx(-(math.log(0.6) + math.log(0.3)) / 2, rel=1e-9)
    found = losses.ohem(logits, maps, keep=0.25, threshold=0.5)
    assert found == pytest.approx(-math.log(0.3), rel=1e-9)


def test_ohem_keeps_a_least_number_and_never_an_ignored_one():
    logits, maps = pixels(0.9, 0.95, 0.8, 0.3)
    found = losses.ohem(logits, maps, keep=0.75)
    assert found == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.3)) / 3, rel=1e-9)
    found = losses.ohem(logits, maps, keep=1.0)
    assert found == pytest.approx(float(losses.cross_entropy(logits, maps)), rel=1e-9)


def test_ohem_takes_a_sure_pixel_before_an_ignored_one():
    logits = torch.zeros(1, 2, 1, 40)
    logits[:, 1, :, 1:4] = 300  # as sure as a float can be: their loss is 0
    maps = torch.full((1, 1, 40), 255)
    maps[..., :4] = 1
    assert losses.ohem(logits, maps, keep=1.0) == pytest.approx(math.log(2) / 4, rel=1e-6)


def test_weights_do_not_choose_what_is_hard():
    logits, maps = pixels(0.9, 0.95, 0.6, 0.3)
    weights = torch.tensor([[[99.0, 1, 1, 3, 1]]])
    found = losses.ohem(logits, maps, weights=weights, keep=0.25)
    assert found == pytest.approx(-(math.log(0.6) + 3 * math.log(0.3)) / 4, rel=1e-9)


def test_boundary_weights_by_hand():
    maps = torch.zeros(1, 5, 9, dtype=torch.int64)
    maps[:, :, 6:] = 1
    maps[:, 2, 4] = 255
    found = losses.boundary_weights(maps, width=2, weight=4)[0]
    assert found.dtype == torch.float32
    wanted = torch.tensor([1.0, 1, 1, 1, 4, 4, 4, 4, 1]).repeat(5, 1)
    wanted[2, 4] = 1  # ignored
    assert torch.equal(found, wanted)
    unknown = maps.clone()
    unknown[:, :, 6:] = 255
    assert (losses.boundary_weights(unknown) == 1).all()  # the unknown is no border


def test_boundary_weights_pixel_by_pixel():
    generator = torch.Generator().manual_seed(2)
    maps = torch.randint(0, 3, (2, 4, 5), generator=generator).repeat_interleave(5, 1).repeat_interleave(5, 2)
    maps[torch.rand(maps.shape, generator=generator) < 0.2] = 255
    found = losses.boundary_weights(maps, width=2, weight=3)
    for index, row, column in torch.cartesian_prod(*(torch.arange(side) for side in maps.shape)).tolist():
        around = maps[index, max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].unique().tolist()
        other = len(set(around) - {255}) > 1
        assert found[index, row, column] == (3 if other and maps[index, row, column] != 255 else 1)


def test_class_weights_balance():
    maps = torch.tensor([[[0] * 80 + [1] * 20 + [2] * 10 + [255] * 5]])
    counts = losses.class_counts(maps, classes=4)
    assert counts.tolist() == [80, 20, 10, 0]
    weights = losses.balanced_class_weights(counts)
    assert weights.tolist() == [0.25, 1, 2, 1]
    assert losses.balanced_class_weights(torch.tensor([10**6, 10**6, 3])).tolist() == [1, 1, 50]
    assert losses.balanced_class_weights(torch.zeros(3, dtype=torch.int64)).tolist() == [1, 1, 1]


def test_balanced_takes_the_batchs_own_weights(batch):
    logits, maps = batch
    weights = losses.balanced_class_weights(losses.class_counts(maps, classes=4)).double()
    wanted = F.cross_entropy(logits, maps, weight=weights, ignore_index=255)
    assert segmentation_loss(logits, maps, kind="balanced") == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_are_those_of_differences(batch, kind: str, gamma: float):
    logits, maps = batch
    logits = logits[:1, :, :4, :5].clone().requires_grad_()
    maps, weights = maps[:1, :4, :5], torch.rand(1, 4, 5, dtype=torch.float64)

    def loss(values: torch.Tensor) -> torch.Tensor:
        return segmentation_loss(values, maps, kind=kind, weights=weights, gamma=gamma, keep=0.3)

    assert torch.autograd.gradcheck(loss, (logits,))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_finite_where_all_is_ignored_or_sure(kind: str, precision: torch.dtype, scale: float):
    generator = torch.Generator().manual_seed(3)
    logits = (scale * torch.randn(2, 3, 8, 8, generator=generator)).to(precision)
    logits = logits.contiguous(memory_format=torch.channels_last).requires_grad_()
    blank = torch.full((2, 8, 8), 255)
    loss = segmentation_loss(logits, blank, kind=kind)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.equal(gradient, torch.zeros_like(gradient))
    one = blank.clone()
    one[0, 3, 3] = 1
    for maps in (one, logits.detach().argmax(1), torch.randint(0, 3, (2, 8, 8), generator=generator)):
        for gamma in (0.5, 2.0):
            loss = segmentation_loss(logits, maps, kind=kind, gamma=gamma)
            (gradient,) = torch.autograd.grad(loss, logits)
            assert loss.dtype == torch.float32
            assert torch.isfinite(loss)
            assert torch.isfinite(gradient).all()


def test_sums_and_names(batch):
    logits, maps = batch
    both = segmentation_loss(logits, maps, kind="cross_entropy") + segmentation_loss(
        logits, maps, kind="dice"
    )
    assert segmentation_loss(logits, maps, kind="cross_entropy+dice") == pytest.approx(float(both))
    borders = losses.boundary_weights(maps)
    wanted = losses.cross_entropy(logits, maps, weights=borders)
    assert segmentation_loss(logits, maps, kind="boundary") == pytest.approx(float(wanted))
    with pytest.raises(OcellusError, match="no loss 'hinge'; there is cross_entropy, balanced"):
        segmentation_loss(logits, maps, kind="hinge")
