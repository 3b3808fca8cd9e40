"""How PSPNet is trained, and measured meanwhile."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelBatch, LabelExamples, collate_labels
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.see.pspnet.config import Config, Train
from ocellus.see.pspnet.inference import predict
from ocellus.see.pspnet.loss import losses
from ocellus.see.pspnet.model import build
from ocellus.training.beginning import seeded
from ocellus.training.dense import class_weights, label_examples, validator
from ocellus.training.optimizers import backbone_stage, make_optimizer
from ocellus.training.plan import Validate
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
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        if config.norm == "batch" and 1 in config.bins and fit.batch_size == 1:
            raise OcellusError(
                "--batch-size 1 leaves one value of each channel where the whole picture is averaged, which "
                "has no spread to be normalized by: give --batch-size 2 or more, or --norm group",
                exit_code=2,
            )
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.class_weights: Tensor | None = None
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: LabelBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms: L + 0.4 L_aux (section 3.3)."""
        raw = self.network(batch.images)
        with torch.autocast(self.device.type, enabled=False):  # sums over pixels: more digits than bf16 has
            terms = losses(
                raw,
                batch.maps,
                train=self.sampling,
                weights=batch.weights,
                class_weights=self.class_weights,
            )
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the backbone's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=backbone_stage)

    def examples(self, dataset: Dataset, split: str) -> LabelExamples:
        """A split's pictures, varied as the settings say."""
        self.class_weights = class_weights(dataset, split, loss=self.sampling.loss)
        return label_examples(dataset, split, config=self.config, train=self.sampling, fit=self.fit)

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures mean IoU on a split, at the pictures' own size; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        return validator(records, self.labels, predict, fit=self.fit, channels=self.config.channels)
