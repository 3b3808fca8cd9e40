"""Average precision against pycocotools on pictures full of corners, and by hand where it has no opinion."""

from __future__ import annotations

import math
import pickle
import random

import numpy as np
import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.values import Instances, Masks
from tests.metrics import coco_oracle, fuzz

SIGMAS = {5: (0.03, 0.05, 0.08, 0.1, 0.06), 1: (0.07,), 17: (0.05,) * 17}
NAMES = ("cat", "dog", "emu", "fox")


def evaluated(pictures, **settings) -> AveragePrecision:
    evaluation = AveragePrecision(NAMES, **settings)
    for prediction, truth in pictures:
        evaluation.add(prediction, truth)
    return evaluation


def same(found: dict[str, float], wanted: dict[str, float], *, within: float = 1e-6) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=within, rel=0, nan_ok=True), name


BOX = [[0, 0, 10, 10]]


def instances(boxes, *, labels=None, scores=None, size=(100, 100), **parts) -> Instances:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances(
        size=size,
        boxes=boxes,
        labels=torch.tensor(labels if labels is not None else [0] * len(boxes), dtype=torch.int64),
        scores=None if scores is None else torch.tensor(scores, dtype=torch.float32),
        **parts,
    )


@pytest.mark.parametrize(
    ("seed", "count", "classes", "keypoints", "most", "areas"),
    [
        (0, 40, 4, 5, 9, True),
        (1, 40, 4, 17, 9, False),
        (2, 60, 12, 1, 6, True),
        (3, 3, 3, 5, 160, True),  # more detections of a class than count
        (4, 25, 2, 5, 25, False),
        (5, 2, 3, 5, 30, True),
    ],
)
def test_equals_pycocotools(seed, count, classes, keypoints, most, areas):
    pictures = fuzz.pictures(seed, count=count, classes=classes, keypoints=keypoints, most=most, areas=areas)
    names = [f"class {label}" for label in range(classes)]
    sigmas = SIGMAS[keypoints]
    evaluation = AveragePrecision(names, sigmas=sigmas)
    for prediction, truth in pictures:
        evaluation.add(prediction, truth)
    wanted = {}
    for kind in ("boxes", "masks", "keypoints"):
        oracle = coco_oracle.evaluation(pictures, kind, classes=classes, sigmas=sigmas)
        wanted |= coco_oracle.numbers(oracle, kind, names)
    assert sum(0.02 < value < 0.98 for value in wanted.values()) > 15  # no trivial pictures
    assert any(math.isnan(value) for value in wanted.values())
    same(evaluation.result(), wanted)


def test_other_limits_equal_pycocotools():
    pictures = fuzz.pictures(7, count=30, classes=4, keypoints=1, most=20)
    oracle = coco_oracle.evaluation(pictures, "boxes", classes=4, limits=(2, 5))
    found = evaluated(pictures, kinds=["boxes"], limits=(5, 2)).result()
    same(found, coco_oracle.numbers(oracle, "boxes", NAMES))


def test_curves_equal_pycocotools():
    pictures = fuzz.pictures(8, count=40, classes=4, keypoints=1, most=9)
    oracle = coco_oracle.evaluation(pictures, "masks", classes=4).eval
    curves = {(curve.name, curve.overlap): curve for curve in evaluated(pictures, kinds=["masks"]).curves()}
    assert len(curves) == 2 * (len(NAMES) + 1)
    for label, name in enumerate(NAMES[:3]):
        precision, score = oracle["precision"][:, :, label, 0, -1], oracle["scores"][0, :, label, 0, -1]
        np.testing.assert_allclose(curves[name, "0.50"].precision, precision[0], atol=1e-9)
        np.testing.assert_allclose(curves[name, "0.50:0.95"].precision, precision.mean(0), atol=1e-9)
        reached = precision[0] > 0
        reached[0] = False  # at recall 0 any score will do; pycocotools gives the highest, right or wrong
        np.testing.assert_allclose(curves[name, "0.50"].score[reached], score[reached], atol=1e-9)
    assert curves["fox", "0.50"].precision.isnan().all()
    mean = oracle["precision"][0, :, :3, 0, -1].mean(1)
    np.testing.assert_allclose(curves["", "0.50"].precision, mean, atol=1e-9)


