"""Figures of classifiers: equal to scikit-learn's and torchmetrics' on fuzzed answers, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from ocellus.errors import OcellusError
from ocellus.metrics.classification import ClassConfusion


def fuzz(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, C) probabilities and (B,) classes; some classes are missing, some are never answered."""
    random = np.random.default_rng(seed)
    classes, count = int(random.integers(2, 30)), int(random.integers(1, 200))
    truths = random.integers(0, max(classes - int(random.integers(0, 3)), 1), count)
    logits = random.normal(0, random.uniform(0.1, 4), (count, classes))
    logits[np.arange(count), truths] += random.uniform(0, 4)
    logits[:, random.random(classes) < 0.1] -= 20
    return torch.from_numpy(logits).softmax(dim=1), torch.from_numpy(truths)


def counted(probabilities: torch.Tensor, truths: torch.Tensor) -> ClassConfusion:
    names = [f"c{index}" for index in range(probabilities.shape[1])]
    confusion = ClassConfusion(names)
    for start in range(0, len(truths), 7):
        confusion.add(probabilities[start : start + 7], truths[start : start + 7])
    return confusion


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_scikit_learn_and_torchmetrics(seed: int) -> None:
    probabilities, truths = fuzz(seed)
    classes = probabilities.shape[1]
    confusion = counted(probabilities, truths)
    figures = confusion.result()
    found, labels, present = probabilities.argmax(dim=1), np.arange(classes), np.unique(truths)
    precision, recall, both, _ = oracle.precision_recall_fscore_support(
        truths, found, labels=labels, zero_division=np.nan
    )
    assert np.array_equal(confusion.matrix(), oracle.confusion_matrix(truths, found, labels=labels))
    assert torch.equal(confusion.matrix(), multiclass_confusion_matrix(found, truths, classes))
    assert figures["top1"] == pytest.approx(oracle.accuracy_score(truths, found))
    assert figures["mean_accuracy"] == pytest.approx(recall[present].mean())
    strict = oracle.precision_recall_fscore_support(truths, found, labels=present, zero_division=0)
    assert figures["precision"] == pytest.approx(strict[0].mean())
    assert figures["F1"] == pytest.approx(strict[2].mean())
    for label in present:
        assert figures[f"recall/c{label}"] == pytest.approx(recall[label])
        assert figures[f"precision/c{label}"] == pytest.approx(precision[label], nan_ok=True)
        assert figures[f"F1/c{label}"] == pytest.approx(both[label])
    for label in set(labels) - set(present):
        assert math.isnan(figures[f"recall/c{label}"]) and f"F1/c{label}" in confusion.reasons()
    if classes > 5:
        assert figures["top5"] == pytest.approx(
            float(multiclass_accuracy(probabilities, truths, classes, average="micro", top_k=5))
        )
    assert figures["calibration_error"] == pytest.approx(
        float(multiclass_calibration_error(probabilities, truths, classes, n_bins=15)), abs=1e-6
    )
    assert figures["log_loss"] == pytest.approx(
        oracle.log_loss(truths, probabilities.numpy(), labels=labels), abs=1e-6
    )


def test_by_hand() -> None:
    confusion = ClassConfusion(("cat", "dog", "cow"))
    confusion.add(torch.tensor([0.6, 0.3, 0.1]), 0)
    confusion.add(torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.8, 0.0]]), torch.tensor([1, 1]))
    figures = confusion.result()
    assert confusion.matrix().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert figures["top1"] == pytest.approx(2 / 3) and "top5" not in figures
    assert figures["recall/dog"] == 0.5 and figures["precision/cat"] == 0.5
    assert figures["mean_accuracy"] == 0.75
    # 0.6 twice, once right: |1 - 1.2| of 3; 0.8 once, right: 0.2 of 3
    assert figures["calibration_error"] == pytest.approx(0.4 / 3)
    assert figures["log_loss"] == pytest.approx(-np.log([0.6, 0.3, 0.8]).mean())
    assert confusion.confused() == [("dog", "cat", 1)]
    assert confusion.calibration() == [(pytest.approx(0.6), 0.5, 2), (pytest.approx(0.8), 1.0, 1)]
    assert confusion.reasons()["recall/cow"] == "there is no picture of cow"


def test_of_equals_the_first_wins_in_all_figures() -> None:
    confusion = ClassConfusion([f"c{index}" for index in range(8)])
    confusion.add(torch.full((8, 8), 1 / 8), torch.arange(8))
    figures = confusion.result()
    assert figures["top1"] == 1 / 8 and figures["top5"] == 5 / 8
    assert confusion.matrix()[:, 0].tolist() == [1] * 8


def test_certain_answers_are_in_the_last_bin_and_wrong_ones_have_a_finite_loss() -> None:
    confusion = ClassConfusion(("a", "b"))
    confusion.add(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    assert confusion.calibration() == [(1.0, 0.5, 2)]
    assert confusion.result()["calibration_error"] == 0.5
    assert math.isfinite(confusion.result()["log_loss"])


def test_parts_merge_and_are_kept() -> None:
    probabilities, truths = fuzz(3)
    whole = counted(probabilities, truths)
    first, second = counted(probabilities[:20], truths[:20]), counted(probabilities[20:], truths[20:])
    first.merge(second)
    again = ClassConfusion(whole.names)
    again.restore(whole.state())
    for other in (first, again):
        assert other.result() == pytest.approx(whole.result(), nan_ok=True)
        assert torch.equal(other.matrix(), whole.matrix()) and len(other) == len(whole)


def test_nothing_measured_is_nan_with_a_reason() -> None:
    confusion = ClassConfusion(("a", "b"))
    assert all(math.isnan(value) for value in confusion.result().values())
    assert confusion.reasons()["top1"] == "there are no pictures"


@pytest.mark.parametrize(
    ("probabilities", "truths", "words"),
    [
        (torch.tensor([0.5, 0.5, 0.0]), 0, "wanted are 2 for each picture"),
        (torch.tensor([0.5, float("nan")]), 0, "no finite number"),
        (torch.tensor([0.5, 0.5]), 2, "a picture has the class 2"),
        (torch.tensor([[0.5, 0.5]]), torch.tensor([0, 1]), "2 classes of pictures"),
    ],
)
def test_what_cannot_be_counted(probabilities: torch.Tensor, truths: torch.Tensor, words: str) -> None:
    with pytest.raises(OcellusError, match=words):
        ClassConfusion(("a", "b")).add(probabilities, truths)


def test_names_must_differ() -> None:
    with pytest.raises(OcellusError, match="two or more"):
        ClassConfusion(("a",))
    with pytest.raises(OcellusError, match="1 different"):
        ClassConfusion(("a", "a"))
