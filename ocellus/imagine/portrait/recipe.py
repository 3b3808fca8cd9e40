"""How Portrait is trained, and measured meanwhile."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelBatch, LabelExamples, collate_labels
from ocellus.imagine.portrait.config import Config, Train
from ocellus.imagine.portrait.inference import predict
from ocellus.imagine.portrait.loss import copy_paste, losses
from ocellus.imagine.portrait.model import build
from ocellus.labels import LabelMap, Skeleton
from ocellus.training.beginning import seeded
from ocellus.training.dense import class_weights, label_examples, validator
from ocellus.training.optimizers import backbone_stage, make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit


class Recipe(LightningModule):
    """One training run's network, loss, optimizer, examples and validation.

    Args:
        config: of the network.
        sampling: what the loss counts, how pictures are varied.
        fit: of the loop.
        labels: class names, the background among them.
        skeleton: not used; all recipes are made alike.
    """

    collate = staticmethod(collate_labels)
    monitor = "mIoU"
    """The figure that decides which weights are best."""

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.class_weights: Tensor | None = None
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: LabelBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms, after some subjects were laid over other pictures of the batch."""
        images, maps = copy_paste(batch.images, batch.maps, chance=self.sampling.paste)
        raw = self.network(images)
        with torch.autocast(self.device.type, enabled=False):  # sums over pixels: more digits than bf16 has
            raw = raw._replace(
                logits=raw.logits.float(),
                auxiliary=None if raw.auxiliary is None else raw.auxiliary.float(),
            )
            terms = losses(raw, maps, self.sampling, class_weights=self.class_weights)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the encoder's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=encoder_stage)

    def examples(self, dataset: Dataset, split: str) -> LabelExamples:
        """A split's pictures, varied as the settings say."""
        self.class_weights = class_weights(dataset, split, loss=self.sampling.loss)
        return label_examples(dataset, split, config=self.config, train=self.sampling, fit=self.fit)

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures mean IoU on a split, at the pictures' own size; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        return validator(records, self.labels, predict, fit=self.fit, channels=self.config.channels)


def encoder_stage(name: str) -> int | None:
    """Which stage of either encoder a parameter is in, by its name, 0 the stem; None outside."""
    inside = name.startswith(("stem.", "stages."))
    return backbone_stage(f"backbone.{name}" if inside else name)