def test_by_hand():
    # Two truths; the best detection is wrong, the others are right: precision 1/2 at recall 1/2, 2/3 at 1.
    truth = instances([[0, 0, 10, 10], [20, 0, 30, 10]])
    prediction = instances([[0, 0, 10, 10], [50, 50, 60, 60], [20, 0, 30, 9]], scores=[0.8, 0.9, 0.7])
    found = evaluated([(prediction, truth)]).result()
    assert found["box/AP50"] == pytest.approx(2 / 3)
    # The third overlaps by 0.9: eight of ten overlaps give 2/3, 0.90 too, 0.95 gives 1/2 up to recall 1/2.
    assert found["box/AP"] == pytest.approx((9 * 2 / 3 + 0.5 * 51 / 101) / 10)
    assert found["box/AR/1"] == 0
    assert found["box/AR/10"] == pytest.approx((9 * 1 + 0.5) / 10)
    assert found["box/AP/small"] == found["box/AP"]
    assert math.isnan(found["box/AP/large"])
    assert "mask/AP" not in found


def test_half_precision_predictions():
    prediction = instances(BOX, scores=[0.5])
    half = instances(BOX, scores=[0.5])
    object.__setattr__(half, "scores", half.scores.bfloat16())
    object.__setattr__(half, "boxes", half.boxes.bfloat16())
    truth = instances(BOX)
    same(evaluated([(half, truth)]).result(), evaluated([(prediction, truth)]).result(), within=0)


def test_class_without_truth_is_nan_and_left_out_of_the_mean():
    truth = instances([[0, 0, 10, 10]], labels=[1])
    prediction = instances([[0, 0, 10, 10], [0, 0, 10, 10]], labels=[1, 2], scores=[0.5, 0.9])
    found = evaluated([(prediction, truth)]).result()
    assert found["box/AP"] == 1
    assert math.isnan(found["box/AP/emu"])


def test_nothing_at_all_is_nan():
    empty = Instances.empty((10, 10))
    assert all(math.isnan(value) for value in evaluated([(empty, empty)], sigmas=(0.1,)).result().values())
    assert all(math.isnan(value) for value in evaluated([], sigmas=(0.1,)).result().values())


def test_class_named_like_a_size():
    evaluation = AveragePrecision(["small", "other"])
    box = [[0, 0, 60, 60]]
    evaluation.add(instances(box, scores=[0.5], size=(99, 99)), instances(box, size=(99, 99)))
    found = evaluation.result()
    assert found["box/AP/small (class)"] == 1
    assert math.isnan(found["box/AP/small"])


def test_merged_parts_equal_the_whole_in_any_order():
    pictures = fuzz.pictures(9, count=40, classes=4, keypoints=5, most=9)
    whole = evaluated(pictures, sigmas=SIGMAS[5]).result()
    numbered = list(enumerate(pictures))
    random.Random(0).shuffle(numbered)
    parts = [AveragePrecision(NAMES, sigmas=SIGMAS[5]) for _ in range(4)]
    for index, (number, (prediction, truth)) in enumerate(numbered):
        parts[index % 3].add(prediction, truth, picture=number)
    merged = parts[3]  # empty
    for part in (pickle.loads(pickle.dumps(parts[1])), parts[2], parts[0]):  # noqa: S301
        merged.merge(part)
    assert len(merged) == 40
    same(merged.result(), whole, within=0)  # ties in score too


def test_merge_without_numbers_appends():
    pictures = fuzz.pictures(10, count=20, classes=4, keypoints=1, most=9)
    first, second = (evaluated(part, kinds=["boxes"]) for part in (pictures[:11], pictures[11:]))
    first.merge(second)
    same(first.result(), evaluated(pictures, kinds=["boxes"]).result(), within=0)


def test_state_is_tensors_and_restores():
    pictures = fuzz.pictures(11, count=20, classes=4, keypoints=5, most=9)
    evaluation = evaluated(pictures[:12], sigmas=SIGMAS[5])
    state = evaluation.state()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    again = AveragePrecision(NAMES, sigmas=SIGMAS[5])
    again.restore(state)
    for prediction, truth in pictures[12:]:
        evaluation.add(prediction, truth)
        again.add(prediction, truth)
    same(again.result(), evaluated(pictures, sigmas=SIGMAS[5]).result(), within=0)
    same(evaluation.result(), again.result(), within=0)


def test_memory_does_not_grow_with_masks_and_truths():
    """What is kept of a picture is 36 bytes a detection."""
    pictures = fuzz.pictures(12, count=6, classes=4, keypoints=1, most=30)
    evaluation = evaluated(pictures * 100, kinds=["boxes", "masks"])
    detections = 2 * 100 * sum(len(prediction) for prediction, _ in pictures)
    assert len(pickle.dumps(evaluation)) < 36 * detections + 100_000


