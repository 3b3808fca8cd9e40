"""How Mask R-CNN is trained, and measured meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ocellus.data.dataset import Dataset
from ocellus.data.examples import Batch, Examples, collate
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.labels import LabelMap, Skeleton
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.metrics.detections import Kind
from ocellus.metrics.oks import sigmas_of
from ocellus.see.mask_rcnn.config import Config, Train
from ocellus.see.mask_rcnn.inference import predict_batch
from ocellus.see.mask_rcnn.loss import box_loss, keypoint_loss, mask_loss, proposal_loss, sample
from ocellus.see.mask_rcnn.model import MaskRCNN, build
from ocellus.training.beginning import seeded
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.optimizers import backbone_stage, make_optimizer
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.values import Instances, Masks


class Recipe(LightningModule):
    """One training run's network, loss, optimizer, examples and validation.

    Args:
        config: of the network.
        sampling: what the loss counts, how it is weighted, how pictures are varied.
        fit: of the loop.
        labels: class names.
        skeleton: of the keypoints.
    """

    collate = staticmethod(collate)

    def __init__(
        self,
        config: Config,
        sampling: Train,
        fit: Fit,
        labels: LabelMap,
        skeleton: Skeleton | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.sampling = sampling
        self.fit = fit
        self.labels = labels
        self.skeleton = skeleton
        self.network = seeded(build, config, seed=fit.seed)

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """The loss of a batch by terms: L = L_cls + L_box + L_mask (section 3) and those of the proposals."""
        network, targets, sampling = self.network, batch.targets, self.sampling
        features = network.features(batch.images, batch.sizes)
        proposals = network.propose(features, batch.sizes)
        with self.exactly():
            samples = sample(proposals, targets, sampling)
            terms = proposal_loss(proposals, targets, sampling)

        logits, deltas = network.heads(features, samples.boxes)
        with self.exactly():
            terms |= box_loss(logits, deltas, samples, config=self.config, train=sampling)

        found = samples.positives()  # masks and keypoints are of objects alone
        if self.config.mask_branch:
            outputs = None if self.config.mask_softmax else found.labels
            masks = network.masks(features, found.boxes, outputs)
            with self.exactly():
                terms["mask"] = sampling.mask_weight * mask_loss(masks, found, targets)
        if self.config.keypoints:
            maps = network.keypoints(features, found.boxes)
            with self.exactly():
                terms["keypoint"] = sampling.keypoint_weight * keypoint_loss(maps, found, targets)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def exactly(self) -> torch.autocast:
        """Full precision: coordinates of boxes have more digits than bfloat16 holds."""
        return torch.autocast(self.device.type, enabled=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over the whole network; the backbone's stages may learn more slowly."""
        return make_optimizer(self.network, self.fit, stage=backbone_stage)

    @property
    def monitor(self) -> str:
        """The figure that decides which weights are best."""
        if self.config.keypoints:
            return "keypoint/AP"
        return "mask/AP" if self.config.mask_branch else "box/AP"

    def examples(self, dataset: Dataset, split: str) -> Examples:
        """A split's pictures, varied as the settings say."""
        return Examples(
            dataset.splits[split],
            dataset,
            train=self.sampling,
            short_side=self.config.short_side,
            long_side=self.config.long_side,
            seed=self.fit.seed,
        )

    def validator(self, dataset: Dataset, split: str) -> Validate | None:
        """Measures average precision on a split; None: it has no pictures.

        In the precision of the training, and no kind that the network has no branch for.
        """
        records = dataset.splits.get(split, ())
        kinds: list[Kind] = ["boxes"]
        sigmas: tuple[float, ...] = ()
        if self.config.mask_branch:
            kinds.append("masks")
        if self.config.keypoints and self.skeleton is not None:
            kinds.append("keypoints")
            sigmas = sigmas_of(self.skeleton, (instances(record, dataset) for record in records))
        reduced = choose_precision(self.fit.precision, choose_device(self.fit.device)) == "bf16"

        def validate(network: nn.Module) -> dict[str, float]:
            assert isinstance(network, MaskRCNN)
            precision = AveragePrecision(self.labels.names, kinds=kinds, sigmas=sigmas)
            size = self.fit.batch_size
            for begin in range(0, len(records), size):
                part = records[begin : begin + size]
                pictures = [read_picture(record.image) for record in part]
                with torch.autocast(network.mean.device.type, torch.bfloat16, enabled=reduced):
                    found = predict_batch(network, pictures)
                for record, prediction in zip(part, found, strict=True):
                    precision.add(prediction, completed(instances(record, dataset), self.config))
            return precision.result()

        return validate if records else None


def completed(truth: Instances, config: Config) -> Instances:
    """With empty masks and points that are not given, where all objects of a picture lack them."""
    count = len(truth)
    if config.mask_branch and truth.masks is None:
        nothing = np.array([truth.size[0] * truth.size[1]], np.int32)
        truth = replace(truth, masks=Masks.from_runs([nothing] * count, truth.size))
    if config.keypoints and truth.keypoints is None:
        truth = replace(truth, keypoints=torch.zeros(count, config.keypoints, 3))
    return truth
