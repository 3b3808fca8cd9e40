"""How Portrait is trained, and measured meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelBatch, LabelExamples, collate_labels
from ocellus.imagine.portrait.config import Config, Train
from ocellus.imagine.portrait.inference import predict
from ocellus.imagine.portrait.loss import losses, pasted
from ocellus.imagine.portrait.model import Portrait, build
from ocellus.labels import LabelMap, Skeleton
from ocellus.training.dense import validator
from ocellus.training.optimizers import make_optimizer
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

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.sampling = sampling
        self.fit = fit
        self.labels = labels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(fit.seed)
            self.network: Portrait = build(config)

    def training_step(self, batch: LabelBatch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms, after some subjects were laid over other pictures of the batch."""
        images, maps = pasted(batch.images, batch.maps, chance=self.sampling.paste)
        raw = self.network(images)
        with torch.autocast(self.device.type, enabled=False):
            raw = raw._replace(
                logits=raw.logits.float(),
                auxiliary=None if raw.auxiliary is None else raw.auxiliary.float(),
            )
            terms = losses(raw, maps, self.sampling)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network, at one rate."""
        return make_optimizer(self.network, self.fit)

    def examples(self, dataset: Dataset, split: str) -> LabelExamples:
        """A split's pictures and label maps, varied as the settings say."""
        return LabelExamples(
            dataset.splits[split],
            dataset,
            train=self.sampling,
            channels=self.config.channels,
            short_side=self.config.short_side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Callable[[nn.Module], dict[str, float]] | None:
        """Measures mIoU and each class's IoU on a split at the pictures' own size; None: no pictures."""
        records = dataset.splits.get(split, ())
        return validator(records, self.labels, predict, fit=self.fit, channels=self.config.channels)