def test_masks_larger_than_a_window():
    """Runs that go on over a column's end, whole pictures and empty masks."""
    size = (7, 9)
    dense = np.zeros((4, *size), bool)
    dense[0], dense[1, :, 2:5], dense[2, 3:, :] = True, True, True
    boxes = [[0, 0, 9, 7], [2, 0, 5, 7], [0, 3, 9, 7], [0, 0, 0, 0]]
    truth = instances(boxes, size=size, masks=Masks.from_dense(dense))
    prediction = instances(boxes, size=size, masks=Masks.from_dense(dense), scores=[0.9, 0.8, 0.7, 0.6])
    found = evaluated([(prediction, truth)], kinds=["masks"]).result()
    oracle = coco_oracle.evaluation([(prediction, truth)], "masks", classes=4)
    same(found, coco_oracle.numbers(oracle, "masks", NAMES))
    assert found["mask/AR/100"] == 0.75  # the empty mask overlaps nothing, itself neither


DENSE = Masks.from_dense(np.ones((1, 100, 100), bool))


@pytest.mark.parametrize(
    ("prediction", "truth", "says"),
    [
        (instances(BOX, scores=[0.5], size=(50, 100)), instances(BOX), "100 x 50 pixels.*100 x 100"),
        (instances(BOX, scores=[0.5], labels=[4]), instances(BOX), "prediction has label 4, but the 4 names"),
        (instances(BOX, scores=[0.5]), instances(BOX, labels=[-1]), "truth has label -1"),
        (instances(BOX), instances(BOX), "no scores"),
        (instances(BOX, scores=[math.nan]), instances(BOX), "not finite"),
        (
            instances(BOX, scores=[0.5]),
            instances(BOX, masks=DENSE),
            "the truth has masks.*kinds without 'masks'",
        ),
        (
            instances(BOX, scores=[0.5], keypoints=torch.ones(1, 3, 3)),
            instances(BOX, keypoints=torch.ones(1, 3, 3)),
            "3 keypoints an object and 0 sigmas.*sigmas_of",
        ),
    ],
)
def test_refuses_what_does_not_belong_together(prediction, truth, says):
    evaluation = AveragePrecision(NAMES)
    with pytest.raises(OcellusError, match=f"picture 0: .*{says}|{says}"):
        evaluation.add(prediction, truth)
    assert len(evaluation) == 0
    evaluation.add(instances(BOX, scores=[0.5]), instances(BOX))  # and goes on as if nothing had been
    assert evaluation.result()["box/AP"] == 1


def test_refuses_masks_that_come_late():
    evaluation = evaluated([(instances(BOX, scores=[0.5]), instances(BOX))])
    with pytest.raises(OcellusError, match=r"picture 1: .*unlike the pictures before"):
        evaluation.add(instances(BOX, scores=[0.5], masks=DENSE), instances(BOX, masks=DENSE))


def test_refuses_a_picture_twice_and_half_numbered_ones():
    pair = instances(BOX, scores=[0.5]), instances(BOX)
    evaluation = AveragePrecision(NAMES)
    evaluation.add(*pair, picture=3)
    with pytest.raises(OcellusError, match="picture 3 was added before"):
        evaluation.add(*pair, picture=3)
    with pytest.raises(OcellusError, match="number all or none"):
        evaluation.add(*pair)
    other = AveragePrecision(NAMES)
    other.add(*pair, picture=3)
    with pytest.raises(OcellusError, match="both evaluations hold picture 3"):
        evaluation.merge(other)
    with pytest.raises(OcellusError, match="number all or none"):
        evaluation.merge(evaluated([pair]))
    with pytest.raises(OcellusError, match="same names"):
        evaluation.merge(AveragePrecision(NAMES, kinds=["boxes"]))


def test_refuses_broken_run_lengths_and_settings():
    short = Masks.from_runs([np.array([5, 5], np.int32)], (100, 100))
    pair = instances(BOX, scores=[0.5], masks=short), instances(BOX, masks=DENSE)
    with pytest.raises(OcellusError, match="do not sum to the 100 x 100 pixels"):
        evaluated([pair], kinds=["masks"])
    with pytest.raises(OcellusError, match="cannot measure"):
        AveragePrecision(NAMES, kinds=["box"])
    with pytest.raises(OcellusError, match="positive"):
        AveragePrecision(NAMES, sigmas=(0.1, 0.0))
