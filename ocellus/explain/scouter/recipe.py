"""How SCOUTER is trained, and measured meanwhile."""

from __future__ import annotations

from functools import partial

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocellus.data.class_examples import ClassBatch, ClassExamples, collate_classes
from ocellus.data.dataset import Dataset
from ocellus.errors import OcellusError
from ocellus.explain.scouter.config import Config, Train
from ocellus.explain.scouter.inference import prepared
from ocellus.explain.scouter.loss import losses
from ocellus.explain.scouter.model import build
from ocellus.labels import LabelMap, Skeleton
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
        OcellusError: a term of the loss that makes no sense. Exit code 2.
    """

    collate = staticmethod(collate_classes)
    monitor = "top1"
    """The figure that decides which weights are best."""

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        sense = {
            "label_smoothing": (0 <= sampling.label_smoothing < 1, "0 or more and below 1"),
            "area_loss": (sampling.area_loss >= 0, "0 or more"),
            "area_power": (sampling.area_power > 0, "above 0"),
        }
        for name, (possible, wanted) in sense.items():
            if not possible:
                flag = "--" + name.replace("_", "-")
                raise OcellusError(f"{flag} is {getattr(sampling, name)}; it has to be {wanted}", exit_code=2)
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: ClassBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms."""
        raw = self.network(batch.images)
        with torch.autocast(self.device.type, enabled=False):  # logarithms need more digits than bf16 has
            terms = losses(raw, batch.labels, train=self.sampling)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the backbone's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=backbone_stage)

    def examples(self, dataset: Dataset, split: str) -> ClassExamples:
        """A split's pictures, varied as the settings say."""
        return ClassExamples(
            dataset.splits[split],
            dataset,
            train=self.sampling,
            channels=self.config.channels,
            short_side=self.config.short_side,
            crop=self.config.crop,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures top 1 and more on a split; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        prepare = partial(prepared, self.config)
        return validator(records, self.labels, prepare, fit=self.fit, channels=self.config.channels)
