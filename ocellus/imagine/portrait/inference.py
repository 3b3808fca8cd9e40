"""From pictures to people, to soft edges, to pictures with another background."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.portrait.model import STRIDE, Portrait
from ocellus.nn import matting
from ocellus.nn.bokeh import blurred_background, depth_blurred_background, guessed_depth
from ocellus.nn.dense import check_channels, dense_logits, resized_size, segment
from ocellus.values import Picture, Segmentation

Color = tuple[int, int, int]

MODES = ("cutout", "blur", "replace")
SIGMA = 0.0125
"""The blur's sigma at strength 1, as a share of the picture's longer side: 16 pixels of 1280."""
MARGIN = 0.004
"""Of the longer side: so far around the subject the background has no say in the blur."""
LONGEST, LONGEST_FAST = 480, 320
"""Pixels of the longer side at which edges are found; the second for parts of a picture's size, in videos."""
SPILL = {"cutout": 1.0, "blur": 0.0, "replace": 1.0}
"""How much of the old background's color is taken out of the subject's edge, unless told otherwise."""
RADII = (0.09, 0.03, 0.006)
"""Of the passes that tell colors apart, as shares of the longer side."""


def predict(
    network: Portrait,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
    colors: tuple[Color, ...] = (),
    probabilities: bool = False,
) -> Segmentation:
    """Which pixels are of a person.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        names: class names, to be kept with the result.
        edges: not used; all systems are called alike.
        colors: class colors, to be kept with the result.
        probabilities: keep those of all classes.

    Returns:
        Labels at the picture's size; `refine` gives `alpha("person")` soft edges.
    """
    config = network.config
    return segment(
        network, picture, names=names, colors=colors, stride=STRIDE, short_side=config.short_side,
        tile=config.tile, overlap=config.overlap, probabilities=probabilities,
    )  # fmt: skip


def soft_mask(network: Portrait, picture: Picture, *, label: int = 1) -> Tensor:
    """How surely each place is of a class, at the size the network looks at: quick, for `refine`.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size, in colors.
        label: of the subject.

    Returns:
        (h, w) float32 in [0, 1], on the network's device.
    """
    config = network.config
    check_channels(picture, config.channels)
    size = resized_size(picture.size, config.short_side)
    device = network.mean.device
    if picture.channels is None:
        images = matting.resized(picture.pixels[None].to(device), size).float() / 255
    else:
        images = matting.resized(picture.channels[None].to(device), size)
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            logits = dense_logits(network, images, stride=STRIDE, tile=config.tile, overlap=config.overlap)
    finally:
        network.train(training)
    return logits.float().softmax(1)[0, label]


def refine(picture: Picture, mask: Tensor, *, scale: float = 1.0) -> Tensor:
    """Alpha with the picture's own edges from a coarser mask.

    Args:
        picture: what the mask is of.
        mask: (h, w) in [0, 1], of any size.
        scale: size of the result as a share of the picture's.

    Returns:
        (H, W) float32 in [0, 1].
    """
    height, width = picture.size
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    images = _floats(picture, size, device=mask.device)
    longest, radius = (LONGEST, 5) if scale == 1 else (LONGEST_FAST, 3)
    return matting.refined(images, mask[None, None].float(), radius=radius, longest=longest)[0, 0]


def generate(
    network: Portrait,
    picture: Picture,
    *,
    mode: str = "cutout",
    background: Picture | Color | None = None,
    strength: float = 1.0,
    spill: float | None = None,
    depth: bool = False,
    label: int = 1,
) -> Picture:
    """A picture's person cut out, before a blurred background or before another; see `compose`.

    Raises:
        OcellusError: see `compose`. Exit code 2.
    """
    alpha = refine(picture, soft_mask(network, picture, label=label))
    return compose(
        picture, alpha, mode=mode, background=background, strength=strength, spill=spill, depth=depth
    )


def compose(
    picture: Picture,
    alpha: Tensor,
    *,
    mode: str = "cutout",
    background: Picture | Color | None = None,
    strength: float = 1.0,
    spill: float | None = None,
    depth: bool = False,
    scale: float = 1.0,
) -> Picture:
    """A picture made of a subject and a background.

    Args:
        picture: what the subject is in.
        alpha: (h, w) in [0, 1], how much of each pixel the subject covers; of any size.
        mode: cutout (transparent around the subject), blur (the background out of focus) or replace.
        background: for replace: a picture, which is made to fill the frame, or a color.
        strength: of the blur; 1 is that of a portrait lens, 0 none.
        spill: how much of the old background's color is taken out of the edge, 0 to 1; None: all of it where
            the background goes, nothing where it is blurred.
        depth: the blur grows away from the subject and upwards.
        scale: resolution at which blur and colors are computed, as a share of the picture's; below 1 for
            videos.

    Returns:
        A picture of the same size. A cut-out has `channels`, (4, H, W) red, green, blue and alpha, and is
        shown over white.

    Raises:
        OcellusError: no such mode, or an option that makes no sense. Exit code 2.
    """
    _check(mode, background=background, strength=strength, spill=spill, scale=scale)
    size = picture.size
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    images = _floats(picture, small, device=alpha.device)
    share = matting.resized(alpha[None, None].float(), small)
    spill = SPILL[mode] if spill is None else spill
    pixels = picture.pixels.to(alpha.device)
    if spill:
        pixels = _cleaned(pixels, images, share, spill=spill)
    whole = matting.resized(share, size)
    if mode == "cutout":
        paper = torch.full_like(pixels, 255)
        channels = torch.cat([pixels.float() / 255, whole[0]])
        return Picture(pixels=blend(pixels, paper, whole[0]), path=picture.path, channels=channels)
    if mode == "replace":
        assert background is not None
        behind = filling(background, size).to(alpha.device)
    else:
        behind = matting.resized(_bytes(_blur(images, share, strength=strength, depth=depth)), size)[0]
    return Picture(pixels=blend(pixels, behind, whole[0]), path=picture.path)


