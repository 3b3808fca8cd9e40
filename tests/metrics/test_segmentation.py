"""Pixel confusion: by hand, and against scikit-learn and torchmetrics on fuzzed maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_jaccard_index,
)

from ocellus.errors import OcellusError
from ocellus.metrics.segmentation import PixelConfusion
from ocellus.report.measures import gloss
from ocellus.values import Segmentation

NAMES = ("road", "car", "sky")


def maps(
    random: np.random.Generator, *, classes: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A truth in patches with ignored pixels and without the last class, and a prediction right in most."""
    height, width = size
    truth = (
        random.integers(0, max(classes - 1, 1), (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)
    )
    truth = truth[:height, :width].astype(np.uint8)
    wrong = random.random(size) < 0.3
    prediction = np.where(wrong, random.integers(0, classes, size), truth).astype(np.uint8)
    truth[random.random(size) < 0.1] = 255
    return prediction, truth


def test_by_hand():
    truth = torch.tensor([[0, 0, 0, 1], [0, 1, 1, 255]])
    prediction = torch.tensor([[0, 0, 1, 1], [2, 1, 0, 0]])
    confusion = PixelConfusion(NAMES)
    confusion.add_maps(prediction, truth)
    assert confusion.matrix().tolist() == [[2, 1, 1], [1, 2, 0], [0, 0, 0]]
    found = confusion.result()
    assert found["IoU/road"] == 2 / 5
    assert found["IoU/car"] == 2 / 4
    assert found["Dice/road"] == 4 / 7
    assert found["Dice/car"] == 4 / 6
    assert found["mIoU"] == pytest.approx((2 / 5 + 2 / 4) / 2)
    assert found["Dice"] == pytest.approx((4 / 7 + 4 / 6) / 2)
    assert found["pixel_accuracy"] == 4 / 7
    assert found["mean_accuracy"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert found["frequency_weighted_IoU"] == pytest.approx((4 * 2 / 5 + 3 * 2 / 4) / 7)
    assert math.isnan(found["IoU/sky"])
    assert math.isnan(found["Dice/sky"])
    assert confusion.reasons() == {
        "IoU/sky": "the truth has no pixel of sky; 1 pixels were taken for it",
        "Dice/sky": "the truth has no pixel of sky; 1 pixels were taken for it",
    }


@pytest.mark.filterwarnings("ignore:A single label was found")
def test_pixels_of_all_pictures_are_pooled_and_the_background_counts():
    """Both are said where the figures are explained: a mean of pictures, or without it, is something else."""
    confusion = PixelConfusion(("background", "cell"))
    pictures = [
        ([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]),
        ([0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 0]),
    ]
    for prediction, truth in pictures:
        confusion.add_maps(np.array([prediction]), np.array([truth]))
    found = confusion.result()
    cell, ground = 2 * 4 / (5 + 6), 2 * 7 / (9 + 8)
    assert found["Dice/cell"] == pytest.approx(cell)  # the mean of the two pictures' is (1 + 0) / 2
    assert found["Dice"] == pytest.approx((cell + ground) / 2)
    assert found["mIoU"] == pytest.approx((4 / 7 + 7 / 10) / 2)
    for name in ("mIoU", "Dice"):
        assert "the background too" in gloss(name)
    assert "of all pictures together" in gloss("Dice")
    assert "best on these very pictures" in gloss("Rand")


@pytest.mark.parametrize("classes", [1, 2, 11, 15, 16, 180, 181, 255])
def test_equals_scikit_learn(classes: int):
    """Both labels of up to 15 classes are counted in 8 bits, of up to 180 in 16."""
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(classes)
    confusion = PixelConfusion([str(label) for label in range(classes)])
    pairs = [maps(random, classes=classes, size=size) for size in ((37, 53), (1, 1), (64, 7))]
    for prediction, truth in pairs:
        confusion.add_maps(prediction, truth)
    prediction, truth = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    prediction, truth = prediction[truth != 255], truth[truth != 255]
    wanted = sklearn.confusion_matrix(truth, prediction, labels=range(classes))
    assert (confusion.matrix().numpy() == wanted).all()
    found = confusion.result()
    present = sorted(set(truth.tolist()))
    each = sklearn.jaccard_score(truth, prediction, labels=present, average=None)
    np.testing.assert_allclose([found[f"IoU/{label}"] for label in present], each, rtol=1e-12)
    assert found["mIoU"] == pytest.approx(each.mean(), rel=1e-12)
    each = sklearn.f1_score(truth, prediction, labels=present, average=None)
    np.testing.assert_allclose([found[f"Dice/{label}"] for label in present], each, rtol=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(sklearn.accuracy_score(truth, prediction), rel=1e-12)
    recall = sklearn.recall_score(truth, prediction, labels=present, average="macro")
    assert found["mean_accuracy"] == pytest.approx(recall, rel=1e-12)
    weighted = sklearn.jaccard_score(truth, prediction, labels=present, average="weighted")
    assert found["frequency_weighted_IoU"] == pytest.approx(weighted, rel=1e-12)


def test_equals_torchmetrics_but_for_absent_classes():
    """The last class is not in the truth: torchmetrics gives it 0 and takes that into the mean."""
    random = np.random.default_rng(0)
    prediction, truth = (torch.from_numpy(side) for side in maps(random, classes=5, size=(90, 120)))
    confusion = PixelConfusion("abcde")
    confusion.add_maps(prediction, truth)
    found, sides = confusion.result(), (prediction.long(), truth.long())
    matrix = multiclass_confusion_matrix(*sides, num_classes=5, ignore_index=255)
    assert torch.equal(confusion.matrix(), matrix)
    jaccard = multiclass_jaccard_index(*sides, num_classes=5, ignore_index=255, average="none").tolist()
    f1 = multiclass_f1_score(*sides, num_classes=5, ignore_index=255, average="none").tolist()
    for label, name in enumerate("abcd"):
        assert found[f"IoU/{name}"] == pytest.approx(jaccard[label], rel=1e-6)
        assert found[f"Dice/{name}"] == pytest.approx(f1[label], rel=1e-6)
    assert jaccard[4] == 0
    assert math.isnan(found["IoU/e"])
    assert found["mIoU"] == pytest.approx(sum(jaccard) / 4, rel=1e-6)
    accuracy = multiclass_accuracy(*sides, num_classes=5, ignore_index=255, average="micro")
    assert found["pixel_accuracy"] == pytest.approx(float(accuracy), rel=1e-6)


def test_what_is_not_answered_is_missed():
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    confusion = PixelConfusion(NAMES)
    confusion.add_maps(np.array([[0, 255, 1, 255]], np.uint8), truth)
    found = confusion.result()
    assert found["IoU/road"] == 1 / 2
    assert found["pixel_accuracy"] == 2 / 3
    assert confusion.matrix().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_nothing_annotated_is_nan_with_reasons():
    confusion = PixelConfusion(NAMES, boundary=True)
    assert all(map(math.isnan, confusion.result().values()))
    confusion.add_maps(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))
    confusion.add_maps(np.zeros((0, 8), np.uint8), np.zeros((0, 8), np.uint8))
    found = confusion.result()
    assert all(map(math.isnan, found.values()))
    assert confusion.reasons().keys() == found.keys()
    assert confusion.reasons()["mIoU"] == "the truth of 2 pictures has no pixel with a class"


@pytest.mark.parametrize("boundary", [False, True])
def test_parts_merged_and_restored_are_the_whole(boundary: bool):
    random = np.random.default_rng(1)
    pairs = [maps(random, classes=3, size=(40, 60)) for _ in range(4)]
    whole, first, second = (PixelConfusion(NAMES, boundary=boundary) for _ in range(3))
    for index, (prediction, truth) in enumerate(pairs):
        whole.add_maps(prediction, truth)
        (first, second)[index % 2].add_maps(prediction, truth)
    first.merge(second)
    again = PixelConfusion(NAMES, boundary=boundary)
    again.restore(first.state())
    assert len(again) == 4
    for found in (first, again):
        assert torch.equal(found.matrix(), whole.matrix())
        np.testing.assert_equal(found.result(), whole.result())


def test_kinds_of_maps_are_one():
    random = np.random.default_rng(2)
    prediction, truth = maps(random, classes=3, size=(20, 30))
    wanted = PixelConfusion(NAMES)
    wanted.add_maps(prediction, truth)
    turned = np.ascontiguousarray(truth.T).T
    turned.flags.writeable = False
    for sides in (
        (torch.from_numpy(prediction).long(), truth.astype(np.int16)),
        (prediction.astype(np.int32), turned),
        (torch.from_numpy(prediction), torch.from_numpy(truth)),
    ):
        found = PixelConfusion(NAMES)
        found.add_maps(*sides)
        assert torch.equal(found.matrix(), wanted.matrix())
    values = [Segmentation(labels=torch.from_numpy(side), names=NAMES) for side in (prediction, truth)]
    found = PixelConfusion(NAMES)
    found.add(*values)
    assert torch.equal(found.matrix(), wanted.matrix())


def test_bad_input_is_named_and_leaves_no_trace():
    confusion = PixelConfusion(NAMES, boundary=True)
    right = np.zeros((4, 6), np.uint8)
    for prediction, truth, message in (
        (np.zeros((4, 5), np.uint8), right, r"picture 0: .* 5 x 4 pixels, the truth for 6 x 4"),
        (right + 3, right, "picture 0: the prediction has label 3, but the 3 classes have labels 0 to 2"),
        (right, right + 254, "the truth has label 254"),
        (right, right - 1.0, "float64"),
        (right, np.full((4, 6), -1), "label -1"),
        (right, np.full((4, 6), 256), "label 256"),
        (right[None], right, r"\(1, 4, 6\) uint8"),
    ):
        with pytest.raises(OcellusError, match=message):
            confusion.add_maps(prediction, truth)
    assert not confusion.matrix().any()
    other = Segmentation(labels=torch.from_numpy(right), names=("road", "sky", "car"))
    with pytest.raises(OcellusError, match="the prediction names the classes road, sky, car"):
        confusion.add(other, Segmentation(labels=torch.from_numpy(right)))
    with pytest.raises(OcellusError, match="same names"):
        confusion.merge(PixelConfusion(NAMES))
    for names in ((), ("a", "a"), [str(label) for label in range(256)]):
        with pytest.raises(OcellusError, match="1 to 255 classes"):
            PixelConfusion(names)
