"""How SRResNet and SRGAN are trained, and measured meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.bicubic import low_resolution, resize_bicubic
from ocellus.data.dataset import Dataset, Record
from ocellus.data.picture_batches import PictureBatch, collate_pictures
from ocellus.data.picture_examples import as_float
from ocellus.data.shrunk_examples import ShrunkExamples, read_shrunk
from ocellus.errors import OcellusError, require
from ocellus.imagine.srgan.config import Config, Train
from ocellus.imagine.srgan.inference import enlarge
from ocellus.imagine.srgan.loss import feature_loss, losses
from ocellus.imagine.srgan.model import build, build_discriminator
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.image_quality import psnr, ssim
from ocellus.nn.adversarial import KINDS, discriminator_loss, generator_loss
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.loss_network import LossNetwork
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit

SHOWN = 4
"""Pictures of the validation split on the sheet of samples."""


class Recipe(LightningModule):
    """One training run's networks, losses, optimizers, examples and validation.

    Args:
        config: of the networks.
        sampling: losses, and how examples are cut.
        fit: of the loop.
        labels: not used; all recipes are made alike.
        skeleton: not used.

    Raises:
        OcellusError: settings that make no sense, or a loss network that is not there. Exit code 2.
    """

    collate = staticmethod(collate_pictures)

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        check(config, sampling)
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.network = seeded(build, config, seed=fit.seed)
        adversarial = sampling.adversarial > 0
        self.discriminator = seeded(build_discriminator, config, seed=fit.seed + 1) if adversarial else None
        self.automatic_optimization = not adversarial
        if adversarial:
            self.strategy = STRATEGY
        looks = sampling.perceptual > 0 or sampling.monitor == "perceptual"
        self.eye = (
            LossNetwork.load(sampling.loss_network, layers=sampling.perceptual_layers)
            if looks and sampling.loss_network
            else None
        )
        if self.eye is not None:
            self.eye.check_size((sampling.crop, sampling.crop), what="a square of --crop")
        self.shown: tuple[Record, ...] = ()

    @property
    def monitor(self) -> str:
        """The figure that decides which weights are best."""
        return self.sampling.monitor

    @property
    def lower_is_better(self) -> bool:
        """Of that figure."""
        return self.sampling.monitor == "perceptual"

    def training_step(self, batch: PictureBatch, index: int) -> dict[str, Tensor]:
        """The loss by terms; with an adversary, a step of the discriminator and one of the network."""
        truth = batch.images
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            small = low_resolution(truth, self.config.factor)
        pictures = self.network(small).pictures.float()
        if self.discriminator is None:
            terms = self._terms(pictures, truth)
            return {"loss": torch.stack(list(terms.values())).sum(), **terms}
        first, second = self.optimizers()  # type: ignore[attr-defined]
        game = self.sampling.game
        real, fake = self.discriminator(truth), self.discriminator(pictures.detach())
        judged = discriminator_loss(real, fake, kind=game)
        judge_norm = step(self, second, judged, self.discriminator)
        with frozen(self.discriminator):
            terms = self._terms(pictures, truth)
            fooled = generator_loss(self.discriminator(pictures), kind=game)
            terms["adversarial"] = self.sampling.adversarial * fooled
            loss = torch.stack(list(terms.values())).sum()
            norm = step(self, first, loss, self.network)
        told = {name: value.detach() for name, value in terms.items()}
        told |= {"loss": loss.detach(), "discriminator": judged.detach()}
        told |= {"gradient/network": norm, "gradient/discriminator": judge_norm}
        return told | judgement(real, fake, kind=game)

    def _terms(self, pictures: Tensor, truth: Tensor) -> dict[str, Tensor]:
        features = None
        if self.eye is not None and self.sampling.perceptual:
            with torch.no_grad():
                wanted = self.eye.features(truth)
            features = (self.eye.features(pictures), wanted)
        with torch.autocast(self.device.type, enabled=False):
            return losses(pictures, truth, self.sampling, features=features)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Of the network, and of the discriminator where there is one."""
        parts = [make_optimizer(self.network, self.fit)]
        if self.discriminator is not None:
            judge = make_optimizer(self.discriminator, self.fit)
            for group in judge.param_groups:
                group["lr"] *= self.sampling.discriminator_rate
            parts.append(judge)
        return parts

    def companions(self) -> dict[str, nn.Module]:
        """What is kept beside the network."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> ShrunkExamples:
        """Parts of a split's pictures; they are made small on the way into the network."""
        return ShrunkExamples(
            dataset.splits[split],
            train=self.sampling,
            shrink=self.sampling.shrink,
            crop=self.sampling.crop,
            channels=self.config.channels,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures PSNR and SSIM of the luminance on a split, less a border of `factor` pixels; the gain over
        bicubic enlargement; the loss network's distance. None: it has no pictures."""
        records = dataset.splits.get(split, ())
        self.shown = tuple(records[:SHOWN])
        reduced = choose_precision(self.fit.precision, choose_device(self.fit.device)) == "bf16"

        def validate(network: nn.Module) -> dict[str, float]:
            return self.measure(network, records, reduced=reduced)

        return validate if records else None

    def measure(self, network: nn.Module, records: Sequence[Record], *, reduced: bool) -> dict[str, float]:
        """The mean figures of a network over pictures that are made small and large again.

        Args:
            network: of this recipe's settings.
            records: of the pictures.
            reduced: in bf16.
        """
        factor, luma = self.config.factor, self.config.channels == 3
        rows: list[dict[str, float]] = []
        for record in records:
            small, truth = self.pair(record)
            made = self.made(network, small, reduced=reduced)
            plain = as_a_file(resize_bicubic(small, factor))
            row = {name: call(made, truth, crop=factor, luma=luma) for name, call in FIGURES.items()}
            row["psnr"] = min(row["psnr"], PERFECT)
            row["gain"] = row["psnr"] - min(psnr(plain, truth, crop=factor, luma=luma), PERFECT)
            if self.eye is not None:
                place = next(network.parameters()).device
                looked = [self.eye.features(image[None].to(place)) for image in (made, truth)]
                row["perceptual"] = float(feature_loss(*looked, scale="relative"))
            rows.append(row)
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        return {**means, "pictures": float(len(rows))}

    def pair(self, record: Record) -> tuple[Tensor, Tensor]:
        """A picture's small and true form, (C, h, w) and (C, factor h, factor w).

        Raises:
            OcellusError: it is too small to be judged.
        """
        factor, side = self.config.factor, self.sampling.validate_side
        image = read_shrunk(record, self.sampling.shrink, crop=factor * LEAST, channels=self.config.channels)
        height, width = (min(length, side) if side else length for length in image.shape[1:])
        height, width = height - height % factor, width - width % factor
        # What the factor leaves over is cut from the bottom and the right, as of the published test pictures.
        top, left = (
            (length - side) // 2 if 0 < side < length else 0 for length in (image.shape[1], image.shape[2])
        )
        truth = as_float(image[:, top : top + height, left : left + width]).contiguous()
        return low_resolution(truth, factor), truth

    def made(self, network: nn.Module, small: Tensor, *, reduced: bool) -> Tensor:
        """(C, factor h, factor w) on the CPU, rounded to 8 bits: what a network makes of a small picture."""
        place = next(network.parameters()).device
        with torch.autocast(place.type, torch.bfloat16, enabled=reduced):
            return as_a_file(enlarge(network, small[None].to(place))[0].cpu())  # type: ignore[arg-type]

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """A sheet with a row for each picture: bicubic enlargement, the network's, the truth."""
        rows = []
        for record in self.shown:
            small, truth = self.pair(record)
            plain = as_a_file(resize_bicubic(small, self.config.factor))
            images = (plain, self.made(network, small, reduced=False), truth)
            rows.append(torch.cat([middle(image) for image in images], 2))
        return {"enlarged": torch.cat(rows, 1)} if rows else {}


FIGURES = {"psnr": psnr, "ssim": ssim}
LEAST = 8
"""Least side of a small picture that can be judged, in pixels."""
PERFECT = 100.0
"""PSNR in dB that counts where pictures are the same: blank ones are, and infinity has no mean."""
SEEN = 192
"""Side of the pictures on the sheet of samples."""


def as_a_file(image: Tensor) -> Tensor:
    """(C, H, W) clamped and rounded to 8 bits, in [0, 1]."""
    return (image.float().clamp(0, 1) * 255).round() / 255


def middle(image: Tensor) -> Tensor:
    """(3, SEEN, SEEN) the middle of a (C, H, W) picture, grey where there is nothing."""
    height, width = (min(length, SEEN) for length in image.shape[1:])
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    part = image[:, top : top + height, left : left + width]
    canvas = torch.full((3, SEEN, SEEN), 0.5)
    canvas[:, :height, :width] = part[:3] if len(part) >= 3 else part[:1]
    return canvas


def check(config: Config, train: Train) -> None:
    """See that the settings of a training can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(train.pixel in ("l1", "mse", "none"), train, "pixel", "one of l1, mse, none")
    require(train.perceptual_scale in ("plain", "relative"), train, "perceptual_scale", "plain or relative")
    require(train.game in KINDS, train, "game", f"one of {', '.join(KINDS)}")
    monitors = ("psnr", "ssim", "perceptual")
    require(train.monitor in monitors, train, "monitor", f"one of {', '.join(monitors)}")
    require(train.shrink >= 1, train, "shrink", "1 or more")
    for field in ("pixel_weight", "perceptual", "adversarial", "discriminator_rate", "validate_side"):
        require(getattr(train, field) >= 0, train, field, "0 or more")
    require(
        train.crop >= 2 * config.factor and train.crop % config.factor == 0,
        train, "crop", f"a multiple of --factor {config.factor}, twice it or more",
    )  # fmt: skip
    if train.adversarial and config.discriminator_side not in (0, train.crop):
        raise OcellusError(
            f"the discriminator judges pictures of {config.discriminator_side} pixels and --crop is "
            f"{train.crop}: give both the same, or --discriminator-side 0 for any",
            exit_code=2,
        )
    if train.pixel == "none" and not train.perceptual and not train.adversarial:
        raise OcellusError("no loss is left: give --pixel, --perceptual or --adversarial", exit_code=2)
    if (train.perceptual or train.monitor == "perceptual") and not train.loss_network:
        raise OcellusError(
            "features are compared by a classifier: give its weights file, --loss-network vgg19.safetensors "
            "(`ocellus import see/classifier vgg19.pth` makes one)",
            exit_code=2,
        )
