"""A light encoder for training from scratch on a CPU: few layers at high resolution, residual ones below.

As in a ResNet, the last stages can be dilated in place of made coarser; see `ocellus.nn.resnet`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.norm import NormedConv, make_norm
from ocellus.nn.resnet import Basic

WIDTHS = (2, 4, 6, 7)
"""Channels of the stages at strides 4, 8, 16 and 32, as multiples of the stem's."""

BLOCKS = (1, 2, 2, 1)
"""Residual blocks of each: most at strides 8 and 16, where a multiplication costs least for what it sees."""


class Light(nn.Module):
    """Four stages, each a 2x2 max pooling, a 3x3 convolution that widens, and residual blocks.

    All poolings are 2x2, so a cell stands for the middle of the pixels that it covers at every level; sides
    have to be multiples of the coarsest stride.

    Args:
        channels: of the input.
        width: channels of the stem at stride 2.
        norm: batch, group or frozen.
        eps: added to the norms' variance.
        dilate: of the third and the fourth stage, whether its pooling is replaced by dilation.
    """

    def __init__(
        self,
        channels: int = 3,
        *,
        width: int = 32,
        norm: str = "batch",
        eps: float = 1e-5,
        dilate: tuple[bool, bool] = (False, False),
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(self.stem.weight, mode="fan_out", nonlinearity="relu")
        self.norm = make_norm(norm, width, eps=eps)
        self.channels = tuple(width * factor for factor in WIDTHS)
        self.wider, self.stages = nn.ModuleList(), nn.ModuleList()
        self.pools = tuple(not dilated for dilated in (False, False, *dilate))
        inputs, dilation = width, 1
        for outputs, count, pool in zip(self.channels, BLOCKS, self.pools, strict=True):
            dilation = dilation if pool else 2 * dilation
            self.wider.append(NormedConv(inputs, outputs, kernel=3, dilation=dilation, norm=norm, eps=eps))
            blocks = [
                Basic(
                    outputs, outputs,
                    stride=1, norm=norm, eps=eps, stride_in_1x1=False, dilation=(dilation, dilation),
                )
                for _ in range(count)
            ]  # fmt: skip
            self.stages.append(nn.Sequential(*blocks))
            inputs = outputs

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of normalized images.

        Args:
            images: (B, channels, H, W), H and W multiples of the coarsest stride.

        Returns:
            four (B, self.channels[i], H / s, W / s) at strides s = 4, 8, 16 and 32, or less where dilated.
        """
        return self.levels(images)[1:]

    def levels(self, images: Tensor) -> list[Tensor]:
        """What `forward` gives, and before it the stem's (B, width, H / 2, W / 2)."""
        features = F.relu_(self.norm(self.stem(images)))
        levels = [features]
        for pool, wider, stage in zip(self.pools, self.wider, self.stages, strict=True):
            features = F.max_pool2d(features, 2) if pool else features
            features = stage(F.relu_(wider(features)))
            levels.append(features)
        return levels
