"""The network of Mask R-CNN (He 2017, arXiv:1703.06870) on a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import require
from ocellus.nn.anchors import grid_anchors
from ocellus.nn.boxes import clip, decode
from ocellus.nn.fpn import FeaturePyramid
from ocellus.nn.nms import batched_nms
from ocellus.nn.norm import NORMS
from ocellus.nn.ragged import batch_rois, padded, scattered, unpadded
from ocellus.nn.region_heads import BoxBranch, KeypointBranch, MaskBranch, RegionProposer
from ocellus.nn.resnet import BLOCKS, ResNet
from ocellus.nn.roi import multiscale_roi_align
from ocellus.see.mask_rcnn.config import Config

STRIDES = (4, 8, 16, 32)  # of the pyramid levels that boxes are pooled from
BOX_SIZE = 7  # side of the features pooled for the box branch
MASK_SIZE = 14  # and for the mask and keypoint branches
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # spread of the box branch's deltas in training, about 1 each
SMALLEST_PROPOSAL = 1e-3  # pixels; what clipping leaves of a box outside the picture is smaller
SMALLEST_DETECTION = 1e-2


class Proposals(NamedTuple):
    """Boxes that may hold an object, best first, at most config.proposals of each picture."""

    boxes: Tensor  # (B, K, 4)
    scores: Tensor  # (B, K) logits
    valid: Tensor  # (B, K) bool; a picture with fewer than K is filled up with zeros
    logits: Tensor  # (B, A) of all anchors
    deltas: Tensor  # (B, A, 4)
    anchors: Tensor  # (A, 4)


class Raw(NamedTuple):
    """Detections in pixels of the network's input, best first, at most config.detections of each picture."""

    boxes: Tensor  # (B, D, 4)
    scores: Tensor  # (B, D) in [0, 1]
    labels: Tensor  # (B, D) int64
    valid: Tensor  # (B, D) bool; a picture with fewer than D is filled up with zeros
    masks: Tensor | None  # (B, D, 28, 28) logits of the label's mask
    keypoints: Tensor | None  # (B, D, K, 56, 56) logits over positions


