"""How fast style is trained, and measured meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset, Record
from ocellus.data.picture_batches import PictureBatch, collate_pictures
from ocellus.data.picture_examples import PictureExamples, as_float
from ocellus.errors import OcellusError, require
from ocellus.imagine.fast_style.config import Config, Train
from ocellus.imagine.fast_style.inference import read_goal, read_style, sum_of
from ocellus.imagine.fast_style.loss import (
    Goal,
    content_loss,
    disturbed,
    losses,
    style_loss,
    style_patches,
    temporal_loss,
    total_variation,
)
from ocellus.imagine.fast_style.model import LEAST, build, build_discriminator
from ocellus.labels import LabelMap, Skeleton
from ocellus.nn.adversarial import KINDS, discriminator_loss, generator_loss, r1_penalty
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit

MONITORS = ("total", "style", "content", "stability")
SHOWN = 4
"""Pictures of the validation split on the sheet of samples."""
MEASURED = 50
"""Pictures of the validation split that are measured, at most."""


class Recipe(LightningModule):
    """One training run's network, losses, optimizers, examples and validation.

    Args:
        config: of the network.
        sampling: style, losses, and how examples are cut.
        fit: of the loop.
        labels: not used; all recipes are made alike.
        skeleton: not used.

    Raises:
        OcellusError: settings that make no sense; a style or a loss network that is not named, not there or
            does not fit.
    """

    collate = staticmethod(collate_pictures)
    lower_is_better = True

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        check(sampling)
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.network = seeded(build, config, seed=fit.seed)
        self.goal = read_goal(sampling)
        if sampling.crop:
            self.goal.network.check_size((sampling.crop, sampling.crop), what="a square of --crop")
        self.style = read_style(sampling.style, side=sampling.style_side)
        adversarial = sampling.adversarial > 0
        self.discriminator = seeded(build_discriminator, config, seed=fit.seed + 1) if adversarial else None
        self.automatic_optimization = not adversarial
        if adversarial:
            self.strategy = STRATEGY
        self.shown: tuple[Record, ...] = ()

    @property
    def monitor(self) -> str:
        """The figure that decides which weights are best."""
        return self.sampling.monitor

    def training_step(self, batch: PictureBatch, index: int) -> dict[str, Tensor]:
        """The loss by terms; with an adversary, a step of the discriminator and one of the network."""
        images = batch.images
        painted = self.network(images).values
        if self.discriminator is None:
            terms = self._terms(painted, images)
            return {"loss": sum_of(terms), **terms}
        first, second = self.optimizers()  # type: ignore[attr-defined]
        game = self.sampling.game
        real = style_patches(self.style, len(images), side=self.sampling.crop).to(images)
        real.requires_grad_(self.sampling.penalty > 0)
        # A gradient's gradient needs the digits that autocast would take away.
        reduced = torch.is_autocast_enabled(images.device.type) and not self.sampling.penalty
        with torch.autocast(images.device.type, enabled=reduced):
            judged_real = self.discriminator(real)
        judged_fake = self.discriminator(painted.detach())
        judged = discriminator_loss(judged_real, judged_fake, kind=game)
        told = {"discriminator": judged.detach()}
        if self.sampling.penalty:
            told["penalty"] = 0.5 * self.sampling.penalty * r1_penalty(judged_real, real)
            judged = judged + told["penalty"]
        judge_norm = step(self, second, judged, self.discriminator)
        with frozen(self.discriminator):
            terms = self._terms(painted, images)
            fooled = generator_loss(self.discriminator(painted), kind=game)
            terms["adversarial"] = self.sampling.adversarial * fooled
            loss = sum_of(terms)
            norm = step(self, first, loss, self.network)
        told |= {"loss": loss, **terms, "gradient/network": norm, "gradient/discriminator": judge_norm}
        told = {name: value.detach() for name, value in told.items()}
        return told | judgement(judged_real, judged_fake, kind=game)

    def _terms(self, painted: Tensor, images: Tensor) -> dict[str, Tensor]:
        goal = self.goal_on(images.device)
        with torch.no_grad():
            truth = goal.network.features(images, layers=tuple(goal.content))
        terms = losses(painted, truth, goal, self.sampling)
        if self.sampling.temporal:
            with torch.autocast(images.device.type, enabled=False):
                later, flow = disturbed(images, self.sampling)
            changed = temporal_loss(painted, self.network(later).values, flow)
            terms["temporal"] = self.sampling.temporal * changed
        return terms

    def goal_on(self, device: torch.device) -> Goal:
        """Style and loss network, on a device."""
        if next(iter(self.goal.grams.values())).device != device:
            grams = {name: matrix.to(device) for name, matrix in self.goal.grams.items()}
            self.goal = self.goal._replace(grams=grams)
        return self.goal

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Of the network, and of the discriminator where there is one."""
        parts = (self.network, self.discriminator) if self.discriminator is not None else (self.network,)
        return [make_optimizer(part, self.fit) for part in parts]

    def companions(self) -> dict[str, nn.Module]:
        """What is kept beside the network."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> PictureExamples:
        """Parts of a split's pictures."""
        return PictureExamples(dataset.splits[split], dataset, train=self.sampling, seed=self.fit.seed)

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures the losses on the middle of a split's pictures; None: it has none."""
        records = dataset.splits.get(split, ())[:MEASURED]
        self.shown = tuple(records[:SHOWN])
        held = self.whole(records, dataset)

        def validate(network: nn.Module) -> dict[str, float]:
            rows = [self.measure(network, held[0, index].image) for index in range(len(held))]
            means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            return {**means, "pictures": float(len(rows))}

        self.dataset = dataset
        return validate if records else None

    def whole(self, records: Sequence[Record], dataset: Dataset) -> PictureExamples:
        """The middle of pictures, nothing thrown."""
        load, crop = self.sampling.load, self.sampling.crop
        return PictureExamples(records, dataset, train=None, load=load, crop=crop, seed=self.fit.seed)

    def measure(self, network: nn.Module, image: Tensor) -> dict[str, float]:
        """What a network makes of a picture, in figures.

        Args:
            network: of this recipe's settings.
            image: (3, H, W) uint8, or float32 in [0, 1].

        Returns:
            "content", "style", "variation" (weighed), "total" their sum, with the style even where an
            adversary took its place in training; and "stability", the mean change of the painted picture
            over that of its source, of a little noise.
        """
        images = as_float(image)[None].to(next(network.parameters()).device)
        goal = self.goal_on(images.device)
        with torch.no_grad():
            truth = goal.network.features(images, layers=tuple(goal.content))
            painted = network(images).pictures.float()
            found = goal.network.features(painted)
            scale = self.sampling.loss_scale
            terms = {
                "content": content_loss(found, truth, goal.content, scale=scale),
                "style": style_loss(found, goal.grams, goal.style, scale=scale),
                "variation": self.sampling.variation * total_variation(painted),
            }
            row = {name: float(value) for name, value in terms.items()}
            noisy = (images + 0.01 * torch.randn_like(images)).clamp(0, 1)
            changed = (network(noisy).pictures.float() - painted).abs().mean()
            stability = float(changed / (noisy - images).abs().mean())
        return {"total": sum(row.values()), **row, "stability": stability}

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """A sheet: pictures in the upper row, painted in the lower."""
        if not self.shown:
            return {}
        held = self.whole(self.shown, self.dataset)
        images = [as_float(held[0, index].image) for index in range(len(held))]
        place = next(network.parameters()).device
        with torch.no_grad():
            painted = [network(image[None].to(place)).pictures[0].float().cpu() for image in images]
        height = min(int(image.shape[1]) for image in images)
        width = min(int(image.shape[2]) for image in images)
        rows = [torch.cat([image[:, :height, :width] for image in row], 2) for row in (images, painted)]
        return {"painted": torch.cat(rows, 1)}


def check(train: Train) -> None:
    """See that the settings of a training can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(train.loss_scale in ("plain", "relative"), train, "loss_scale", "plain or relative")
    kinds = ("noise", "motion", "both")
    require(train.temporal_kind in kinds, train, "temporal_kind", f"one of {', '.join(kinds)}")
    require(train.game in KINDS, train, "game", f"one of {', '.join(KINDS)}")
    require(train.monitor in MONITORS, train, "monitor", f"one of {', '.join(MONITORS)}")
    require(train.crop == 0 or train.crop >= LEAST, train, "crop", f"0, or {LEAST} pixels or more")
    for field in ("variation", "temporal", "noise", "motion", "adversarial", "penalty", "style_side"):
        require(getattr(train, field) >= 0, train, field, "0 or more")
    if train.adversarial and not train.crop:
        raise OcellusError("an adversary compares squares of one size: give --crop", exit_code=2)