def blend(front: Tensor, back: Tensor, alpha: Tensor) -> Tensor:
    """alpha front + (1 - alpha) back, in whole numbers.

    Args:
        front: (3, H, W) uint8.
        back: (3, H, W) uint8.
        alpha: (1, H, W) in [0, 1]; of it 128 steps count, so that products fit into 16 bits.
    """
    steps = (alpha * 128).round_().to(torch.int16)
    mixed = (front.to(torch.int16) - back).mul_(steps).add_(64).bitwise_right_shift_(7)
    return mixed.add_(back).to(torch.uint8)


def filling(background: Picture | Color, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8: a color, or a picture that fills the frame, its middle where it has another shape."""
    height, width = size
    if not isinstance(background, Picture):
        return torch.tensor(background, dtype=torch.uint8)[:, None, None].expand(3, height, width)
    have = background.size
    factor = max(height / have[0], width / have[1])
    rows, columns = (max(side, round(given * factor)) for side, given in zip(size, have, strict=True))
    whole = matting.resized(background.pixels[None], (rows, columns))[0]
    top, left = (rows - height) // 2, (columns - width) // 2
    return whole[:, top : top + height, left : left + width]


def _blur(images: Tensor, alpha: Tensor, *, strength: float, depth: bool) -> Tensor:
    longer = max(images.shape[2:])
    sigma, margin = strength * SIGMA * longer, max(1, round(MARGIN * longer))
    if not strength:
        return images
    if depth:
        far = guessed_depth(alpha)
        return depth_blurred_background(images, alpha, far, sigma=sigma, margin=margin)
    return blurred_background(images, alpha, sigma=sigma, margin=margin)


def _cleaned(pixels: Tensor, images: Tensor, alpha: Tensor, *, spill: float) -> Tensor:
    """(3, H, W) uint8 pixels without the background's color where it shines through the subject's edge.

    What changes is found at the resolution of `images`, for videos at a lower one, and added to the pixels,
    which keep their detail. For videos it is enlarged in steps of two grey levels.
    """
    size = (int(pixels.shape[1]), int(pixels.shape[2]))
    height, width = (int(side) for side in images.shape[2:])
    fast = (height, width) != size
    if fast and max(height, width) > LONGEST_FAST:
        share = LONGEST_FAST / max(height, width)
        small = (max(1, round(height * share)), max(1, round(width * share)))
        images, alpha = matting.resized(images, small), matting.resized(alpha, small)
    radii = tuple(max(1, round(share * max(images.shape[2:]))) for share in RADII)
    front, _ = matting.split_colors(images, alpha, radii=radii)
    change = (front - images) * (255 * spill)  # (1, 3, h, w)
    if not fast:
        return change[0].add_(pixels).round_().clamp_(0, 255).to(torch.uint8)
    steps = (change / 2 + 128).round_().clamp_(0, 255).to(torch.uint8)
    whole = matting.resized(steps, size)[0].to(torch.int16).sub_(128).mul_(2)
    return whole.add_(pixels).clamp_(0, 255).to(torch.uint8)


def _floats(picture: Picture, size: tuple[int, int], *, device: torch.device) -> Tensor:
    """(1, 3, h, w) float32 in [0, 1]: what is shown of a picture, made smaller as bytes, which is faster."""
    return matting.resized(picture.pixels[None].to(device), size).float() / 255


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round_().clamp_(0, 255).to(torch.uint8)


def _check(
    mode: str, *, background: Picture | Color | None, strength: float, spill: float | None, scale: float
) -> None:
    if mode not in MODES:
        raise OcellusError(f"there is no mode {mode!r}; there is {', '.join(MODES)}", exit_code=2)
    if mode == "replace" and background is None:
        raise OcellusError("to replace the background, give one: a picture or a color", exit_code=2)
    if mode != "replace" and background is not None:
        raise OcellusError(f"the mode {mode} takes no background; replace does", exit_code=2)
    if not (isfinite(strength) and 0 <= strength <= 10):
        raise OcellusError(f"strength {strength:g} makes no sense: it takes 0 to 10, 1 is usual", exit_code=2)
    if spill is not None and not 0 <= spill <= 1:
        raise OcellusError(f"spill {spill:g} makes no sense: it takes 0 to 1", exit_code=2)
    if not 0 < scale <= 1:
        raise OcellusError(f"scale {scale:g} makes no sense: it takes above 0 to 1", exit_code=2)
