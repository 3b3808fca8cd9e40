"""What looks at regions: the proposal network, and a branch each for box, mask and keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KEYPOINT_CHANNELS = 512


class RegionProposer(nn.Module):
    """Scores and shifts the anchors of one pyramid level; shared by all levels (Ren 2015, section 3.1).

    Args:
        channels: of the pyramid.
        anchors: anchors at each position.
    """

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.score = nn.Conv2d(channels, anchors, 1)
        self.delta = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in (self.conv, self.score, self.delta):
            _start(layer, 0.01)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> (B, h*w*A) logits, (B, h*w*A, 4) deltas, by row, column, ratio."""
        hidden = F.relu_(self.conv(features))
        logits = self.score(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.delta(hidden).permute(0, 2, 3, 1).reshape(*logits.shape, 4)
        return logits.float(), deltas.float()


class BoxBranch(nn.Module):
    """Two linear layers, a class score and a box a class (Lin 2017, arXiv:1612.03144, section 4.2).

    Args:
        channels: of the pyramid.
        size: side of the pooled features.
        hidden: width of the linear layers.
        classes: C, background not counted.
    """

    def __init__(self, channels: int, *, size: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(size * size * channels, hidden)
        self.linear2 = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, classes + 1)
        self.delta = nn.Linear(hidden, 4 * classes)
        for layer, spread in (
            (self.linear1, None),
            (self.linear2, None),
            (self.score, 0.01),
            (self.delta, 0.001),
        ):
            _start(layer, spread)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(R, channels, size, size) -> (R, C + 1) class logits, (R, C, 4) deltas.

        The features are read by row, column, channel: the order in which channels-last memory holds them.
        """
        hidden = F.relu_(self.linear1(pooled.permute(0, 2, 3, 1).flatten(1)))
        hidden = F.relu_(self.linear2(hidden))
        deltas: Tensor = self.delta(hidden).float()
        return self.score(hidden).float(), deltas.view(len(deltas), self.delta.out_features // 4, 4)


class MaskBranch(nn.Module):
    """3x3 convolutions, an upsampling by 2, and a mask for each of the outputs (section 3, figure 4).

    Args:
        channels: of the pyramid.
        hidden: of the convolutions.
        layers: number of convolutions.
        outputs: masks for each box.
    """

    def __init__(self, channels: int, *, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        inputs = [channels] + [hidden] * (layers - 1)
        self.convs = nn.ModuleList(nn.Conv2d(count, hidden, 3, padding=1) for count in inputs[:layers])
        self.upsample = nn.ConvTranspose2d(hidden if layers else channels, hidden, 2, stride=2)
        self.score = nn.Conv2d(hidden, outputs, 1)
        for layer in (*self.convs, self.upsample, self.score):
            _start(layer)

    def forward(self, pooled: Tensor, outputs: Tensor | None = None) -> Tensor:
        """(R, channels, m, m) -> (R, outputs, 2m, 2m) mask logits.

        Args:
            pooled: the boxes' features.
            outputs: (R,) int64, the one output that is wanted of each box, which spares the others; the
                result is then (R, 2m, 2m).
        """
        hidden = self.hidden(pooled)
        weight, bias = self.score.weight.flatten(1), _bias(self.score)
        if outputs is None:
            return _joined(F.linear(hidden, weight, bias)).float()
        chosen = weight[outputs].to(hidden.dtype)[:, :, None]  # (R, hidden, 1)
        logits = torch.bmm(
            hidden.reshape(len(hidden), hidden.shape[1:5].numel(), hidden.shape[5]), chosen
        ).view(*hidden.shape[:5], 1)
        return _joined(logits)[:, 0].float() + bias[outputs].float()[:, None, None]

    def hidden(self, pooled: Tensor) -> Tensor:
        """(R, channels, m, m) -> (R, m, m, 2, 2, hidden): of each position, its 2 x 2 finer ones.

        A transposed convolution whose stride is its kernel is one linear map of each position.
        """
        features = pooled
        for conv in self.convs:
            features = F.relu_(conv(features))
        rows = features.permute(0, 2, 3, 1)
        weight = self.upsample.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (2 * 2 * hidden, inputs)
        finer = F.relu_(F.linear(rows, weight, _bias(self.upsample).repeat(4)))
        return finer.view(*rows.shape[:3], 2, 2, self.score.in_channels)


class KeypointBranch(nn.Module):
    """3x3 convolutions of 512 channels and a heat map for each keypoint (section 5).

    Args:
        channels: of the pyramid.
        layers: number of convolutions.
        keypoints: K.
    """

    def __init__(self, channels: int, *, layers: int, keypoints: int) -> None:
        super().__init__()
        inputs = [channels] + [KEYPOINT_CHANNELS] * (layers - 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(count, KEYPOINT_CHANNELS, 3, padding=1) for count in inputs[:layers]
        )
        last = KEYPOINT_CHANNELS if layers else channels
        self.score = nn.ConvTranspose2d(last, keypoints, 4, stride=2, padding=1)
        for layer in (*self.convs, self.score):
            _start(layer)

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, channels, m, m) -> (R, K, 4m, 4m) logits over positions."""
        features = pooled
        for conv in self.convs:
            features = F.relu_(conv(features))
        maps = self.score(features)  # (R, K, 2m, 2m)
        return F.interpolate(maps.float(), scale_factor=2, mode="bilinear", align_corners=False)


def _joined(positions: Tensor) -> Tensor:
    """(R, m, m, 2, 2, N) finer positions of each position -> (R, N, 2m, 2m)."""
    count, rows, columns, _, _, outputs = positions.shape
    return positions.permute(0, 5, 1, 3, 2, 4).reshape(count, outputs, 2 * rows, 2 * columns)


def _start(layer: nn.Module, spread: float | None = None) -> None:
    """Fresh weights: normal of a given spread, or one that keeps the variance (arXiv:1502.01852)."""
    for name, parameter in layer.named_parameters():
        if name == "bias":
            nn.init.zeros_(parameter)
        elif spread is not None:
            nn.init.normal_(parameter, std=spread)
        elif parameter.ndim == 2:
            nn.init.kaiming_uniform_(parameter, a=1)
        else:
            nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    if layer.bias is None:
        raise ValueError("this layer was made with a bias")
    return layer.bias
