"""How colorization is trained, and measured meanwhile."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset, Record
from ocellus.data.picture_batches import PictureBatch, collate_pictures
from ocellus.data.picture_examples import PictureExamples, as_float, read_one
from ocellus.errors import OcellusError, require
from ocellus.imagine.colorize.config import Config, Train
from ocellus.imagine.colorize.inference import colours
from ocellus.imagine.colorize.loss import class_loss, distance_loss, encode, rarity, smoothed
from ocellus.imagine.colorize.model import build, build_discriminator, judged
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.colour import ab_psnr, accuracy_area, colourfulness
from ocellus.nn.adversarial import KINDS, discriminator_loss, generator_loss
from ocellus.nn.lab import lab_to_rgb, rgb_to_lab
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.training.validation import evenly

BALANCE = 0.5
"""Lambda of the balanced accuracy, whatever the loss's is, so that trainings can be compared. The paper's 0
lets the rarest colour of a picture decide alone."""
GREY = 3.0
"""A picture is grey where no pixel's a or b is further from 0: JPEG makes greys of up to 2."""
COUNTED = 64
"""Pictures are counted at this side: the frequency of colours needs no detail."""
MANY = 10_000
"""Of more pictures so many are counted, evenly over the split: a million take hours, and change little."""
SHOWN = 6
JUDGED = 512
"""Pictures of the sheet of samples; longest side at which pictures are judged."""


