"""From a picture to a class for every pixel: any size, whole or in tiles, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import lcm
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError, require
from ocellus.nn.tiles import Tiling, Window, blocks, mirrored
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED

STRIP = 1 << 22
"""Logits that are turned into labels at a time; as float32 they are 16 MB."""

GREY = (0.299, 0.587, 0.114)
"""Rec. 601 luma of red, green and blue, as Pillow's mode L has it."""


LARGE = 60_000_000
"""Pixels above which a picture is looked at in tiles, whatever the network's settings say."""

TILE, OVERLAP = 1024, 128
"""Of these tiles; the network's own settings may say that more is shared."""

GRID = 64
"""They lie on multiples of it, and of the network's stride."""


class DenseConfig(Protocol):
    """The fields that the Config settings of all networks for label maps share."""

    @property
    def classes(self) -> int:
        """Number of classes, the background among them."""

    @property
    def channels(self) -> int:
        """Channels of the pictures."""

    @property
    def short_side(self) -> int:
        """Pixels that the shorter side is resized to; 0: not resized."""

    @property
    def tile(self) -> int:
        """Side of the tiles; 0: none."""

    @property
    def overlap(self) -> int:
        """Pixels that neighbouring tiles share."""

    @property
    def channel_order(self) -> str:
        """RGB or BGR."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Subtracted from each channel; one number: from every channel."""

    @property
    def std(self) -> tuple[float, ...]:
        """Each channel is divided by this."""


