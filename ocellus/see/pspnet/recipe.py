"""How PSPNet is trained, and measured meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelBatch, LabelExamples, collate_labels
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.nn.segmentation_losses import balanced_class_weights
from ocellus.see.pspnet.config import Config, Train
from ocellus.see.pspnet.inference import predict
from ocellus.see.pspnet.loss import losses
from ocellus.see.pspnet.model import PSPNet, build
from ocellus.training.dense import validator
from ocellus.training.optimizers import make_optimizer
from ocellus.training.settings import Fit


class Recipe(LightningModule):
    """One training run's network, loss, optimizer, examples and validation.

    Args:
        config: of the network.
        sampling: the loss, and how pictures are varied.
        fit: of the loop.
        labels: class names, the background one of them.
        skeleton: of keypoints, which this has none of.

    Raises:
        OcellusError: batches of one picture, whose average over all of it a batch norm cannot normalize.
            Exit code 2.
    """

    collate = staticmethod(collate_labels)
    monitor = "mIoU"
    """The figure that decides which weights are best."""

    def __init__(
        self,
        config: Config,
        sampling: Train,
        fit: Fit,
        labels: LabelMap,
        skeleton: Skeleton | None = None,
    ) -> None:
        super().__init__()
        if config.norm == "batch" and 1 in config.bins and fit.batch_size == 1:
            raise OcellusError(
                "--batch-size 1 leaves one value of each channel where the whole picture is averaged, which "
                "has no spread to be normalized by: give --batch-size 2 or more, or --norm group",
                exit_code=2,
            )
        self.config = config
        self.sampling = sampling
        self.fit = fit
        self.labels = labels
        self.class_weights: Tensor | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(fit.seed)
            self.network: PSPNet = build(config)

    def training_step(self, batch: LabelBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms: L + 0.4 L_aux (section 3.3)."""
        raw = self.network(batch.images)
        weights = self.class_weights
        with torch.autocast(
            self.device.type, enabled=False
        ):  # sums over pixels need more digits than bf16 has
            terms = losses(
                raw,
                batch.maps,
                train=self.sampling,
                weights=batch.weights,
                class_weights=None if weights is None else weights.to(raw.logits.device),
            )
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the backbone's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=stage)

    def examples(self, dataset: Dataset, split: str) -> LabelExamples:
        """A split's pictures, varied as the settings say."""
        if self.sampling.loss == "balanced":
            self.class_weights = balanced_class_weights(pixel_counts(dataset, split))
        return LabelExamples(
            dataset.splits[split],
            dataset,
            train=self.sampling,
            channels=self.config.channels,
            short_side=self.config.short_side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Callable[[nn.Module], dict[str, float]] | None:
        """Measures mean IoU on a split, at the pictures' own size; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        return validator(records, self.labels, predict, fit=self.fit, channels=self.config.channels)


def pixel_counts(dataset: Dataset, split: str) -> Tensor:
    """(K,) int64, how many pixels of a split each class has."""
    counts = np.zeros(len(dataset.labels), np.int64)
    for record in dataset.splits[split]:
        if record.label_map is not None:
            counts += np.bincount(record.label_map().ravel(), minlength=256)[: len(counts)]
    return torch.from_numpy(counts)


def stage(name: str) -> int | None:
    """Which stage of the backbone a parameter is in, 0 the first; None outside."""
    found = re.match(r"backbone\.(?:stages|wider)\.(\d+)\.", name)
    if found:
        return int(found[1])
    return 0 if name.startswith("backbone.") else None