class Recipe(LightningModule):
    """One training run's networks, losses, optimizers, examples and validation.

    Args:
        config: of the networks.
        sampling: losses, and how pictures are varied.
        fit: of the loop.
        labels: not used; all recipes are made alike.
        skeleton: not used.

    Raises:
        OcellusError: settings that make no sense. Exit code 2.
    """

    collate = staticmethod(collate_pictures)
    lower_is_better = False
    weights: Tensor

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
        self.register_buffer("weights", torch.ones(len(self.network.bins)))
        self.prior: Tensor | None = None
        self.shown: tuple[Record, ...] = ()

    @property
    def monitor(self) -> str:
        """The figure that decides which weights are best."""
        return self.sampling.monitor

    def training_step(self, batch: PictureBatch, index: int) -> dict[str, Tensor]:
        """The loss by terms; with an adversary, a step of the discriminator and one of the network."""
        lab = rgb_to_lab(batch.images)
        light, truth = lab[:, :1], lab[:, 1:]
        logits = self.network.answer(light)
        size = (light.shape[2], light.shape[3])
        if self.config.head == "bins":
            terms = {"classes": self._class_loss(logits, truth)}
            return {"loss": terms["classes"], **terms}
        ab = self.network.colours(logits, size=size)
        kind = self.sampling.distance
        terms = {"distance": self.sampling.distance_weight * distance_loss(ab, truth, kind=kind)}
        if self.discriminator is None:
            return {"loss": terms["distance"], **terms}
        first, second = self.optimizers()  # type: ignore[attr-defined]
        game = self.sampling.game
        real = self.discriminator(judged(light, truth))
        fake = self.discriminator(judged(light, ab.detach()))
        verdict = discriminator_loss(real, fake, kind=game)
        judge_norm = step(self, second, verdict, self.discriminator)
        with frozen(self.discriminator):
            fooled = generator_loss(self.discriminator(judged(light, ab)), kind=game)
            terms["adversarial"] = self.sampling.adversarial * fooled
            loss = torch.stack(list(terms.values())).sum()
            norm = step(self, first, loss, self.network)
        told = {name: value.detach() for name, value in terms.items()}
        told |= {"loss": loss.detach(), "discriminator": verdict.detach()}
        told |= {"gradient/network": norm, "gradient/discriminator": judge_norm}
        return told | judgement(real, fake, kind=game)

    def _class_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return class_loss(
                logits, truth, self.network.bins, weights=self.weights,
                neighbours=self.sampling.neighbours, sigma=self.sampling.sigma,
            )  # fmt: skip

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Of the network, and of the discriminator where there is one."""
        betas = (0.9, 0.999) if self.discriminator is None else (0.5, 0.999)  # of both players
        parts = [make_optimizer(self.network, self.fit, betas=betas)]
        if self.discriminator is not None:
            parts.append(make_optimizer(self.discriminator, self.fit, betas=betas))
        return parts

    def companions(self) -> dict[str, nn.Module]:
        """What is kept beside the network."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> PictureExamples:
        """A split's pictures, varied as the settings say; how frequent their colours are is counted."""
        records = dataset.splits[split]
        self.prior = self._prior(records, grey=False)
        self.weights.copy_(rarity(self.prior, rebalance=self.sampling.rebalance))
        return PictureExamples(records, dataset, train=self.sampling, channels=3, seed=self.fit.seed)

    def _prior(self, records: tuple[Record, ...], *, grey: bool) -> Tensor:
        """(K,) how likely each bin is, by all pictures.

        Raises:
            OcellusError: one of them is grey, and none may be.
        """
        bins = self.network.bins.cpu()
        counts = torch.zeros(len(bins))
        for index in evenly(len(records), MANY):
            record = records[index]
            ab = small_lab(record)[:, 1:]
            if not grey and float(ab.abs().max()) < GREY:
                raise OcellusError(
                    f"{record.image} is grey: colours are learnt from pictures in colour; leave it out"
                )
            places, _ = encode(ab[0].flatten(1).T, bins, neighbours=1)
            counts += torch.bincount(places.flatten(), minlength=len(bins))
        if not float(counts.sum()):
            return torch.full_like(counts, 1 / len(bins))
        return smoothed(counts / counts.sum(), bins, sigma=self.sampling.sigma)

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures, on a split: the area under the accuracy curve, raw and with rare colours counting more
        ("accuracy", "balanced_accuracy"), PSNR of a and b, and how colourful the pictures are beside the true
        ones. None: it has no pictures. What is rare is as in training; without one, as in the split "train",
        or else in what is measured."""
        records = dataset.splits.get(split, ())
        if self.prior is None and records:
            self.prior = self._prior(dataset.splits.get("train") or records, grey=True)
        self.shown = tuple(records[:SHOWN])
        reduced = choose_precision(self.fit.precision, choose_device(self.fit.device)) == "bf16"

        def validate(network: nn.Module) -> dict[str, float]:
            rows = [self.measure(network, record, reduced=reduced) for record in records]
            means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            return {**means, "pictures": float(len(rows))}

        return validate if records else None

    def measure(self, network: nn.Module, record: Record, *, reduced: bool = False) -> dict[str, float]:
        """The figures of one picture, at no more than 512 pixels a side.

        Args:
            network: of this recipe's settings.
            record: of the picture.
            reduced: in bf16.
        """
        place = next(network.parameters()).device
        lab = small_lab(record, longest=JUDGED)
        light, truth = lab[:, :1], lab[0, 1:]
        with torch.autocast(place.type, torch.bfloat16, enabled=reduced):
            ab = colours(network, light.to(place)).float().cpu()  # type: ignore[arg-type]
        places, _ = encode(truth.permute(1, 2, 0), self.network.bins.cpu(), neighbours=1)
        balance = None if self.prior is None else rarity(self.prior, rebalance=BALANCE)[places[..., 0]]
        made = lab_to_rgb(torch.cat([light, ab], 1))[0]
        return {
            "accuracy": accuracy_area(ab[0], truth),
            "balanced_accuracy": accuracy_area(ab[0], truth, weights=balance),
            "psnr": ab_psnr(ab[0], truth),
            "colourfulness": colourfulness(made),
            "true_colourfulness": colourfulness(lab_to_rgb(lab)[0]),
        }

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """A sheet with a row for each picture: what is given, what is made, the truth."""
        rows = []
        place = next(network.parameters()).device
        for record in self.shown:
            lab = small_lab(record, longest=160)
            light = lab[:, :1]
            ab = colours(network, light.to(place)).float().cpu()  # type: ignore[arg-type]
            found = [torch.zeros_like(ab), ab, lab[:, 1:]]
            images = [lab_to_rgb(torch.cat([light, colour], 1))[0] for colour in found]
            canvas = torch.ones(3, 3, 160, 160)
            for cell, image in zip(canvas, images, strict=True):
                cell[:, : image.shape[1], : image.shape[2]] = image
            rows.append(torch.cat(list(canvas), 2))
        return {"coloured": torch.cat(rows, 1)} if rows else {}


def is_grey(record: Record) -> bool:
    """Whether a picture has no colours to learn."""
    return float(small_lab(record)[:, 1:].abs().max()) < GREY


def small_lab(record: Record, *, longest: int = COUNTED) -> Tensor:
    """(1, 3, H, W) L, a and b of a picture with at most so many pixels a side."""
    image = as_float(read_one(record, 3))[None]
    size = image.shape[2:]
    if max(size) > longest:
        scale = longest / max(size)
        small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        image = nn.functional.interpolate(image, small, mode="bilinear", antialias=True)
    return rgb_to_lab(image)


def check(config: Config, train: Train) -> None:
    """See that the settings of a training can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(0 <= train.rebalance <= 1, train, "rebalance", "from 0 to 1")
    require(train.neighbours >= 1, train, "neighbours", "1 or more")
    require(train.sigma > 0, train, "sigma", "above 0")
    require(train.distance in ("l1", "mse"), train, "distance", "l1 or mse")
    require(train.game in KINDS, train, "game", f"one of {', '.join(KINDS)}")
    require(train.adversarial >= 0, train, "adversarial", "0 or more")
    monitors = ("accuracy", "balanced_accuracy", "psnr")
    require(train.monitor in monitors, train, "monitor", f"one of {', '.join(monitors)}")
    if train.adversarial and config.head == "bins":
        raise OcellusError(
            "an adversary judges colours, and --head bins gives distributions of them: give --head "
            "regression",
            exit_code=2,
        )