def check_dense(config: DenseConfig, *, least: int = 2, most: int = IGNORED) -> None:
    """See that the settings that all networks for label maps share can be.

    Args:
        config: of the network.
        least: number of classes.
        most: number of classes; label maps tell 255 apart.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(least <= config.classes <= most, config, "classes", f"{least} to {most}")
    require(config.channels >= 1, config, "channels", "1 or more")
    for field in ("short_side", "tile", "overlap"):
        require(getattr(config, field) >= 0, config, field, "0 or more")
    require(config.channel_order in ("RGB", "BGR"), config, "channel_order", "one of RGB, BGR")
    counts = f"{config.channels} numbers, one a channel, or 1 for all"
    for field in ("mean", "std"):
        require(len(getattr(config, field)) in (1, config.channels), config, field, counts)
    require(min(config.std) > 0, config, "std", "above 0")


class Block(NamedTuple):
    """A part of a label map."""

    top: int
    left: int
    labels: Tensor  # (h, w) uint8
    confidence: Tensor  # (h, w) float16
    probabilities: Tensor | None  # (K, h, w) float16


def dense_logits(
    network: nn.Module, images: Tensor, *, stride: int, tile: int = 0, overlap: int = 0, margin: int = 0
) -> Tensor:
    """Logits for every pixel of pictures of any size.

    Args:
        network: (B, C, h, w) -> (B, K, h - 2 margin, w - 2 margin) logits, or a tuple with a field `logits`.
        images: (B, C, H, W) in [0, 1].
        stride: the pictures are continued by their mirror image to a multiple of it.
        tile: side of overlapping tiles, 0: the whole at once.
        overlap: pixels that neighbouring tiles share; where the receptive field reaches no further than a
            third of it, the answer is that of the whole.
        margin: pixels that the network's answer is smaller by, on each side.

    Returns:
        (B, K, H, W) float32.

    Raises:
        OcellusError: tiles of a size that makes no sense. Exit code 2.
    """
    size = (images.shape[2], images.shape[3])
    window = mirrored(lambda top, bottom, left, right: images[:, :, top:bottom, left:right], size)
    tiling = Tiling(stride=stride, tile=tile, overlap=overlap, margin=margin)
    whole: Tensor | None = None
    for top, left, part in blocks(lambda x: logits_of(network, x), window, size, tiling=tiling):
        if tuple(part.shape[2:]) == size:
            return part
        if whole is None:
            whole = part.new_empty(*part.shape[:2], *size)
        whole[:, :, top : top + part.shape[2], left : left + part.shape[3]] = part
    assert whole is not None
    return whole


def segment(
    network: nn.Module,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    colors: tuple[tuple[int, int, int], ...] = (),
    stride: int,
    any_size: bool = False,
    short_side: int = 0,
    tile: int = 0,
    overlap: int = 0,
    margin: int = 0,
    probabilities: bool = False,
) -> Segmentation:
    """The class of every pixel of a picture, whatever mode the network is in.

    Args:
        network: see `dense_logits`; on any device.
        picture: of any size.
        names: class names, to be kept with the result.
        colors: class colors, to be kept with the result.
        stride: pixels from one cell of the network's coarsest features to the next. Tiles lie on multiples of
            it, and pictures are continued by their mirror image to a multiple of it.
        any_size: the network takes a whole picture as large as it is; only tiles are cut by the stride.
        short_side: pixels of the shorter side that the network looks at; 0: as large as the picture is. The
            logits are enlarged, not the labels.
        tile: see `dense_logits`; above 60 megapixels, 0 means tiles of 1024 pixels on multiples of 64.
        overlap: see `dense_logits`.
        margin: see `dense_logits`.
        probabilities: keep those of all classes: 2 bytes a class and pixel.

    Raises:
        OcellusError: a picture of other channels than the network takes, or tiles that make no sense.
    """
    config = getattr(network, "config", None)
    channels = int(getattr(config, "channels", 3))
    check_channels(picture, channels)
    height, width = picture.size
    tiling = Tiling(stride=stride, tile=tile, overlap=overlap, margin=margin)
    if height * width > LARGE and not short_side:
        tiling = tiles_for_large(tiling)
    if any_size and not tiling.tile:
        tiling = replace(tiling, stride=1)
    labels = torch.empty(height, width, dtype=torch.uint8)
    confidence = torch.empty(height, width, dtype=torch.float16)
    kept: Tensor | None = None
    window = window_of(picture, channels, device=device_of(network))
    parts = label_blocks(
        network, window, picture.size, tiling=tiling, short_side=short_side, probabilities=probabilities
    )
    for part in parts:
        rows = slice(part.top, part.top + part.labels.shape[0])
        columns = slice(part.left, part.left + part.labels.shape[1])
        labels[rows, columns] = part.labels
        confidence[rows, columns] = part.confidence
        if part.probabilities is not None:
            if kept is None:
                kept = torch.empty(len(part.probabilities), height, width, dtype=torch.float16)
            kept[:, rows, columns] = part.probabilities
    return Segmentation(labels=labels, confidence=confidence, probabilities=kept, names=names, colors=colors)


@torch.no_grad()  # as a decorator: gradients are off while it works, not while its caller does
def label_blocks(
    network: nn.Module,
    window: Window,
    size: tuple[int, int],
    *,
    tiling: Tiling,
    short_side: int = 0,
    probabilities: bool = False,
) -> Iterator[Block]:
    """The class of every pixel, part by part, on the CPU: of pictures that need not fit into memory.

    Args:
        network: see `dense_logits`.
        window: reads a part of the picture that lies within it; (1, C, h, w) in [0, 1], on the network's
            device.
        size: (H, W) of the picture.
        tiling: how it is cut.
        short_side: see `segment`.
        probabilities: give those of all classes.

    Raises:
        OcellusError: tiles of a size that makes no sense. Exit code 2.
    """
    training = network.training
    network.eval()
    try:
        seen = resized_size(size, short_side)
        if seen != size:
            images = shrunk(window, size, seen)
            logits = dense_logits(
                network, images, stride=tiling.stride, tile=tiling.tile, overlap=tiling.overlap,
                margin=tiling.margin,
            )[0]  # fmt: skip
            rows = max(1, STRIP // (logits.shape[0] * size[1]))
            for top in range(0, size[0], rows):
                strip = resized_rows(logits, size, rows=(top, min(top + rows, size[0])))
                yield from settled(top, 0, strip, probabilities=probabilities)
        else:
            whole = mirrored(window, size)
            parts = blocks(lambda x: logits_of(network, x), whole, size, tiling=tiling)
            for top, left, part in parts:
                yield from settled(top, left, part[0], probabilities=probabilities)
    finally:
        network.train(training)


def tiles_for_large(tiling: Tiling) -> Tiling:
    """The tiles of a picture that no network sees at once: its own where it has some.

    Where the answer is smaller than the input by a margin, tiles fit together without an overlap.
    """
    if tiling.tile:
        return tiling
    stride = lcm(GRID, tiling.stride)
    overlap = 0 if tiling.margin else max(OVERLAP, tiling.overlap)
    return replace(tiling, stride=stride, tile=max(TILE, overlap + stride), overlap=overlap)


def settled(top: int, left: int, logits: Tensor, *, probabilities: bool) -> Iterator[Block]:
    """Labels of (K, h, w) logits, strip by strip, so that no second copy of all of them is made."""
    rows = max(1, STRIP // (logits.shape[0] * logits.shape[2]))
    for first in range(0, logits.shape[1], rows):
        strip = logits[:, first : first + rows]
        best, labels = strip.max(dim=0)
        if probabilities:
            shares = strip.softmax(dim=0)
            sure, kept = shares.amax(dim=0), shares.half().cpu()
        else:
            sure, kept = 1 / (strip - best).exp_().sum(dim=0), None
        yield Block(top + first, left, labels.to(torch.uint8).cpu(), sure.half().cpu(), kept)


def check_channels(picture: Picture, channels: int) -> None:
    """See that a network can look at a picture.

    Raises:
        OcellusError: it has another number of channels.
    """
    given = 3 if picture.channels is None else picture.channels.shape[0]
    if given == channels or (picture.channels is None and channels == 1):
        return
    raise OcellusError(
        f"{picture.path or 'the picture'} has {given} channels, and the network takes {channels}: the Config "
        f"field channels (--channels {given}) is given when it is trained"
    )


def window_of(picture: Picture, channels: int, *, device: torch.device | str = "cpu") -> Window:
    """Parts of a picture as (1, C, h, w) float32 in [0, 1]; a picture in colors is grey for one channel."""

    def read(top: int, bottom: int, left: int, right: int) -> Tensor:
        if picture.channels is not None:
            return picture.channels[None, :, top:bottom, left:right].to(device)
        part = picture.pixels[None, :, top:bottom, left:right].to(device).float() / 255
        if channels == 1:
            part = (part * part.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)
        return part

    return read


def resized_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """(H, W) with the shorter side of so many pixels; 0: the same size."""
    if not short_side or min(size) == short_side:
        return size
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrunk(window: Window, size: tuple[int, int], seen: tuple[int, int]) -> Tensor:
    """(1, C, h, w): a picture at the size that the network looks at, smoothed where it is made smaller.

    Of large pictures bands are read one after the other; their borders are rounded to whole pixels.
    """
    scale = size[0] / seen[0]
    rows = seen[0] if size[0] * size[1] <= 1 << 24 else max(1, (1 << 23) // (size[1] * max(1, round(scale))))
    bands = []
    for first in range(0, seen[0], rows):
        last = min(first + rows, seen[0])
        reach = 2 if scale > 1 else 1  # output pixels that the filter looks at beyond its own
        low, high = max(0, first - reach), min(seen[0], last + reach)
        top, bottom = round(low * scale), min(size[0], max(round(high * scale), round(low * scale) + 1))
        part = window(top, bottom, 0, size[1])
        small = F.interpolate(
            part, size=(high - low, seen[1]), mode="bilinear", align_corners=False, antialias=scale > 1
        )
        bands.append(small[:, :, first - low : last - low])
    return torch.cat(bands, dim=2)


def resized_rows(logits: Tensor, size: tuple[int, int], *, rows: tuple[int, int]) -> Tensor:
    """(K, bottom - top, W): rows of (K, h, w) logits resized to (H, W), bilinear between pixel centres."""
    top, bottom = rows
    part = _lerp(logits, torch.arange(top, bottom), size[0], dim=1)
    return _lerp(part, torch.arange(size[1]), size[1], dim=2)


def _lerp(values: Tensor, places: Tensor, length: int, *, dim: int) -> Tensor:
    """Values at places of an axis that is resized to a length."""
    have = values.shape[dim]
    at = ((places + 0.5) * (have / length) - 0.5).clamp(0, have - 1).to(values.device)
    low = at.long()
    high = (low + 1).clamp(max=have - 1)
    share = (at - low).to(values.dtype)
    share = share[:, None] if dim == 1 else share
    return torch.lerp(values.index_select(dim, low), values.index_select(dim, high), share)


def device_of(network: nn.Module) -> torch.device:
    """Where a network is; the CPU where it has nothing to be anywhere."""
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return torch.device("cpu")


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """(B, K, h, w) logits of (B, C, h, w) pictures: what the network returns, or its field `logits`."""
    raw: Any = network(images)
    logits: Tensor = getattr(raw, "logits", raw)
    return logits
