"""The network of U-Net (Ronneberger 2015, arXiv:1505.04597) and of its frame variants (arXiv:1708.08333)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.nn import encoded
from ocellus.nn.dense import check_dense
from ocellus.nn.framelets import Part, convolved, haar, pool, unpool
from ocellus.nn.light import Light
from ocellus.nn.norm import NormedConv
from ocellus.nn.squeezenet import SqueezeNet
from ocellus.nn.views import check_views
from ocellus.see.unet.config import Config
from ocellus.values.segmentation import IGNORED

VARIANTS = ("standard", "dual_frame", "tight_frame")
NORMS = ("none", "batch", "group")
ENCODERS = ("own", *encoded.STRIDES)


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    logits: Tensor  # (B, K, H, W), of valid convolutions at least (B, K, H - 2 margin, W - 2 margin)
    auxiliary: Tensor | None = None  # no branch besides


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by its norm and a ReLU (section 2).

    Args:
        inputs: channels of all parts that come in.
        middle: channels between the two.
        outputs: channels out.
        config: for the norm and the padding.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, config: Config) -> None:
        super().__init__()
        self.valid = config.valid
        self.first = layer(inputs, middle, config)
        self.second = layer(middle, outputs, config)

    def forward(self, *parts: Part) -> Tensor:
        return self.activated(self.second, Part(self.activated(self.first, *parts)))

    def activated(self, module: nn.Module, *parts: Part) -> Tensor:
        """One convolution over parts side by side, its norm, and the ReLU."""
        conv = module.conv if isinstance(module, NormedConv) else module
        assert isinstance(conv, nn.Conv2d)
        if len(parts) == 1 and parts[0].first < 0:
            padding = 0 if self.valid else 1
            features = F.conv2d(parts[0].features, conv.weight, conv.bias, padding=padding)
        else:
            features = convolved(parts, conv.weight, conv.bias, padding=0 if self.valid else 1)
        return F.relu_(module.norm(features) if isinstance(module, NormedConv) else features)


class UNet(nn.Module):
    """A contracting path, an expanding path, and at each resolution what the one hands to the other.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.learned_resampling = config.variant == "standard" and not config.framelet_pooling
        widths = [config.width << level for level in range(config.depth + 1)]
        inputs = [config.channels, *widths]
        self.encoders = nn.ModuleList(
            DoubleConv(inputs[level], widths[level], widths[level], config) for level in range(config.depth)
        )
        # Φ keeps the number of channels, so without up-convolutions the level's last convolution halves it.
        narrow = [width if self.learned_resampling else width // 2 for width in widths]
        narrow[0] = config.width
        self.bottom = DoubleConv(widths[-2], widths[-1], narrow[-1], config)
        joined = 5 if config.variant == "tight_frame" else 2
        self.decoders = nn.ModuleList(
            DoubleConv(joined * widths[level], widths[level], narrow[level], config)
            for level in range(config.depth)
        )
        self.ups = nn.ModuleList()
        if self.learned_resampling:
            self.ups.extend(
                nn.ConvTranspose2d(widths[level + 1], widths[level], 2, stride=2)
                for level in range(config.depth)
            )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Conv2d(config.width, config.classes, 1)
        self.start()

    @property
    def stride(self) -> int:
        """Pixels of the picture that the coarsest resolution makes one of."""
        return 1 << self.config.depth

    @property
    def margin(self) -> int:
        """Pixels of the picture around a tile that it takes to answer for all of it; 0: none.

        The answer is smaller than the input by 6 · 2^depth - 4 on each side (92 as published). An input that
        pools evenly is -4 modulo the stride, 572 for one; with 2 pixels more on each side, tiles that are
        multiples of the stride are such inputs.
        """
        return 6 * self.stride - 2 if self.config.valid else 0

    def start(self) -> None:
        """Fresh weights of variance 2 / N, N the inputs of a neuron (section 3)."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                if isinstance(module, nn.ConvTranspose2d):  # each output pixel is of one tap a channel
                    nn.init.normal_(module.weight, std=module.in_channels**-0.5)
                else:
                    nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.config.residual:  # begins as the identity
            nn.init.zeros_(self.head.weight)

    def forward(self, images: Tensor) -> Raw:
        """Logits of (B, C, H, W) pictures in [0, 1], whatever their size.

        Of valid convolutions they are for the pixels from 6 · 2^depth - 4 on, at each side: 388 x 388 of 572
        x 572. Where H and W do not pool evenly the picture is continued by its border pixels for the while.
        """
        size = images.shape[-2:]
        wanted = [fitting(length, self.config) for length in size]
        features = self.normalize(images)
        if wanted != list(size):
            below, right = wanted[0] - size[0], wanted[1] - size[1]
            features = F.pad(features, (0, right, 0, below), mode="replicate")
        skips: list[tuple[Tensor, Tensor | None]] = []
        for level, encoder in enumerate(self.encoders):
            features = encoder(Part(features))
            if level == self.config.depth - 1:
                features = self.dropout(features)
            low, high = self.shrink(features)
            skips.append((features, high))
            features = low
        features = self.dropout(self.bottom(Part(features)))
        for level in reversed(range(self.config.depth)):
            if self.learned_resampling:
                features = self.ups[level](features)
            features = self.decoders[level](*self.join(*skips[level], features))
        lost = 2 * (6 * self.stride - 4) if self.config.valid else 0
        logits = self.head(features)[..., : max(size[0] - lost, 0), : max(size[1] - lost, 0)]
        if self.config.residual:
            logits = central(images, logits) + logits
        return Raw(logits)

    def normalize(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> what the first convolution takes, channels-last."""
        return prepared(self, images)

    def shrink(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, C, H, W) -> (B, C, H / 2, W / 2) that goes down, and the bands (B, 3 C, ...) that do not."""
        if self.learned_resampling:
            return F.max_pool2d(features, 2), None
        if self.config.variant == "tight_frame":
            return haar(features)
        return pool(features), None

    def join(self, skip: Tensor, high: Tensor | None, low: Tensor) -> tuple[Part, ...]:
        """What a decoder looks at. Of the frame variants the parts' sum is `skip`, were `low` its mean.

        Args:
            skip: (B, C, H, W) of the encoder, cropped here to what is left of it.
            high: (B, 3 C, H / 2, W / 2) its Haar bands but for the mean, of the tight frame.
            low: (B, C, h / 2, w / 2) from the resolution below; of up-convolutions (B, C, h, w).
        """
        if self.learned_resampling:
            return Part(central(skip, low)), Part(low)
        skip = central(skip, low, scale=2)
        if self.config.variant == "standard":
            return Part(skip), Part(low, first=0)
        if self.config.variant == "dual_frame":  # (I - ½ΦΦᵀ) skip, ½Φ low
            return Part(skip - 0.5 * unpool(pool(skip))), Part(0.5 * low, first=0)
        assert high is not None
        return Part(0.5 * skip), Part(0.5 * low, first=0), Part(0.5 * central(high, low), first=1, bands=3)


class EncodedUNet(nn.Module):
    """A U-Net whose contracting path is a classifier's, which it can begin with, or a light residual one.

    The classes are scored at every resolution, and the scores added up from coarse to fine as in FCN (Long
    2015, arXiv:1411.4038, section 4.2): the way from the loss to the coarse features is short, and they learn
    fast. The finest are at half the resolution, and enlarged. The decoder has `width` channels there, twice
    as many at stride 4, and four times as many below.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor
    margin = 0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.stride = encoded.STRIDES[config.encoder]
        self.backbone: SqueezeNet | Light = (
            SqueezeNet("1.0", channels=config.channels)
            if config.encoder == encoded.ENCODER
            else Light(config.channels, norm=config.norm)
        )
        channels = encoded.level_channels(self.backbone)
        widths = [config.width << min(level, 2) for level in range(len(channels) - 1)]  # from stride 2 on
        coarser = [*widths[1:], channels[-1]]
        self.joins = nn.ModuleList(
            encoded.Join(*sizes, norm=config.norm) for sizes in zip(coarser, channels, widths, strict=False)
        )
        self.dropout = nn.Dropout2d(config.dropout)
        self.scores = nn.ModuleList(
            nn.Conv2d(inputs, config.classes, 1) for inputs in (channels[-1], *reversed(widths))
        )

    def forward(self, images: Tensor) -> Raw:
        """Logits (B, K, H, W) of (B, C, H, W) pictures in [0, 1], whatever their size."""
        height, width = images.shape[2:]
        below, right = -height % self.stride, -width % self.stride
        features = F.pad(self.normalize(images), (0, right, 0, below), mode="replicate")
        *finer, features = encoded.levels(self.backbone, features)
        features = self.dropout(features)  # (B, C, h / stride, w / stride)
        first, *scores = self.scores
        logits = first(features)
        for join, score, fine in zip(reversed(self.joins), scores, reversed(finer), strict=True):
            features = join(features, fine)
            logits = doubled(logits) + score(features)  # (B, K, ...), h / 2 and w / 2 at the end
        return Raw(doubled(logits)[..., :height, :width])

    def normalize(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> what the first convolution takes, channels-last."""
        return prepared(self, images)


def doubled(scores: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, K, 2 H, 2 W), bilinearly."""
    return F.interpolate(scores, scale_factor=2, mode="bilinear", align_corners=False)


def prepared(network: UNet | EncodedUNet, images: Tensor) -> Tensor:
    """(B, C, H, W) in [0, 1] -> what a network's first convolution takes, channels-last."""
    if network.config.channel_order == "BGR" and images.shape[1] == 3:
        images = images.flip(1)
    images = (images - network.mean) / network.std
    return images.contiguous(memory_format=torch.channels_last)


def begin_state(network: UNet | EncodedUNet, other: nn.Module) -> dict[str, Tensor]:
    """Weights of the same network, or of the classifier that its encoder is of, as its beginning.

    Raises:
        OcellusError: another classifier, or pictures prepared otherwise. Exit code 2.
    """
    if isinstance(other, (UNet, EncodedUNet)):
        return other.state_dict()
    return encoded.encoder_state(network, other)


def layer(inputs: int, outputs: int, config: Config) -> nn.Module:
    """A 3x3 convolution with its norm, or with a bias where there is none; `DoubleConv` runs it."""
    if config.norm == "none":
        return nn.Conv2d(inputs, outputs, 3)
    return NormedConv(inputs, outputs, kernel=3, norm=config.norm)


def central(features: Tensor, like: Tensor, *, scale: int = 1) -> Tensor:
    """The middle (B, C, h, w) of (B, C, H, W), as large as `like` times `scale`."""
    height, width = scale * like.shape[-2], scale * like.shape[-1]
    top, left = (features.shape[-2] - height) // 2, (features.shape[-1] - width) // 2
    return features[..., top : top + height, left : left + width]


def fitting(length: int, config: Config) -> int:
    """The least length from `length` on that every pooling halves evenly, and of which something is left."""
    stride = 1 << config.depth
    if not config.valid:
        return -(-length // stride) * stride
    return max(-(-(length + 4) // stride) * stride - 4, 12 * stride - 4)


def build(config: Config) -> UNet | EncodedUNet:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check_dense(config, least=1, most=max(config.channels, IGNORED) if config.residual else IGNORED)
    for field, allowed in (("variant", VARIANTS), ("norm", NORMS)):
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(allowed)}")
    check_views(config)
    one = config.scales == (1.0,) or not (config.valid or config.residual)
    require(one, config, "scales", "1 with valid convolutions and where pictures are restored")
    require(config.width >= 1, config, "width", "1 or more")
    require(1 <= config.depth <= 10, config, "depth", "between 1 and 10")
    require(0 <= config.dropout < 1, config, "dropout", "0 or more and below 1")
    swapped = config.channel_order == "BGR" and config.channels != 3
    require(
        not swapped or config.encoder != "own", config, "channel_order", "RGB where there are not 3 channels"
    )
    other = config.residual and config.classes != config.channels
    require(not other, config, "classes", f"the {config.channels} channels of a network that restores")
    framed = config.framelet_pooling and config.variant != "standard"
    require(not framed, config, "framelet_pooling", f"off: the variant {config.variant} has it as it is")
    require(config.encoder in ENCODERS, config, "encoder", f"one of {', '.join(ENCODERS)}")
    if config.encoder == "own":
        return UNet(config).to(memory_format=torch.channels_last)
    plain = config.variant == "standard" and not config.valid and not config.framelet_pooling
    require(
        plain and not config.residual,
        config,
        "encoder",
        "own where a variant, valid or residual is asked for",
    )
    require(config.norm != "none", config, "norm", f"batch or group where the encoder is {config.encoder}")
    return EncodedUNet(config).to(memory_format=torch.channels_last)
