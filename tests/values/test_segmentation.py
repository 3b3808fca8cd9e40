"""Segmentations and pictures of other channels: what they say, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from ocellus.values import Picture, Segmentation

LABELS = torch.tensor([[0, 0, 1, 255], [2, 2, 2, 255]], dtype=torch.uint8)
NAMES = ("sky", "길", "car")


def test_masks_names_and_shares() -> None:
    found = Segmentation(labels=LABELS, names=NAMES)
    assert found.size == (2, 4)
    assert found.label("길") == 1 and found.label(2) == 2
    assert torch.equal(found.mask("car"), LABELS == 2) and torch.equal(found.mask(0), LABELS == 0)
    assert list(found.shares().items()) == [("car", 3 / 6), ("sky", 2 / 6), ("길", 1 / 6)]  # 255 is left out
    assert found.name(7) == "7"
    with pytest.raises(KeyError, match="no class 'dog'; there is sky, 길, car"):
        found.label("dog")


def test_alpha_of_annotations_of_two_classes_and_of_kept_probabilities() -> None:
    assert Segmentation(labels=LABELS, names=NAMES).alpha("car").tolist() == [[0, 0, 0, 0], [1, 1, 1, 0]]
    labels = torch.tensor([[0, 1]], dtype=torch.uint8)
    confidence = torch.tensor([[0.75, 0.5]]).half()
    two = Segmentation(labels=labels, confidence=confidence, names=("ground", "figure"))
    assert two.alpha("figure").tolist() == [[0.25, 0.5]]  # what is not ground is figure
    three = Segmentation(labels=labels, confidence=confidence, names=NAMES)
    assert three.alpha("길").tolist() == [[0.0, 0.5]]  # what is not sky may be either
    kept = torch.tensor([[[0.75, 0.25]], [[0.125, 0.5]], [[0.125, 0.25]]]).half()
    all_known = Segmentation(labels=labels, confidence=confidence, probabilities=kept, names=NAMES)
    assert all_known.alpha("길").tolist() == [[0.125, 0.5]]
    assert all_known.alpha("길").dtype == torch.float32


def test_moving_takes_every_part_along() -> None:
    picture = Picture(pixels=torch.zeros(3, 2, 4, dtype=torch.uint8))
    found = Segmentation(
        labels=LABELS,
        confidence=torch.ones(2, 4).half(),
        probabilities=torch.ones(3, 2, 4).half(),
        names=NAMES,
        colors=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
        picture=picture,
    )
    moved = found.to("meta")
    assert moved.labels.is_meta and moved.confidence is not None and moved.confidence.is_meta
    assert moved.probabilities is not None and moved.probabilities.is_meta
    assert moved.picture is not None and moved.picture.pixels.is_meta
    assert (moved.names, moved.colors) == (found.names, found.colors)


def test_what_is_printed_and_shown() -> None:
    found = Segmentation(labels=LABELS, names=("sky", "<road>", "car"))
    assert repr(found) == "Segmentation(4x2: car 50.0%, sky 33.3%, <road> 16.7%)"
    page = found._repr_html_()
    assert "&lt;road&gt; 16.7%" in page and "<road>" not in page and "data:image/png" in page
    assert "3.0" not in Segmentation(labels=LABELS)._repr_html_()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": LABELS.long()}, r"\(H, W\) uint8, not \(2, 4\) torch.int64"),
        ({"labels": LABELS[None]}, r"not \(1, 2, 4\)"),
        (
            {"labels": LABELS, "confidence": torch.ones(2, 3)},
            r"confidence of \(2, 3\) for labels",
        ),
        ({"labels": LABELS, "probabilities": torch.ones(3, 4, 2)}, r"probabilities of \(3, 4, 2\)"),
        ({"labels": LABELS, "names": tuple(map(str, range(256)))}, "256 classes; .* at most 255"),
    ],
)
def test_parts_that_do_not_fit(fields: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Segmentation(**fields)  # type: ignore[arg-type]


def test_pictures_of_other_channels() -> None:
    pixels = torch.full((3, 2, 4), 255, dtype=torch.uint8)
    plain = Picture(pixels=pixels)
    assert plain.floats().shape == (3, 2, 4) and float(plain.floats().max()) == 1
    channels = torch.rand(5, 2, 4)
    deep = Picture(pixels=pixels, channels=channels)
    assert torch.equal(deep.floats(), channels) and deep.size == (2, 4)
    moved = deep.to("meta")
    assert moved.channels is not None and moved.channels.is_meta
    with pytest.raises(ValueError, match=r"\(5, 4, 2\) channels in a picture of \(3, 2, 4\)"):
        Picture(pixels=pixels, channels=torch.rand(5, 4, 2))
