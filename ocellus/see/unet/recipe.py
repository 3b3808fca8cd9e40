"""How U-Net is trained: on classes, and on pairs of a spoilt and a good picture."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ocellus.data.border_weights import border_weights
from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelBatch, LabelExamples, collate_labels
from ocellus.labels import LabelMap, Skeleton
from ocellus.nn.tiles import mirrored
from ocellus.see.unet.config import Config, Train
from ocellus.see.unet.inference import predict
from ocellus.see.unet.loss import class_loss, restoration_loss
from ocellus.see.unet.model import EncodedUNet, Raw, UNet, build, central
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
        labels: class names.
        skeleton: there are no keypoints.
    """

    monitor = "mIoU"
    """The figure that decides which weights are best."""

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.class_weights: Tensor | None = None
        self.network = seeded(build, config, seed=fit.seed)
        self.collate = partial(collate_labels, stride=self.network.stride)

    def training_step(self, batch: LabelBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms."""
        raw = answer(self.network, batch.images)
        with torch.autocast(self.device.type, enabled=False):  # sums over pixels: more digits than bf16 has
            terms = class_loss(
                raw,
                batch.maps,
                train=self.sampling,
                weights=batch.weights,
                class_weights=self.class_weights,
            )
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; a classifier's stages in it may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=backbone_stage)

    def examples(self, dataset: Dataset, split: str) -> LabelExamples:
        """A split's pictures, varied as the settings say."""
        sampling, weights = self.sampling, None
        self.class_weights = class_weights(dataset, split, loss=sampling.loss)
        if sampling.border_weight:
            weights = partial(
                border_weights,
                weight=sampling.border_weight,
                sigma=sampling.border_sigma,
                balance=sampling.border_balance,
            )
        return label_examples(
            dataset, split, config=self.config, train=sampling, fit=self.fit, weights=weights
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures mean IoU and what else goes with it on a split; None: it has no pictures."""
        records = dataset.splits.get(split, ())
        return validator(records, self.labels, predict, fit=self.fit, channels=self.config.channels)


class Pairs(NamedTuple):
    """A batch of pictures to restore."""

    images: Tensor  # (B, C, H, W) spoilt
    targets: Tensor  # (B, C, H, W) good
    names: tuple[str, ...]


class Restoration(LightningModule):
    """One training run of a network that restores pictures; `training.fit` runs it.

    Args:
        config: of the network, with `residual`.
        fit: of the loop.
    """

    monitor = "PSNR"

    def __init__(self, config: Config, fit: Fit) -> None:
        super().__init__()
        self.config = config
        self.fit = fit
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: Pairs, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms."""
        raw = answer(self.network, batch.images)
        with torch.autocast(self.device.type, enabled=False):
            terms = restoration_loss(raw, batch.targets)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network."""
        return make_optimizer(self.network, self.fit)


def answer(network: UNet | EncodedUNet, images: Tensor) -> Raw:
    """What the network says of every pixel of (B, C, H, W); valid convolutions see the borders mirrored."""
    margin = network.margin
    if not margin:
        raw: Raw = network(images)
        return raw
    height, width = images.shape[-2:]
    window = mirrored(lambda top, bottom, left, right: images[..., top:bottom, left:right], (height, width))
    raw = network(window(-margin, height + margin, -margin, width + margin))
    return raw._replace(logits=central(raw.logits, images))
