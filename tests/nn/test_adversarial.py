"""The adversarial losses against values worked out by hand."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import nn

from ocellus.nn.adversarial import KINDS, accuracy, discriminator_loss, generator_loss, r1_penalty

REAL, FAKE = torch.tensor([log(3.0), 0.0]), torch.tensor([-log(3.0), log(3.0)])
# The sigmoid of log 3 is 3/4, of 0 it is 1/2, of -log 3 it is 1/4.


def test_minmax_and_nonsaturating_by_hand() -> None:
    judged = -(log(3 / 4) + log(1 / 2)) / 2 - (log(3 / 4) + log(1 / 4)) / 2
    for kind in ("minmax", "nonsaturating"):
        assert float(discriminator_loss(REAL, FAKE, kind=kind)) == pytest.approx(judged)
    assert float(generator_loss(FAKE, kind="minmax")) == pytest.approx((log(3 / 4) + log(1 / 4)) / 2)
    assert float(generator_loss(FAKE, kind="nonsaturating")) == pytest.approx(-(log(1 / 4) + log(3 / 4)) / 2)


def test_hinge_and_lsgan_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.25])
    assert float(discriminator_loss(real, fake, kind="hinge")) == (0 + 0.5) / 2 + (0 + 1.25) / 2
    assert float(generator_loss(fake, kind="hinge")) == (2 - 0.25) / 2
    assert float(discriminator_loss(real, fake, kind="lsgan")) == (1 + 0.25) / 2 + (4 + 0.0625) / 2
    assert float(generator_loss(fake, kind="lsgan")) == (9 + 0.5625) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_generator_that_is_believed_more_loses_less(kind: str) -> None:
    fake = torch.tensor([-3.0, 0.2], requires_grad=True)
    (down,) = torch.autograd.grad(generator_loss(fake, kind=kind), fake)
    assert (down < 0).all()
    (up,) = torch.autograd.grad(discriminator_loss(torch.zeros(2), fake, kind=kind), fake)
    assert up[1] > 0


def test_minmax_saturates_where_nonsaturating_does_not() -> None:
    """The gradient of a generator that fools nobody (section 3 of the first paper)."""
    lengths = {}
    for kind in ("minmax", "nonsaturating"):
        fake = torch.tensor(-10.0, requires_grad=True)
        lengths[kind] = float(torch.autograd.grad(generator_loss(fake, kind=kind), fake)[0].abs())
    assert lengths["minmax"] < 1e-4 < 0.99 < lengths["nonsaturating"]


def test_scales_are_averaged() -> None:
    scales = [torch.tensor([1.0, 3.0]), torch.tensor([[0.0]])]
    assert float(generator_loss(scales, kind="lsgan")) == ((0 + 4) / 2 + 1) / 2
    right, wrong = accuracy(scales, [torch.tensor([0.0]), torch.tensor([1.0])], kind="lsgan")
    assert (float(right), float(wrong)) == (0.5, 0.5)


def test_accuracy_has_its_middle_where_the_loss_has() -> None:
    real, fake = torch.tensor([0.4, 0.6]), torch.tensor([0.4, 0.6])
    assert [float(share) for share in accuracy(real, fake, kind="hinge")] == [1.0, 0.0]
    assert [float(share) for share in accuracy(real, fake, kind="lsgan")] == [0.5, 0.5]


def test_r1_of_a_linear_judge_is_its_weights_length() -> None:
    judge = nn.Linear(12, 1)
    images = torch.rand(5, 3, 2, 2, requires_grad=True)
    penalty = r1_penalty(judge(images.flatten(1)), images)
    assert float(penalty.detach()) == pytest.approx(float(judge.weight.detach().square().sum()), rel=1e-5)
    penalty.backward()
    torch.testing.assert_close(judge.weight.grad, 2 * judge.weight.detach())


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="wasserstein"):
        generator_loss(FAKE, kind="wasserstein")
