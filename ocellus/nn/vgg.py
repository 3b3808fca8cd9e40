"""VGG networks of 11, 13, 16 and 19 layers (Simonyan 2014, arXiv:1409.1556), as feature extractors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError

BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each of the five stages (table 1, columns A, B, D and E)."""

WIDTHS = (1, 2, 4, 8, 8)
"""Channels of the stages, as multiples of the first one's."""


class VGG(nn.Module):
    """The convolutional part of a VGG network: five stages of 3x3 convolutions, each followed by a pooling.

    Args:
        depth: 11, 13, 16 or 19.
        channels: of the input.
        width: channels of the first stage, 64 as published; the others have 2, 4, 8 and 8 times as many.
        padding: of the very first convolution; 100 for a fully convolutional network as published.
        ceil: sides that are odd are rounded up by the poolings (Caffe), not down.
    """

    def __init__(
        self, depth: int = 16, *, channels: int = 3, width: int = 64, padding: int = 1, ceil: bool = False
    ) -> None:
        super().__init__()
        self.ceil = ceil
        self.channels = tuple(width * factor for factor in WIDTHS)
        self.stages = nn.ModuleList()
        inputs, border = channels, padding
        for count, outputs in zip(BLOCKS[depth], self.channels, strict=True):
            convs = nn.ModuleList()
            for _ in range(count):
                conv = nn.Conv2d(inputs, outputs, 3, padding=border)
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
                convs.append(conv)
                inputs, border = outputs, 1
            self.stages.append(convs)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pooled features of each stage of normalized images.

        Args:
            images: (B, channels, H, W).

        Returns:
            five (B, self.channels[i], H / s, W / s) at strides s = 2, 4, 8, 16 and 32.
        """
        features, levels = images, []
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for conv in stage:
                features = F.relu_(conv(features))
            features = F.max_pool2d(features, 2, stride=2, ceil_mode=self.ceil)
            levels.append(features)
        return levels


def public_names(state: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """Names of the convolutions of torchvision's VGGs, and ours of a network's `backbone`, as rules.

    Args:
        state: the checkpoint's tensors, of which some are called "features.0.weight"; of any shapes.

    Raises:
        OcellusError: one with batch normalization.
    """
    places = sorted({int(name.split(".")[1]) for name in state if name.startswith("features.")})
    if any(state[f"features.{place}.weight"].ndim != 4 for place in places):
        raise OcellusError(
            "the VGG has batch normalization (vgg16_bn); only the published one without is known"
        )
    # A stage ends where a place is left out for its pooling: convolution, ReLU, convolution, ReLU, pooling.
    rules, stage, index = [], 0, 0
    for place, before in zip(places, (places[0], *places), strict=False):
        stage, index = (stage + 1, 0) if place - before == 3 else (stage, index)
        rules.append((rf"features\.{place}\.", f"backbone.stages.{stage}.{index}."))
        index += 1
    return rules
