"""A discriminator that judges every patch of a picture (Isola 2017, arXiv:1611.07004, section 3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ocellus.errors import require

PATCH_NORMS = ("batch", "instance", "none")

SLOPE = 0.2  # of the leaky ReLUs, section 6.1

MOST_WIDER = 8  # the widest layers have so many times the first one's channels: 64, 128, 256, 512, 512


@dataclass(frozen=True)
class PatchSettings:
    """What a PatchGAN is made from."""

    channels: int
    width: int = 64
    layers: int = 3
    norm: str = "batch"
    spectral: bool = False


class PatchGAN(nn.Module):
    """4x4 convolutions: `layers` of stride 2, one of stride 1, and one of stride 1 that gives the logits.

    Each logit sees 16, 34, 70, 142 or 286 pixels a side, of 1 to 5 layers. The first convolution and the last
    have no norm.

    Args:
        channels: C of the pictures; of a pair side by side in channels, those of both.
        width: channels of the first convolution; each further layer doubles them, up to 8 times the width.
        layers: convolutions of stride 2; 3 as published.
        norm: batch, instance (without parameters or running statistics) or none.
        spectral: divide each weight by its largest singular value (Miyato 2018, arXiv:1802.05957).

    Raises:
        OcellusError: settings that cannot be. Exit code 2.
    """

    def __init__(
        self, channels: int, *, width: int = 64, layers: int = 3, norm: str = "batch", spectral: bool = False
    ) -> None:
        super().__init__()
        settings = PatchSettings(channels, width, layers, norm, spectral)
        self.config = settings
        require(channels >= 1, settings, "channels", "1 or more")
        require(width >= 1, settings, "width", "1 or more")
        require(layers >= 1, settings, "layers", "1 or more")
        require(norm in PATCH_NORMS, settings, "norm", f"one of {', '.join(PATCH_NORMS)}")
        widths = [channels, *(width * min(1 << level, MOST_WIDER) for level in range(layers + 1))]
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(pairwise(widths)):
            normed = level > 0 and norm != "none"
            # A batch norm has a shift of its own; the others need the convolution's.
            conv = patch_conv(
                inputs, outputs, stride=2 if level < layers else 1, bias=not normed or norm != "batch"
            )
            self.convs.append(spectral_norm(conv) if spectral else conv)
            self.norms.append(patch_norm(norm, outputs) if normed else nn.Identity())
        last = patch_conv(widths[-1], 1, stride=1, bias=True)
        self.head = spectral_norm(last) if spectral else last
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    @property
    def sees(self) -> int:
        """Pixels a side of the patch that one logit depends on, norms aside: 70 for 3 layers."""
        side = 1 + 3 + 3  # the two of stride 1
        for _ in range(self.config.layers):
            side = 2 * side + 2  # a 4x4 convolution of stride 2
        return side

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1, H / 2^layers - 2, W / 2^layers - 2) of (B, C, H, W) pictures in [0, 1].

        Above 0 (above 0.5 where trained with least squares) speaks for real.
        """
        features = images * 2 - 1
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = self.activation(norm(conv(features)))
        logits: Tensor = self.head(features)
        return logits


def patch_conv(inputs: int, outputs: int, *, stride: int, bias: bool) -> nn.Conv2d:
    """A 4x4 convolution with weights of N(0, 0.02), section 6.2."""
    conv = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=bias)
    nn.init.normal_(conv.weight, std=0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def patch_norm(kind: str, channels: int) -> nn.Module:
    """Batch norm with scales of N(1, 0.02), or instance norm without parameters."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm
