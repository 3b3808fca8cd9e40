"""Mask R-CNN's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.beginning import refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are torchvision's conventions at ResNet-50."""

    classes: int = 80
    """Number of classes, background not counted; training takes it from the data."""
    depth: int = 50
    """Depth of the ResNet: 18, 34, 50 or 101."""
    width: int = 64
    """Channels of the ResNet's stem; its stages have 1, 2, 4 and 8 times as many (times 4 from depth 50)."""
    norm: str = "frozen"
    """Normalization of the backbone: frozen (batch statistics fixed), batch (live) or group."""
    norm_eps: float = 1e-5
    """Added to the norms' variance; 0 for torchvision's published COCO weights."""
    stride_in_1x1: bool = False
    """Put a bottleneck's stride on its first 1x1 convolution (detectron2's ResNets), not on the 3x3."""
    fpn_channels: int = 256
    """Channels of every pyramid level."""
    anchor_sizes: tuple[float, ...] = (32.0, 64.0, 128.0, 256.0, 512.0)
    """Side of the square anchor of each pyramid level, from stride 4 on."""
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height over width of the anchors."""
    whole_anchors: bool = True
    """Anchor corners and spacing are whole pixels (torchvision); otherwise exact (detectron2)."""
    proposals_before_nms: int = 1000
    """Best-scored anchors kept at each level."""
    proposals: int = 1000
    """Proposals kept after suppression."""
    proposal_nms: float = 0.7
    """Overlap above which the lower-scored proposal is dropped."""
    pooling: str = "align"
    """align (RoIAlign) or pool (RoIPool, to compare)."""
    aligned: bool = False
    """RoIAlign shifted by half a pixel (detectron2)."""
    sampling_ratio: int = 2
    """Sampling points along a bin's side; 0: as many as the bin has pixels (detectron2)."""
    box_channels: int = 1024
    """Width of the box branch's two linear layers."""
    mask_branch: bool = True
    """Predict masks; without it this is Faster R-CNN."""
    mask_channels: int = 256
    """Channels of the mask branch."""
    mask_layers: int = 4
    """3x3 convolutions of the mask branch, before the upsampling."""
    mask_per_class: bool = True
    """One mask a class, a sigmoid each; otherwise one mask for whatever class."""
    mask_softmax: bool = False
    """Let the classes' masks compete in a softmax against a background mask, as in the paper's comparison."""
    keypoints: int = 0
    """Number of keypoints of an object; 0: no keypoint branch."""
    keypoint_layers: int = 8
    """3x3 convolutions of the keypoint branch, of 512 channels."""
    background_last: bool = False
    """The background is the last class score (detectron2), not the first (torchvision)."""
    score_threshold: float = 0.05
    """Detections below this score are dropped."""
    detection_nms: float = 0.5
    """Overlap above which the lower-scored detection of the same class is dropped."""
    detections: int = 100
    """Most detections in a picture."""
    short_side: int = 800
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    long_side: int = 1333
    """But the longer side at most this many."""
    channel_order: str = "RGB"
    """RGB or BGR, the order in which the network was trained."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from each channel in that order, of pictures in [0, 1]."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Each channel is divided by this."""


PREPROCESSING = ("short_side", "long_side", "channel_order", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: what is sampled, how it is weighted, how pictures are varied."""

    anchors_per_picture: int = 256
    """Anchors whose loss is counted in each picture."""
    anchor_positive: float = 0.5
    """Largest share of them that may be objects."""
    anchor_high: float = 0.7
    """Overlap with an object from which an anchor is one."""
    anchor_low: float = 0.3
    """Overlap below which an anchor is background; between the two it is ignored."""
    regions_per_picture: int = 512
    """Proposals whose loss is counted in each picture."""
    region_positive: float = 0.25
    """Largest share of them that may be objects."""
    region_overlap: float = 0.5
    """Overlap with an object from which a proposal is one."""
    box_smoothness: float = 0.0
    """Beta of the smooth L1 box loss; 0: plain L1."""
    mask_weight: float = 1.0
    """Weight of the mask loss."""
    keypoint_weight: float = 1.0
    """Weight of the keypoint loss."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    flip_vertical: float = 0.0
    """Chance of an upside-down picture; for subjects without an up, like cells."""
    turn: float = 0.0
    """Chance of a quarter turn."""
    scale_low: float = 1.0
    """Smallest factor of the scale jitter."""
    scale_high: float = 1.0
    """Largest factor of the scale jitter."""
    crop: int = 0
    """Side of a random square crop after scaling; 0: none."""
    color: float = 0.0
    """Strength of random brightness, contrast and saturation, 0 to 1."""
    mosaic: float = 0.0
    """Chance of four pictures put together as one."""
    copy_paste: float = 0.0
    """Chance of objects of another picture pasted in."""


FIT = Fit(
    epochs=12, batch_size=2, optimizer="sgd", learning_rate=0.0025, schedule="multistep", warmup_steps=500
)

PAPER = Config()

TINY = Config(
    classes=2,
    depth=18,
    width=8,
    norm="group",
    fpn_channels=16,
    anchor_sizes=(8.0, 16.0, 32.0, 64.0, 128.0),
    proposals_before_nms=50,
    proposals=30,
    box_channels=32,
    mask_channels=16,
    mask_layers=1,
    detections=10,
    short_side=64,
    long_side=128,
)

SMALL = Config(
    depth=18,
    norm="batch",
    fpn_channels=128,
    anchor_sizes=(16.0, 32.0, 64.0, 128.0, 256.0),
    proposals_before_nms=500,
    proposals=300,
    box_channels=512,
    mask_channels=128,
    short_side=400,
    long_side=640,
)
SMALL_FIT = Fit(epochs=24, batch_size=4, optimizer="adamw", learning_rate=1e-3, weight_decay=0.05, ema=0.998)

PRESETS = {
    "small": (SMALL, Train(scale_low=0.7, scale_high=1.3, color=0.3), SMALL_FIT),
    "paper": (PAPER, Train(), FIT),
    "tiny": (TINY, Train(), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch), paper, tiny (for the machinery)."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and annotations.

    Args:
        config: as asked for.
        data: to train on.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: a branch is asked for that the annotations cannot teach, or norms are to stay as they
            are before they have seen anything. Exit code 2.
    """
    refuse_fresh_frozen(config.norm, pretrained=pretrained)
    annotations = [entry for _, record in data.records() for entry in record.annotations]
    if config.mask_branch and not any(entry.rings or entry.counts is not None for entry in annotations):
        raise OcellusError(f"{data.root} has boxes but no masks: add --no-mask-branch", exit_code=2)
    known = len(data.skeleton) if data.skeleton else 0
    if config.keypoints not in (0, known):
        has = f"objects of {known} keypoints" if known else "no keypoints"
        raise OcellusError(f"--keypoints {config.keypoints}, but {data.root} has {has}", exit_code=2)
    return replace(config, classes=len(data.labels))
