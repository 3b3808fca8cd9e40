"""Infidelity and sensitivity, against captum's and cases done by hand."""

from __future__ import annotations

import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.faithfulness import infidelity, sensitivity, squares

WEIGHTS = torch.randn(2, 9, 11, generator=torch.Generator().manual_seed(0))


def linear(images: Tensor) -> Tensor:
    return (images * WEIGHTS).flatten(1).sum(dim=1) + 3


def curved(images: Tensor) -> Tensor:
    return torch.tanh(linear(images) / 4) + images[:, 0].amax(dim=(1, 2))


def picture() -> Tensor:
    return torch.rand(1, 2, 9, 11, generator=torch.Generator().manual_seed(1))


def test_infidelity_is_captums() -> None:
    image = picture()
    values = torch.rand(9, 11, generator=torch.Generator().manual_seed(2))
    changes = squares(image, count=40, side=4)
    wanted = captum_infidelity(
        curved,
        lambda inputs: (changes, inputs - changes),
        image,
        values.expand(1, 2, 9, 11),
        n_perturb_samples=40,
        normalize=True,
    )
    size = (curved(image) - curved(image - changes)).square().mean()
    assert infidelity(curved, image, values, changes, batch=7) == pytest.approx(
        float(wanted / size), rel=1e-4
    )


def test_what_foretells_all_and_nothing() -> None:
    """A linear answer is foretold by its weights, whatever their scale; by a flat map it is not."""
    image = picture()[:, :1]

    def answer(images: Tensor) -> Tensor:
        return (images * WEIGHTS[:1]).flatten(1).sum(dim=1)

    changes = squares(image, count=50)
    assert infidelity(answer, image, 7 * WEIGHTS[0], changes) == pytest.approx(0, abs=1e-9)
    assert infidelity(answer, image, torch.zeros(9, 11), changes) == pytest.approx(1)
    assert 0.1 < infidelity(answer, image, torch.ones(9, 11), changes) <= 1
    still = infidelity(lambda images: torch.ones(len(images)), image, torch.ones(9, 11), changes)
    assert still != still  # nan: nothing to foretell
    with pytest.raises(OcellusError, match="wanted is one size"):
        infidelity(answer, image, torch.ones(5, 5), changes)


def test_squares() -> None:
    image = picture() + 0.1
    changes = squares(image, count=30, side=3, seed=4)
    assert changes.shape == (30, 2, 9, 11)
    for one in changes:
        rows, columns = torch.nonzero(one[0], as_tuple=True)
        assert len(rows) == 9 and rows.max() - rows.min() == 2 and columns.max() - columns.min() == 2
        assert torch.equal(one[one > 0], image[0][one > 0])
    assert squares(image, count=1)[0, 0].count_nonzero() == 4  # a quarter of 11, rounded down
    assert len({tuple(one.flatten().tolist()) for one in changes}) > 10


def test_sensitivity() -> None:
    image = picture()
    assert sensitivity(lambda images: torch.ones(9, 11), image) == 0
    # A map that is the picture itself: at most the noise's norm over its own.
    found = sensitivity(lambda images: images[0, 0], image, radius=0.1, count=20)
    most = 0.1 * (9 * 11) ** 0.5 / float(image[0, 0].norm())
    assert 0.4 * most < found <= most
    assert found == sensitivity(lambda images: images[0, 0], image, radius=0.1, count=20)
