"""How pix2pix is trained, and measured meanwhile."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset
from ocellus.data.degradations import named
from ocellus.data.picture_batches import PairBatch, collate_pairs
from ocellus.data.picture_examples import PairExamples
from ocellus.errors import require
from ocellus.imagine.pix2pix.config import Config, Train
from ocellus.imagine.pix2pix.inference import behaving
from ocellus.imagine.pix2pix.loss import LOSSES, generator_terms, judge_loss
from ocellus.imagine.pix2pix.model import build, build_discriminator, paired
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.image_quality import psnr, ssim
from ocellus.metrics.sharpness import sharpness
from ocellus.metrics.sliced_wasserstein import sliced_wasserstein
from ocellus.nn.adversarial import KINDS
from ocellus.nn.dense import device_of
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.training.sheets import in_rows, sheet_of
from ocellus.training.validation import evenly

MONITORS = ("swd", "l1", "ssim")
SHOWN = 6
"""Pairs on a sheet."""
COMPARED = 500
"""Pairs, evenly over the split, whose answers are compared with the truth as sets: these are held at once."""
SIDE = 256
"""Of the squares that are measured, where neither the network nor the recipe has a size."""


class Recipe(LightningModule):
    """One training run's networks, losses, optimizers, examples and validation.

    Args:
        config: of the networks.
        sampling: the losses, and how pairs are varied.
        fit: of the loop.
        labels: there are no classes.
        skeleton: there are no keypoints.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """

    collate = staticmethod(collate_pairs)
    strategy = STRATEGY

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        for name, known in (("loss", LOSSES), ("game", KINDS), ("monitor", MONITORS)):
            require(getattr(sampling, name) in known, sampling, name, f"one of {', '.join(known)}")
        for name in ("l1_weight", "discriminator_weight"):
            require(getattr(sampling, name) >= 0, sampling, name, "0 or more")
        self.automatic_optimization = False
        self.config, self.sampling, self.fit = config, sampling, fit
        self.monitor = sampling.monitor
        self.lower_is_better = sampling.monitor != "ssim"
        self.network = seeded(build, config, seed=fit.seed)
        self.discriminator: nn.Module | None = None
        if sampling.loss != "l1":
            self.discriminator = seeded(build_discriminator, config, seed=fit.seed + 1)
        self.shown: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: PairBatch, index: int) -> dict[str, Tensor]:
        """A step of the discriminator, then one of the generator, on the same pairs and the same answers."""
        optimizers: Any = self.optimizers()
        generator, *judges = optimizers if isinstance(optimizers, list) else [optimizers]
        answers = self.network(batch.inputs).pictures
        figures: dict[str, Tensor] = {}
        logits: Tensor | None = None
        if self.discriminator is not None:
            real = self.discriminator(paired(batch.inputs, batch.targets))
            fake = self.discriminator(paired(batch.inputs, answers.detach()))
            judged = judge_loss(real, fake, self.sampling)
            length = step(self, judges[0], judged, self.discriminator)
            figures |= {"discriminator": judged, "gradient_norm/discriminator": length}
            figures |= judgement(real, fake, kind=self.sampling.game)
            with frozen(self.discriminator):
                logits = self.discriminator(paired(batch.inputs, answers))
        terms = generator_terms(answers, batch.targets, logits, self.sampling)
        total = torch.stack(list(terms.values())).sum()
        length = step(self, generator, total, self.network)
        return {"generator": total, **terms, "gradient_norm/generator": length, **figures}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for the generator, and one for the discriminator where there is one."""
        networks = [self.network, *([self.discriminator] if self.discriminator is not None else [])]
        betas = (self.sampling.momentum, 0.999)
        return [make_optimizer(network, self.fit, betas=betas) for network in networks]

    def companions(self) -> dict[str, nn.Module]:
        """What else the run writes to a file of its own."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> PairExamples:
        """A split's pairs, varied as the settings say."""
        return self.pairs(dataset, split, train=self.sampling)

    def pairs(self, dataset: Dataset, split: str, *, train: Train | None) -> PairExamples:
        """A split's pairs; with `train` None whole and alike: the middle square at the network's size."""
        config, side = self.config, self.config.short_side or self.sampling.crop or SIDE
        return PairExamples(
            dataset.splits.get(split, ()),
            dataset,
            train=train,
            channels=(config.channels, config.outputs),
            swapped=config.direction == "backward",
            degrade=named(config.condition, channels=config.channels) if config.condition else None,
            load=side,
            crop=side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures answers to a split's conditions, made with noise as published; None: it has no pairs."""
        examples = self.pairs(dataset, split, train=None)
        if not len(examples):
            return None
        self.shown = [pair_of(examples, index) for index in range(min(SHOWN, len(examples)))]
        return lambda network: measured(network, examples, fit=self.fit)

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """A sheet: condition, answer, truth, two pairs a row."""
        made = [answer_to(network, condition, fit=self.fit) for condition, _ in self.shown]
        triples = [[pair[0][0], answer, pair[1][0]] for pair, answer in zip(self.shown, made, strict=True)]
        rows = in_rows(triples)
        return {"answers": sheet_of(rows)} if rows else {}


def pair_of(examples: PairExamples, index: int) -> tuple[Tensor, Tensor]:
    """Condition (1, C, H, W) and truth (1, C', H, W)."""
    batch = collate_pairs([examples[0, index]])
    return batch.inputs, batch.targets


def answer_to(network: nn.Module, condition: Tensor, *, fit: Fit, seed: int = 0) -> Tensor:
    """(C', H, W): what the network makes of a condition (1, C, H, W), with noise."""
    place = device_of(network)
    reduced = choose_precision(fit.precision, choose_device(fit.device)) == "bf16"
    with (
        torch.no_grad(),
        behaving(network, noise=True, seed=seed),
        torch.autocast(place.type, torch.bfloat16, enabled=reduced),
    ):
        answer: Tensor = network(condition.to(place)).pictures[0]
        return answer.float().cpu()


def measured(network: nn.Module, examples: PairExamples, *, fit: Fit) -> dict[str, float]:
    """How near the answers are to the truth, and how like true pictures they are as a set.

    Args:
        network: in eval mode.
        examples: all are measured; as a set at most 500, evenly over them.
        fit: its precision is that of the training.
    """
    count = len(examples)
    kept = set(evenly(count, COMPARED))
    sums = {"l1": 0.0, "psnr": 0.0, "ssim": 0.0}
    answers, truths = [], []
    for index in range(count):
        condition, truth = pair_of(examples, index)
        answer, truth = answer_to(network, condition, fit=fit, seed=index), truth[0]
        sums["l1"] += float((answer - truth).abs().mean())
        sums["psnr"] += psnr(answer, truth)
        sums["ssim"] += ssim(answer, truth)
        if index in kept:
            answers.append(answer)
            truths.append(truth)
    made, true = torch.stack(answers), torch.stack(truths)
    return {
        "swd": sliced_wasserstein(true, made).mean,
        **{name: total / count for name, total in sums.items()},
        "pictures": float(count),
        "sharpness_ratio": sharpness(made, true).ratio,
    }
