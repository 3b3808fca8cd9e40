"""How CycleGAN is trained, and measured meanwhile."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset
from ocellus.data.picture_batches import DomainBatch, collate_domains
from ocellus.data.picture_examples import DomainExamples
from ocellus.errors import require
from ocellus.imagine.cyclegan.config import Config, Train
from ocellus.imagine.cyclegan.loss import Tour, generator_terms, judge_loss
from ocellus.imagine.cyclegan.model import build, build_discriminator
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.diversity import mean_pairwise_distance
from ocellus.metrics.sliced_wasserstein import sliced_wasserstein
from ocellus.nn.adversarial import KINDS
from ocellus.nn.dense import device_of
from ocellus.training.adversarial import STRATEGY, frozen, judgement, step
from ocellus.training.beginning import seeded
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.image_pool import ImagePool
from ocellus.training.optimizers import make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.training.sheets import in_rows, sheet_of
from ocellus.training.validation import evenly

MONITORS = ("swd", "cycle")
SHOWN = 4
"""Pictures of either domain on a sheet."""
COMPARED = 500
"""Pictures of either domain, evenly over the split, that are compared as sets: these are held at once."""
SIDE = 256
"""Of the squares that are measured, where neither the network nor the recipe has a size."""


class Recipe(LightningModule):
    """One training run's networks, losses, optimizers, examples and validation.

    Args:
        config: of the networks.
        sampling: the losses, and how pictures are varied.
        fit: of the loop.
        labels: the names of the two domains.
        skeleton: there are no keypoints.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """

    collate = staticmethod(collate_domains)
    strategy = STRATEGY
    lower_is_better = True

    def __init__(
        self, config: Config, sampling: Train, fit: Fit, labels: LabelMap, skeleton: Skeleton | None = None
    ) -> None:
        super().__init__()
        require(sampling.game in KINDS, sampling, "game", f"one of {', '.join(KINDS)}")
        require(sampling.monitor in MONITORS, sampling, "monitor", f"one of {', '.join(MONITORS)}")
        for name in ("pool", "cycle", "identity", "discriminator_weight"):
            require(getattr(sampling, name) >= 0, sampling, name, "0 or more")
        self.automatic_optimization = False
        self.config, self.sampling, self.fit, self.labels = config, sampling, fit, labels
        self.monitor = sampling.monitor
        self.network = seeded(build, config, seed=fit.seed)
        self.discriminator = seeded(build_discriminator, config, seed=fit.seed + 1)
        self.pools = {"a": ImagePool(sampling.pool), "b": ImagePool(sampling.pool)}
        self.shown: tuple[list[Tensor], list[Tensor]] = ([], [])

    def training_step(self, batch: DomainBatch, index: int) -> dict[str, Tensor]:
        """A step of both generators, then one of both discriminators, on new and old made pictures."""
        optimizers: Any = self.optimizers()
        to_generate, to_judge = optimizers
        judges, sampling = self.discriminator, self.sampling
        tour = self.tour(batch.a, batch.b)
        with frozen(judges):
            logits = (judges.a(tour.made_a), judges.b(tour.made_b))
        terms = generator_terms(tour, batch.a, batch.b, logits=logits, train=sampling)
        total = torch.stack(list(terms.values())).sum()
        length = step(self, to_generate, total, self.network)
        figures = {"generator": total.detach(), **terms, "gradient_norm/generator": length}

        losses = []
        for name, judge, true, made in (
            ("a", judges.a, batch.a, tour.made_a),
            ("b", judges.b, batch.b, tour.made_b),
        ):
            real, fake = judge(true), judge(self.pools[name].query(made))
            losses.append(judge_loss(real, fake, sampling))
            figures |= judgement(real, fake, kind=sampling.game, name=name)
        judged = torch.stack(losses).sum()
        length = step(self, to_judge, judged, judges)
        return {**figures, "discriminator": judged, "gradient_norm/discriminator": length}

    def tour(self, a: Tensor, b: Tensor) -> Tour:
        """What the generators make of (B, C, H, W) of A and of B, as far as a loss asks for it."""
        forth, back = self.network.forth, self.network.back
        assert back is not None
        cycle, identity = bool(self.sampling.cycle), bool(self.sampling.identity)
        made_b, made_a = forth(a), back(b)
        return Tour(
            made_b=made_b,
            made_a=made_a,
            again_a=back(made_b) if cycle else None,
            again_b=forth(made_a) if cycle else None,
            same_b=forth(b) if identity else None,
            same_a=back(a) if identity else None,
        )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for both generators, one for both discriminators."""
        betas = (self.sampling.momentum, 0.999)
        return [make_optimizer(part, self.fit, betas=betas) for part in (self.network, self.discriminator)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The pools go with the run."""
        checkpoint["pools"] = {name: pool.state_dict() for name, pool in self.pools.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the pools."""
        for name, pool in self.pools.items():
            pool.load_state_dict(checkpoint["pools"][name])

    def companions(self) -> dict[str, nn.Module]:
        """What else the run writes to a file of its own."""
        return {"discriminator": self.discriminator}

    def examples(self, dataset: Dataset, split: str) -> DomainExamples:
        """A split's pictures, varied as the settings say."""
        return self.domains(dataset, split, train=self.sampling)

    def domains(self, dataset: Dataset, split: str, *, train: Train | None) -> DomainExamples:
        """A split's pictures; with `train` None alike: the middle square at the network's size."""
        side = self.config.short_side or self.sampling.crop or SIDE
        return DomainExamples(
            dataset.splits[split],
            dataset,
            train=train,
            channels=self.config.channels,
            load=side,
            crop=side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures both ways on a split; None: it has no pictures of one of the domains."""
        labels = {record.label for record in dataset.splits.get(split, ())}
        if not {0, 1} <= labels:
            return None
        examples = self.domains(dataset, split, train=None)
        a, b = (
            [domain_of(examples, index, way=way) for index in range(min(SHOWN, len(held)))]
            for way, held in enumerate(examples.domains)
        )
        self.shown = (a, b)
        return lambda network: measured(network, examples, fit=self.fit)

    def samples(self, network: nn.Module) -> dict[str, Tensor]:
        """Sheets of both ways: picture, what is made of it, what is made of that, two a row."""
        sheets = {}
        for name, images, way in (("forward", self.shown[0], 0), ("backward", self.shown[1], 1)):
            found = [there(network, image, way=way, fit=self.fit) for image in images]
            triples = [[image[0], *ends] for image, ends in zip(images, found, strict=True)]
            rows = in_rows(triples)
            if rows:
                sheets[name] = sheet_of(rows)
        return sheets


def there(network: Any, images: Tensor, *, way: int, fit: Fit) -> tuple[Tensor, Tensor]:
    """What is made of (1, C, H, W), (C', H, W), and what is made of that, (C, H, W); way 0: from A to B."""
    place = device_of(network)
    reduced = choose_precision(fit.precision, choose_device(fit.device)) == "bf16"
    first, second = (network.forth, network.back) if way == 0 else (network.back, network.forth)
    with torch.no_grad(), torch.autocast(place.type, torch.bfloat16, enabled=reduced):
        made = first(images.to(place))
        again = second(made)
    return made[0].float().cpu(), again[0].float().cpu()


def domain_of(examples: DomainExamples, index: int, *, way: int) -> Tensor:
    """(1, C, H, W) in [0, 1]: a picture of the domain that a way begins in; 0: A."""
    batch = collate_domains([examples[0, index]])
    return batch.a if way == 0 else batch.b


def measured(network: nn.Module, examples: DomainExamples, *, fit: Fit) -> dict[str, float]:
    """The error there and back, how like the other domain what is made is, and how it varies with its input.

    Args:
        network: in eval mode.
        examples: all are sent there and back; compared as sets are at most 500 of either domain, evenly over
            it.
        fit: its precision is that of the training.
    """
    figures: dict[str, float] = {}
    counts = [len(held) for held in examples.domains]
    kept = [evenly(count, COMPARED) for count in counts]
    for name, target, way in (("a", "b", 0), ("b", "a", 1)):
        error, answers, chosen = 0.0, [], set(kept[way])
        for index in range(counts[way]):
            image = domain_of(examples, index, way=way)
            answer, again = there(network, image, way=way, fit=fit)
            error += float((again - image[0]).abs().mean())
            if index in chosen:
                answers.append(answer)
        made = torch.stack(answers)
        true = torch.cat([domain_of(examples, index, way=1 - way) for index in kept[1 - way]])
        figures[f"cycle/{name}"] = error / counts[way]
        figures[f"swd/{target}"] = sliced_wasserstein(true, made).mean
        if min(len(made), len(true)) > 1:
            ratio = mean_pairwise_distance(made) / max(mean_pairwise_distance(true), 1e-12)
            figures[f"diversity/{target}"] = ratio
    means = {name: (figures[f"{name}/a"] + figures[f"{name}/b"]) / 2 for name in ("swd", "cycle")}
    return {**means, **figures, "pictures": float(sum(counts))}
