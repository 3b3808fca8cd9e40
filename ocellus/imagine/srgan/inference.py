"""A picture -> a larger one: any size, in tiles without seams, as the mean over turned views."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.imagine.srgan.config import RUN, Run
from ocellus.imagine.srgan.model import VIEWS, SRResNet
from ocellus.nn.dense import check_channels, window_of
from ocellus.nn.tiles import Tiling, blocks, mirrored
from ocellus.values import Picture


def generate(
    network: SRResNet, picture: Picture, *, names: tuple[str, ...] = (), options: Run = RUN
) -> Picture:
    """The picture, `factor` times larger.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        names: not used; all systems are called alike.
        options: of this use.

    Raises:
        OcellusError: a picture of other channels than the network takes, or views that there are not.
    """
    config = network.config
    views = options.ensemble or config.views
    if views not in VIEWS:
        raise OcellusError(f"--ensemble {views} makes no sense: it takes 1, 2, 4 or 8 views", exit_code=2)
    check_channels(picture, config.channels)
    height, width = picture.size
    device = network.first.weight.device
    read = window_of(picture, config.channels, device=device)
    large = enlarge(network, read(0, height, 0, width), views=views)[0]
    if picture.channels is None and config.channels in (1, 3):
        pixels = (large * 255).round_().to(torch.uint8).cpu()
        return Picture(pixels=pixels.expand(3, -1, -1).contiguous(), path=picture.path)
    channels = large.cpu()
    shown = channels[:3] if len(channels) >= 3 else channels[:1].expand(3, -1, -1)
    return Picture(
        pixels=(shown * 255).round().to(torch.uint8).contiguous(), path=picture.path, channels=channels
    )


def enlarge(network: SRResNet, images: Tensor, *, views: int = 1) -> Tensor:
    """(B, C, factor H, factor W) in [0, 1], float32, of (B, C, H, W) pictures in [0, 1] of any size.

    Args:
        network: whatever its mode, it answers as in eval mode.
        images: (B, C, H, W) on the network's device.
        views: the mean of the answers for so many turned and mirrored views, turned back (Lim 2017,
            arXiv:1707.02921, section 3.4).
    """
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            total: Tensor | None = None
            for view in range(views):
                answer = seen_back(_tiled(network, seen(images, view)), view)
                total = answer if total is None else total + answer
            assert total is not None
            return (total / views).clamp_(0, 1)
    finally:
        network.train(training)


def seen(images: Tensor, view: int) -> Tensor:
    """(B, C, H, W) pictures as view 0 to 7 shows them: mirrored where odd, then turned by quarters."""
    images = images.flip(-1) if view % 2 else images
    return images.rot90(QUARTERS[view // 2], (-2, -1)).contiguous()


def seen_back(images: Tensor, view: int) -> Tensor:
    """(B, C, H, W) pictures from a view as they were before."""
    images = images.rot90(-QUARTERS[view // 2], (-2, -1))
    return images.flip(-1) if view % 2 else images


QUARTERS = (0, 2, 1, 3)
"""So that 2 views are a picture and its mirror image, 4 those and upside down."""


def _tiled(network: SRResNet, images: Tensor) -> Tensor:
    """(B, C, factor H, factor W): tiles are blended at the small size, where a pixel holds factor²."""
    config, size = network.config, (images.shape[2], images.shape[3])
    factor = config.factor

    def answer(part: Tensor) -> Tensor:
        return F.pixel_unshuffle(network(part).pictures.float(), factor)  # (B, C factor², h, w)

    tiling = Tiling(stride=1, tile=config.tile, overlap=config.overlap)
    window = mirrored(lambda top, bottom, left, right: images[:, :, top:bottom, left:right], size)
    whole: Tensor | None = None
    for top, left, part in blocks(answer, window, size, tiling=tiling):
        part = F.pixel_shuffle(part, factor)
        if whole is None:
            whole = part.new_empty(*part.shape[:2], factor * size[0], factor * size[1])
        rows = slice(factor * top, factor * top + part.shape[2])
        whole[:, :, rows, factor * left : factor * left + part.shape[3]] = part
    assert whole is not None
    return whole
