"""How a classifier is trained, and measured meanwhile."""

from __future__ import annotations

from functools import partial

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocellus.data.class_examples import ClassBatch, ClassExamples, collate_classes
from ocellus.data.dataset import Dataset
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.nn.segmentation_losses import balanced_class_weights
from ocellus.see.classifier.config import Config, Train
from ocellus.see.classifier.inference import prepared
from ocellus.see.classifier.loss import losses
from ocellus.see.classifier.model import build
from ocellus.training.beginning import seeded
from ocellus.training.labels import validator
from ocellus.training.optimizers import backbone_stage, make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit


class Recipe(LightningModule):
    """One training run's network, loss, optimizer, examples and validation.

    Args:
        config: of the network.
        sampling: the loss, and how pictures are varied.
        fit: of the loop.
        labels: class names.
        skeleton: of keypoints, which this has none of.

    Raises:
        OcellusError: a share of smoothing that is none. Exit code 2.
    """

    collate = staticmethod(collate_classes)
    monitor = "top1"
    """The figure that decides which weights are best."""

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        if not 0 <= sampling.label_smoothing < 1:
            raise OcellusError(
                f"--label-smoothing is {sampling.label_smoothing}; it has to be 0 or more and below 1",
                exit_code=2,
            )
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.class_weights: Tensor | None = None
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: ClassBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms."""
        raw = self.network(batch.images)
        weights = self.class_weights
        with torch.autocast(self.device.type, enabled=False):  # logarithms need more digits than bf16 has
            terms = losses(
                raw,
                batch.labels,
                train=self.sampling,
                others=batch.others,
                shares=batch.shares,
                class_weights=None if weights is None else weights.to(raw.logits.device),
            )
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the backbone's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=backbone_stage)

    def examples(self, dataset: Dataset, split: str) -> ClassExamples:
        """A split's pictures, varied as the settings say."""
        records = dataset.splits[split]
        if self.sampling.balance:
            known = [record.label for record in records if record.label is not None]
            counts = torch.bincount(torch.tensor(known), minlength=len(dataset.labels))
            self.class_weights = balanced_class_weights(counts)
        return ClassExamples(
            records,
            dataset,
            train=self.sampling,
            channels=self.config.channels,
            short_side=self.config.short_side,
            crop=self.config.crop,
            mixup=self.sampling.mixup,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures top 1 and more on a split; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        prepare = partial(prepared, self.config)
        return validator(records, self.labels, prepare, fit=self.fit, channels=self.config.channels)
