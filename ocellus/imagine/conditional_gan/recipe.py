"""How the conditional GAN is trained, and measured meanwhile."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.class_examples import ClassBatch, ClassExamples, collate_classes
from ocellus.data.dataset import Dataset
from ocellus.errors import OcellusError, require
from ocellus.imagine.conditional_gan.config import Config, Train
from ocellus.imagine.conditional_gan.inference import draw, noise_of, settle
from ocellus.imagine.conditional_gan.loss import discriminator_losses, generator_losses, mirrored, varied
from ocellus.imagine.conditional_gan.model import build, build_discriminator
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.generated import Against, collapse_lines, compared
from ocellus.nn.adversarial import KINDS, r1_penalty
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.judge import Judge
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.progress import say
from ocellus.training.settings import Fit
from ocellus.training.sheets import sheet_of

MONITORS = {"sliced_wasserstein": True, "diversity_error": True, "kid": True, "top1": False}
"""Figures that can decide, and whether lower is better."""
COLUMNS = 12
"""Pictures of each class on a sheet."""


class Recipe(LightningModule):
    """One training run's networks, losses, optimizers, examples and validation.

    Args:
        config: of the networks.
        sampling: the losses, how pictures are varied, what decides.
        fit: of the loop.
        labels: class names.
        skeleton: there are no keypoints.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """

    collate = staticmethod(collate_classes)
    strategy = STRATEGY

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        check(sampling, fit, config=config)
        self.automatic_optimization = False
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.monitor, self.lower_is_better = sampling.monitor, MONITORS[sampling.monitor]
        self.network = seeded(build, config, seed=fit.seed)
        self.discriminator = seeded(build_discriminator, config, seed=fit.seed + 1)
        self.learning = False
        self.step = 0

    def setup(self, stage: str) -> None:
        """Called before a training."""
        self.learning = True

    def training_step(self, batch: ClassBatch, index: int) -> dict[str, Tensor]:
        """A step of the discriminator, then one of the generator, on the same generated pictures."""
        generator, discriminator = self.optimizers()  # type: ignore[attr-defined]
        real = mirrored(batch.images, chance=self.sampling.flip)
        noise = torch.randn(len(real), self.config.noise, device=real.device)
        fake = self.network(noise, batch.labels).pictures

        on_real = self.discriminator(varied(real, train=self.sampling), batch.labels)
        on_fake = self.discriminator(varied(fake.detach(), train=self.sampling), batch.labels)
        penalty = self.penalty(real, batch.labels)
        judged = discriminator_losses(on_real, on_fake, train=self.sampling, penalty=penalty)
        loss = torch.stack(list(judged.values())).sum()
        length = step(self, discriminator, loss, self.discriminator)

        with frozen(self.discriminator):
            fooling = self.discriminator(varied(fake, train=self.sampling), batch.labels)
        fooled = generator_losses(fooling, train=self.sampling)
        reach = step(self, generator, fooled["generator"], self.network)
        return {
            **judged,
            **fooled,
            **judgement(on_real, on_fake, kind=self.sampling.loss),
            "gradient_norm/discriminator": length,
            "gradient_norm/generator": reach,
        }

    def penalty(self, real: Tensor, classes: Tensor) -> Tensor | None:
        """() the mean squared gradient at what the discriminator is shown, in the steps that have it.

        Args:
            real: (B, C, side, side).
            classes: (B,) int64.
        """
        if not self.sampling.r1 or self.step % self.sampling.r1_every:
            return None
        with torch.autocast(self.device.type, enabled=False):  # a gradient's gradient needs the digits
            images = varied(real.float(), train=self.sampling).detach().requires_grad_()
            return r1_penalty(self.discriminator(images, classes), images)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for the generator, and one for the discriminator."""
        betas = (self.sampling.beta1, self.sampling.beta2)
        rate = self.fit.learning_rate * self.sampling.discriminator_rate
        other = replace(self.fit, learning_rate=rate)
        return [
            make_optimizer(self.network, self.fit, betas=betas),
            make_optimizer(self.discriminator, other, betas=betas),
        ]

    def companions(self) -> dict[str, nn.Module]:
        """What else the run writes to a file of its own."""
        return {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> ClassExamples:
        """A split's pictures: the middle square at the network's side."""
        side = self.config.side
        return ClassExamples(
            dataset.splits.get(split, ()),
            dataset,
            train=None,
            channels=self.config.channels,
            short_side=side,
            crop=side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Compares generated pictures with a split's, class by class; None: it has none.

        Raises:
            OcellusError: a class has fewer than two pictures there, or there is no such judge, or it does not
                know the classes.
        """
        examples = self.examples(dataset, split)
        if not len(examples):
            return None
        items = [examples[0, index] for index in range(len(examples))]
        real = collate_classes(items)
        names = self.labels.names if self.config.condition != "none" else ("all",)
        labels = real.labels if self.config.condition != "none" else torch.zeros_like(real.labels)
        judge = Judge.load(self.sampling.judge) if self.sampling.judge else None
        against = Against.made(real.images, labels, names=names, judge=judge)
        return partial(self.measured, against=against, classes=real.labels)

    def measured(self, network: nn.Module, *, against: Against, classes: Tensor) -> dict[str, float]:
        """The figures of a generator.

        Args:
            network: in eval mode.
            against: the real pictures.
            classes: (N,) int64, theirs: as many of each are generated, several times over.
        """
        if self.learning:
            settle(network, self.config)
        wanted = self.sampling.measured * self.config.classes
        asked = classes.repeat(max(1, round(wanted / len(classes))))
        fake = draw(network, noise_of(self.config, len(asked), seed=self.fit.seed), asked)
        figures, found = compared(fake, asked, against=against)
        for line in collapse_lines(found):
            say(line)
        return figures

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """A sheet, (3, H, W) in [0, 1]: a row for each class, the same noise in a column."""
        if self.learning:
            settle(network, self.config)
        kinds = self.config.classes
        noise = noise_of(self.config, COLUMNS, seed=self.fit.seed).repeat(kinds, 1)
        if self.config.condition == "none":  # other noise in each row
            noise = noise_of(self.config, COLUMNS * kinds, seed=self.fit.seed)
        pictures = draw(network, noise, torch.arange(kinds).repeat_interleave(COLUMNS))
        return {"samples": sheet_of([list(row) for row in torch.split(pictures, COLUMNS)])}


def check(sampling: Train, fit: Fit, *, config: Config) -> None:
    """See that the settings can be.

    Raises:
        OcellusError: they cannot. Exit code 2.
    """
    require(sampling.loss in KINDS, sampling, "loss", f"one of {', '.join(KINDS)}")
    require(sampling.monitor in MONITORS, sampling, "monitor", f"one of {', '.join(MONITORS)}")
    for field in ("r1", "shift", "turn", "scale"):
        require(getattr(sampling, field) >= 0, sampling, field, "0 or more")
    for field in ("r1_every", "measured"):
        require(getattr(sampling, field) >= 1, sampling, field, "1 or more")
    for field in ("flip", "augment"):
        require(0 <= getattr(sampling, field) <= 1, sampling, field, "from 0 to 1")
    for field in ("beta1", "beta2"):
        require(0 <= getattr(sampling, field) < 1, sampling, field, "0 or more and below 1")
    require(sampling.discriminator_rate > 0, sampling, "discriminator_rate", "above 0")
    require(fit.accumulate == 1, fit, "accumulate", "1: both networks step with each batch")
    if sampling.monitor in ("kid", "top1") and not sampling.judge:
        raise OcellusError(
            f"--monitor {sampling.monitor} takes a --judge, a classifier's weights", exit_code=2
        )
    if sampling.monitor == "top1" and (config.condition == "none" or config.classes < 2):
        raise OcellusError(
            "--monitor top1 is how often a judge names the class that was asked for, and no class is: give "
            "--monitor kid",
            exit_code=2,
        )
