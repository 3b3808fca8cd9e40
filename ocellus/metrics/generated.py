"""Generated pictures beside real ones: one table of figures, and the lines of a mode-collapse report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.classifier_score import classifier_score
from ocellus.metrics.diversity import COLLAPSED, Diversity, diversity_per_class
from ocellus.metrics.feature_distance import kid
from ocellus.metrics.sliced_wasserstein import COARSEST, sliced_wasserstein

PATCHES = 64
DIRECTIONS = 128
COPIED = 0.2
"""Share of copies from which a class is called collapsed, however far the others lie apart."""


class Judging(Protocol):
    """A classifier that looks at pictures: `ocellus.training.judge.Judge`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its classes."""

    def scores(self, images: Tensor) -> Tensor:
        """(N, K) logits of (N, C, H, W) pictures."""

    def embed(self, images: Tensor) -> Tensor:
        """(N, D) features of (N, C, H, W) pictures."""

    def labels_of(self, names: Sequence[str]) -> Tensor:
        """Its numbers of these classes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Against:
    """Real pictures to compare with, in an order that is not that of their classes.

    Args:
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64.
        names: of the classes; one name where they do not count.
        judge: a classifier, or None.
        features: (N, D) the judge's, or None.
        top1: how often it names the class of the real ones, or None.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    judge: Judging | None
    features: Tensor | None
    top1: float | None

    @staticmethod
    def made(
        images: Tensor, labels: Tensor, *, names: Sequence[str], judge: Judging | None = None
    ) -> Against:
        """From (N, C, H, W) pictures and their (N,) labels.

        Raises:
            OcellusError: a class with fewer than two pictures, or whose pictures are all the same, or one
                that the judge does not know; pictures too small to be compared.
        """
        if min(images.shape[2:]) < COARSEST:
            raise OcellusError(
                f"pictures of {images.shape[3]}x{images.shape[2]} pixels are too small to validate on: "
                f"{COARSEST} or more a side are compared; give larger ones, or no split to validate on"
            )
        counts = torch.bincount(labels, minlength=len(names)).tolist()
        few = [f"{name} has {count}" for name, count in zip(names, counts, strict=True) if count < 2]
        if few:
            raise OcellusError(
                f"to validate on {', '.join(few)}; diversity takes two or more of each class: "
                "give more pictures, or a larger --val-fraction"
            )
        for label, name in enumerate(names):
            own = images[labels == label]
            if bool((own == own[:1]).all()):
                raise OcellusError(
                    f"the {len(own)} pictures of {name} to validate on are all the same, so there is no "
                    "diversity to compare with: give others"
                )
        top1 = None
        if judge is not None and len(names) > 1:
            truth = judge.labels_of(names)[labels]
            top1 = classifier_score(judge.scores(images), truth, names=judge.names).top1
        features = None if judge is None else judge.embed(images)
        return Against(
            images=images, labels=labels, names=tuple(names), judge=judge, features=features, top1=top1
        )


def compared(
    images: Tensor, labels: Tensor, *, against: Against, seed: int = 0
) -> tuple[dict[str, float], tuple[Diversity, ...]]:
    """The figures of generated pictures.

    Args:
        images: (M, C, H, W) in [0, 1].
        labels: (M,) int64, the classes that they are meant to be.
        against: the real ones.
        seed: of what the distances draw.

    Returns:
        By name "sliced_wasserstein", "diversity" (the mean over classes of the generated pictures' mean
        distance over the real ones'), "diversity_error" (the largest difference of a class from 1),
        "diversity/<class>", "copies" (the largest share), "pictures"; with a judge "kid", "kid_low",
        "kid_high", and with classes "top1" and "top1_real". And the diversity of each class.
    """
    if len(against.names) == 1:
        labels = torch.zeros_like(labels)
    found = diversity_per_class(
        images.flatten(1),
        labels,
        real=against.images.flatten(1),
        real_labels=against.labels,
        names=against.names,
    )
    dice = torch.Generator().manual_seed(seed)
    real, fake = (side[torch.randperm(len(side), generator=dice)] for side in (against.images, images))
    distance = sliced_wasserstein(real, fake, patches=PATCHES, directions=DIRECTIONS, seed=seed)
    figures = {
        "sliced_wasserstein": distance.mean,
        "diversity": sum(one.ratio for one in found) / len(found),
        "diversity_error": max(abs(one.ratio - 1) for one in found),
        "copies": max(one.copies for one in found),
        "pictures": float(len(images)),
    }
    if len(found) > 1:
        figures |= {f"diversity/{one.name}": one.ratio for one in found}
    if against.judge is not None and against.features is not None:
        apart = kid(against.features, against.judge.embed(images), subsets=1, seed=seed)
        figures |= {"kid": apart.value, "kid_low": apart.low, "kid_high": apart.high}
        if against.top1 is not None:
            truth = against.judge.labels_of(against.names)[labels]
            score = classifier_score(against.judge.scores(images), truth, names=against.judge.names)
            figures |= {"top1": score.top1, "top1_real": against.top1}
    return figures, found


def collapse_lines(found: Sequence[Diversity]) -> list[str]:
    """A line for each class whose generated pictures are too much alike."""
    return [
        f"mode collapse: {one.name} has {one.ratio:.0%} of the real pictures' diversity, and "
        f"{one.copies:.0%} of its {one.samples[0]} pictures are copies of another"
        for one in found
        if one.ratio < COLLAPSED or one.copies >= COPIED
    ]
