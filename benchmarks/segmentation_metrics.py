"""Figures of label maps, mIoU and its like: ours against torchmetrics.

    python -m benchmarks.segmentation_metrics --pictures 500 --turns 5

Both get the same pictures one by one, in turn, in one process and on one thread, each in its own form: ours
uint8 maps, torchmetrics int64 tensors (making these is not timed). The figures are the same ones, per class
and in the mean: IoU, Dice (F1), pixel accuracy, mean accuracy, frequency-weighted IoU; those of torchmetrics
are in one collection, which shares what they have in common. Peers: that collection as it comes, without its
checks of the input (ours are on), and MulticlassJaccardIndex alone without them. Boundary IoU, which
torchmetrics does not have, is timed beside.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

from benchmarks.timing import compare, seconds
from ocellus.metrics.segmentation import PixelConfusion

HEIGHT, WIDTH, CLASSES = 360, 480, 11
DIFFERENT = 50  # as int64 already 140 MB; more pictures are these again
NAMES = tuple(str(label) for label in range(CLASSES))
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def make(count: int) -> list[Pair]:
    """Predictions and truths: smooth regions, moved a little, wrong in a tenth of them, some ignored."""
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        fields = random.standard_normal((CLASSES, HEIGHT // 8, WIDTH // 8)).astype(np.float32)
        fields = ndimage.zoom(ndimage.gaussian_filter(fields, (0, 4, 4)), (1, 8, 8), order=1)
        truth = fields.argmax(0).astype(np.uint8)
        prediction = np.roll(truth, random.integers(-3, 4, 2), (0, 1))
        wrong = ndimage.gaussian_filter(random.standard_normal(truth.shape).astype(np.float32), 6)
        prediction[wrong > np.quantile(wrong, 0.9)] = random.integers(0, CLASSES)
        truth[fields.max(0) < np.quantile(fields.max(0), 0.03)] = 255
        pairs.append((prediction, truth))
    return pairs


def ours(pairs: list[Pair], count: int, *, boundary: bool = False) -> dict[str, float]:
    confusion = PixelConfusion(NAMES, boundary=boundary)
    for index in range(count):
        confusion.add_maps(*pairs[index % len(pairs)])
    return confusion.result()


def collection(*, checks: bool) -> MetricCollection:
    """torchmetrics' metrics of the same figures."""

    def made(kind: type[Metric], average: str) -> Metric:
        return kind(num_classes=CLASSES, average=average, ignore_index=255, validate_args=checks)

    return MetricCollection(
        {
            "IoU": made(MulticlassJaccardIndex, "none"),
            "frequency_weighted_IoU": made(MulticlassJaccardIndex, "weighted"),
            "Dice": made(MulticlassF1Score, "none"),
            "pixel_accuracy": made(MulticlassAccuracy, "micro"),
            "mean_accuracy": made(MulticlassAccuracy, "macro"),
        }
    )


def peer(
    metric: Metric | MetricCollection, pairs: list[tuple[torch.Tensor, torch.Tensor]], count: int
) -> dict[str, float]:
    """torchmetrics' figures under our names."""
    metric.reset()
    for index in range(count):
        metric.update(*pairs[index % len(pairs)])
    found = metric.compute()
    if not isinstance(found, dict):
        return {"mIoU": float(found)}
    figures: dict[str, float] = {}
    for name, value in found.items():
        if value.ndim:
            figures |= {f"{name}/{label}": float(each) for label, each in enumerate(value)}
            figures["mIoU" if name == "IoU" else name] = float(value.mean())
        else:
            figures[name] = float(value)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    count = asked.pictures
    pairs = make(min(count, DIFFERENT))
    tensors = [tuple(torch.from_numpy(side).long() for side in pair) for pair in pairs]
    print(f"{count} label maps of {WIDTH} x {HEIGHT}, {CLASSES} classes, {len(pairs)} different ones")
    alone = MulticlassJaccardIndex(num_classes=CLASSES, ignore_index=255, validate_args=False)
    for title, metric in (
        ("torchmetrics, as it comes", collection(checks=True)),
        ("torchmetrics, unchecked", collection(checks=False)),
        ("its mIoU alone, unchecked", alone),
    ):
        found: dict[str, dict[str, float]] = {}
        ratio = compare(
            lambda found=found: found.update(ours=ours(pairs, count)),
            lambda found=found, metric=metric: found.update(peer=peer(metric, tensors, count)),
            turns=asked.turns,
            warm_up=1,
        )
        apart = max(abs(value - found["ours"][name]) for name, value in found["peer"].items())
        print(f"{title:26} {ratio}   {len(found['peer'])} figures, largest difference {apart:.1e}")
    took = min(seconds(lambda: ours(pairs, count, boundary=True)) for _ in range(asked.turns))
    print(f"ours with Boundary IoU    {1e3 * took:.0f} ms; mIoU {found['ours']['mIoU']:.4f}")


if __name__ == "__main__":
    main()
