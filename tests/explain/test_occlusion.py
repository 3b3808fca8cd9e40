"""Occlusion by hand: a network that only looks at one square, fills, borders, and what makes no sense."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.explain import occlusion
from ocellus.nn.subject import Subject


class Looks(nn.Module):
    """Its class 0 is the sum of a 4 x 4 square, class 1 minus that."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        total = images[:, :, 4:8, 8:12].sum(dim=(1, 2, 3))
        return torch.stack([total, -total], dim=1)


def config(**more: object) -> occlusion.Config:
    return occlusion.Config(**({"window": 4, "stride": 4, "fills": ("0",)} | more))


def test_only_what_is_looked_at_counts() -> None:
    heat = occlusion.explain(Looks(), torch.ones(3, 16, 20), score=0, config=config())
    wanted = torch.zeros(16, 20)
    wanted[4:8, 8:12] = 48
    assert torch.equal(heat.values, wanted) and heat.signed
    assert torch.equal(
        occlusion.explain(Looks(), torch.ones(3, 16, 20), score=1, config=config()).values, -wanted
    )


def test_windows_overlap_and_reach_the_border() -> None:
    heat = occlusion.explain(
        Looks(), torch.ones(3, 14, 19), score=0, config=config(window=8, stride=3)
    ).values
    count, total = torch.zeros(14, 19), torch.zeros(14, 19)
    for top in (0, 3, 6):
        for left in (0, 3, 6, 9, 12):
            rows, columns = slice(top, top + 8), slice(left, left + 8)
            count[rows, columns] += 1
            covered = len(set(range(top, top + 8)) & set(range(4, 8)))
            total[rows, columns] += 3 * covered * len(set(range(left, left + 8)) & set(range(8, 12)))
    assert count.min() > 0
    torch.testing.assert_close(heat, total / count)


@pytest.mark.parametrize(
    ("fill", "drop"), [("0", 16.0 * 3), ("0.25", 12.0 * 3), ("1", 0.0), ("2", -16.0 * 3)]
)
def test_fills_that_are_numbers(fill: str, drop: float) -> None:
    heat = occlusion.explain(Looks(), torch.ones(3, 16, 20), score=0, config=config(fills=(fill,)))
    assert float(heat.values[5, 9]) == pytest.approx(drop)


def test_fill_with_the_pictures_color_and_blurred() -> None:
    image = torch.zeros(3, 16, 20)
    image[0, 4:8, 8:12] = 1.0
    heat = occlusion.explain(Looks(), image, score=0, config=config(fills=("mean",)))
    assert float(heat.values[5, 9]) == pytest.approx(16 - 16 * 16 / 320)
    assert float(heat.values[0, 0]) == 0
    blurred = occlusion.explain(Looks(), image, score=0, config=config(fills=("blur",)))
    assert 2 < float(blurred.values[5, 9]) < 14  # some of the square is left
    flat = occlusion.explain(Looks(), torch.full((3, 16, 20), 0.5), score=0, config=config(fills=("blur",)))
    assert flat.values.abs().max() < 1e-4  # a flat picture is not changed by it


def test_several_fills_are_averaged() -> None:
    heat = occlusion.explain(Looks(), torch.ones(3, 16, 20), score=0, config=config(fills=("0", "0.5", "1")))
    assert float(heat.values[5, 9]) == pytest.approx(48 * (1 + 0.5 + 0) / 3)


def test_batches() -> None:
    results = []
    for batch, calls in ((1, [1] * 21), (7, [1, 7, 7, 6]), (100, [1, 20])):
        network = Looks()
        results.append(occlusion.explain(network, torch.rand(3, 16, 20), score=0, config=config(batch=batch)))
        assert network.seen == calls
    network = Looks()
    occlusion.explain(network, torch.rand(3, 16, 20), score=0, config=config(batch=100, fills=("0", "1")))
    assert network.seen == [1, 20, 20]


def test_padding_is_not_covered() -> None:
    images = torch.zeros(1, 3, 16, 32)
    images[:, :, :12, :20] = 1.0
    subject = Subject(images, (12, 20), (12, 20))

    class Sized(Looks):
        def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
            assert sizes.tolist() == [[12, 20]] * len(images)
            assert images[:, :, 12:].abs().sum() == images[:, :, :, 20:].abs().sum() == 0
            return super().forward(images)

    heat = occlusion.explain(Sized(), subject, score=0, config=config(fills=("mean",)))
    assert heat.size == (12, 20) and heat.values.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("change", "wanted"),
    [({"window": 17}, "20 x 16 pixels, less than the window of 17: take a smaller window .--window 4"),
     ({"stride": 5}, "stride is 5 and window 4.*the stride is from 1"), ({"stride": 0}, "stride is 0"),
     ({"fills": ()}, "one fill or more"), ({"batch": 0}, "batch 0"),
     ({"fills": ("0", "grey")}, "fills holds 'grey'; each is mean, blur or a number")],
)  # fmt: skip
def test_settings_that_make_no_sense(change: dict[str, object], wanted: str) -> None:
    network = Looks()
    with pytest.raises(OcellusError, match=wanted):
        occlusion.explain(network, torch.ones(3, 16, 20), score=0, config=config(**change))
    assert network.seen == []  # before anything is computed