class MaskRCNN(nn.Module):
    """Proposes regions, then classifies, refines and masks each.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels = config.fpn_channels
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.backbone = ResNet(
            config.depth,
            width=config.width,
            norm=config.norm,
            eps=config.norm_eps,
            stride_in_1x1=config.stride_in_1x1,
        )
        self.pyramid = FeaturePyramid(self.backbone.channels, channels)
        self.proposer = RegionProposer(channels, len(config.anchor_ratios))
        self.box = BoxBranch(channels, size=BOX_SIZE, hidden=config.box_channels, classes=config.classes)
        self.mask: MaskBranch | None = None
        if config.mask_branch:
            outputs = config.classes if config.mask_per_class else 1
            self.mask = MaskBranch(
                channels,
                hidden=config.mask_channels,
                layers=config.mask_layers,
                outputs=outputs + config.mask_softmax,
            )
        self.keypoint: KeypointBranch | None = None
        if config.keypoints:
            self.keypoint = KeypointBranch(
                channels, layers=config.keypoint_layers, keypoints=config.keypoints
            )

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> Raw:
        """Detections of a batch.

        Args:
            images: (B, 3, H, W) RGB in [0, 1]; H and W multiples of 32.
            sizes: (B, 2) int64 height and width of each picture, the rest is padding; None: no padding.
        """
        sizes = full_sizes(images) if sizes is None else sizes
        features = self.features(images, sizes)
        proposals = self.propose(features, sizes)
        regions = unpadded(proposals.boxes, proposals.valid)
        logits, deltas = self.heads(features, batch_rois(regions))
        counts = [len(part) for part in regions]
        found = [
            detect(*part, size=size, config=self.config)
            for *part, size in zip(
                torch.split(logits, counts), torch.split(deltas, counts), regions, sizes, strict=True
            )
        ]
        boxes, valid = padded([boxes for boxes, _, _ in found])
        scores, _ = padded([scores for _, scores, _ in found])
        labels, _ = padded([labels for _, _, labels in found])
        rois = batch_rois(unpadded(boxes, valid))
        masks = keypoints = None
        if self.mask is not None:
            masks = scattered(self.masks(features, rois, labels[valid]), valid)
        if self.keypoint is not None:
            keypoints = scattered(self.keypoints(features, rois), valid)
        return Raw(boxes, scores, labels, valid, masks, keypoints)

    def features(self, images: Tensor, sizes: Tensor | None = None) -> list[Tensor]:
        """P2 to P6 of a batch: (B, fpn_channels, H / s, W / s) at strides s = 4 to 64."""
        levels: list[Tensor] = self.pyramid(self.backbone(self.normalize(images, sizes)))
        return levels

    def normalize(self, images: Tensor, sizes: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> what the backbone takes; padding becomes 0, channels-last."""
        if self.config.channel_order == "BGR":
            images = images.flip(1)
        images = (images - self.mean) / self.std
        if sizes is not None:
            rows = torch.arange(images.shape[2], device=images.device) < sizes[:, :1]  # (B, H)
            columns = torch.arange(images.shape[3], device=images.device) < sizes[:, 1:]  # (B, W)
            images = images * (rows[:, None, :, None] & columns[:, None, None, :])
        return images.contiguous(memory_format=torch.channels_last)

    def propose(self, features: Sequence[Tensor], sizes: Tensor) -> Proposals:
        """The best anchors of each level, shifted, clipped and thinned out (arXiv:1612.03144, section 4.1).

        Args:
            features: P2 to P6.
            sizes: (B, 2) height and width of the pictures.
        """
        config = self.config
        height, width = features[0].shape[-2:]
        anchors = grid_anchors(
            [(level.shape[2], level.shape[3]) for level in features],
            (4 * height, 4 * width),
            sizes=config.anchor_sizes,
            ratios=config.anchor_ratios,
            whole=config.whole_anchors,
            device=features[0].device,
        )
        answers = [self.proposer(level) for level in features]
        boxes, scores, levels = [], [], []
        for index, (logits, deltas) in enumerate(answers):
            best, order = logits.detach().topk(min(config.proposals_before_nms, logits.shape[1]), dim=1)
            shifts = deltas.detach().gather(1, order[:, :, None].expand(-1, -1, 4))
            boxes.append(clip(decode(shifts, anchors[index][order]), sizes))
            scores.append(best)
            levels.append(torch.full_like(order[0], index))
        kept = [
            _thinned(*part, torch.cat(levels), config=config)
            for part in zip(torch.cat(boxes, dim=1), torch.cat(scores, dim=1), strict=True)
        ]
        regions, valid = padded([boxes for boxes, _ in kept])
        ranked, _ = padded([scores for _, scores in kept])
        logits = torch.cat([logits for logits, _ in answers], dim=1)
        deltas = torch.cat([deltas for _, deltas in answers], dim=1)
        return Proposals(regions, ranked, valid, logits, deltas, torch.cat(anchors))

    def heads(self, features: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """What each box holds.

        Args:
            features: P2 to P6.
            boxes: (R, 5) picture's index, x1, y1, x2, y2.

        Returns:
            (R, C + 1) class logits, (R, C, 4) deltas to be decoded with BOX_WEIGHTS.
        """
        answer: tuple[Tensor, Tensor] = self.box(self.pool(features, boxes, BOX_SIZE))
        return answer

    def masks(self, features: Sequence[Tensor], boxes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Mask logits of each box, (R, outputs, 28, 28), or where (R,) labels are given theirs, (R, 28, 28).

        The outputs are the classes; one where masks are class-agnostic; background and the classes for a
        softmax. A label's logit of a softmax is the one whose sigmoid is its probability.
        """
        if self.mask is None:
            raise RuntimeError("this network was built without a mask branch")
        pooled = self.pool(features, boxes, MASK_SIZE)
        if labels is not None and self.config.mask_softmax:
            return _log_odds(self.mask(pooled), labels + 1)
        if labels is not None and not self.config.mask_per_class:
            labels = torch.zeros_like(labels)
        logits: Tensor = self.mask(pooled, labels)
        return logits

    def keypoints(self, features: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """(R, K, 56, 56) logits over the positions of each box."""
        if self.keypoint is None:
            raise RuntimeError("this network was built without a keypoint branch")
        logits: Tensor = self.keypoint(self.pool(features, boxes, MASK_SIZE))
        return logits

    def pool(self, features: Sequence[Tensor], boxes: Tensor, size: int) -> Tensor:
        """(R, fpn_channels, size, size) features of the boxes, each from the level that suits its area."""
        return multiscale_roi_align(
            features[: len(STRIDES)],
            boxes,
            strides=STRIDES,
            output_size=size,
            sampling_ratio=self.config.sampling_ratio,
            aligned=self.config.aligned,
            pooling=self.config.pooling,
        )


def detect(
    logits: Tensor, deltas: Tensor, regions: Tensor, *, size: Tensor, config: Config
) -> tuple[Tensor, Tensor, Tensor]:
    """The detections of one picture: every class of every region is one, then each class is thinned out.

    Args:
        logits: (R, C + 1).
        deltas: (R, C, 4).
        regions: (R, 4).
        size: (2,) height and width of the picture.
        config: the thresholds.

    Returns:
        (D, 4) boxes, (D,) scores, (D,) labels, best first.
    """
    probabilities = logits.softmax(dim=1)
    foreground = probabilities[:, :-1] if config.background_last else probabilities[:, 1:]
    region, labels = torch.nonzero(foreground > config.score_threshold, as_tuple=True)
    scores = foreground[region, labels]
    boxes = decode(deltas[region, labels], regions[region], weights=BOX_WEIGHTS)
    boxes = clip(boxes[None], size[None])[0]
    large = ((boxes[:, 2:] - boxes[:, :2]) >= SMALLEST_DETECTION).all(dim=1)
    boxes, scores, labels = boxes[large], scores[large], labels[large]
    kept = batched_nms(boxes, scores, labels, overlap=config.detection_nms, keep=config.detections)
    return boxes[kept], scores[kept], labels[kept]


def full_sizes(images: Tensor) -> Tensor:
    """(B, 2) int64 sizes of pictures without padding."""
    return torch.tensor([images.shape[-2:]] * len(images), device=images.device)


def _thinned(boxes: Tensor, scores: Tensor, levels: Tensor, *, config: Config) -> tuple[Tensor, Tensor]:
    large = ((boxes[:, 2:] - boxes[:, :2]) >= SMALLEST_PROPOSAL).all(dim=1)
    boxes, scores, levels = boxes[large], scores[large], levels[large]
    kept = batched_nms(boxes, scores, levels, overlap=config.proposal_nms, keep=config.proposals)
    return boxes[kept], scores[kept]


def _log_odds(logits: Tensor, outputs: Tensor) -> Tensor:
    """(R, N, m, m) logits of a softmax -> (R, m, m) log of p / (1 - p) of each box's own output."""
    own = outputs[:, None, None, None].expand(-1, 1, *logits.shape[2:])
    rest = logits.scatter(1, own, float("-inf")).logsumexp(dim=1)
    return logits.gather(1, own)[:, 0] - rest


def build(config: Config) -> MaskRCNN:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    choices: dict[str, tuple[object, ...]] = {
        "depth": tuple(BLOCKS),
        "norm": NORMS,
        "pooling": ("align", "pool"),
        "channel_order": ("RGB", "BGR"),
    }
    for field, allowed in choices.items():
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(map(str, allowed))}")
    for field in ("classes", "width", "fpn_channels", "box_channels", "mask_channels", "detections",
                  "proposals", "proposals_before_nms"):  # fmt: skip
        require(getattr(config, field) >= 1, config, field, "1 or more")
    for field in ("keypoints", "keypoint_layers", "mask_layers", "sampling_ratio", "short_side", "norm_eps"):
        require(getattr(config, field) >= 0, config, field, "0 or more")
    for field in ("score_threshold", "detection_nms", "proposal_nms"):
        require(0 <= getattr(config, field) <= 1, config, field, "between 0 and 1")
    require(config.long_side >= config.short_side, config, "long_side", "at least short_side")
    sizes = config.anchor_sizes
    require(len(sizes) == 5 and min(sizes) > 0, config, "anchor_sizes", "5 positive numbers, one a level")
    ratios = config.anchor_ratios
    require(len(ratios) > 0 and min(ratios) > 0, config, "anchor_ratios", "positive numbers")
    require(len(config.mean) == 3, config, "mean", "3 numbers, one a channel")
    require(len(config.std) == 3 and min(config.std) > 0, config, "std", "3 positive numbers, one a channel")
    agnostic_softmax = config.mask_softmax and not config.mask_per_class
    require(not agnostic_softmax, config, "mask_softmax", "off where mask_per_class is off")
    return MaskRCNN(config).to(memory_format=torch.channels_last)
