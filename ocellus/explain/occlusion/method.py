"""How much an answer drops when a window over each place is covered; arXiv:1311.2901, section 4.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from ocellus.errors import OcellusError
from ocellus.explain.occlusion.config import Config
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import as_score
from ocellus.nn.subject import Score, Subject, heatmap, subject_of
from ocellus.values import Heatmap, Picture

Window = tuple[slice, slice]


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    layer: str | None = None,
    score: Score | int | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Heatmap:
    """How much the answer drops where the picture is covered.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: not used: only what the network puts out is looked at.
        score: the answer, or a class's index; None: the network's top answer.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Returns:
        The signed map: positive where covering lowers the answer, in the answer's unit; a pixel has the mean
        of all windows that cover it.

    Raises:
        OcellusError: a picture, an answer or a setting that cannot be explained; a picture smaller than the
            window.
    """
    config = Config() if config is None else config
    with untouched(network), torch.no_grad():
        subject = subject_of(network, image, preprocess=preprocess)
        _check(subject, config)
        answer = as_score(score).ask(network, subject)
        drops = torch.zeros(subject.images.shape[2:])
        for fill in config.fills:
            drops += _drops(network, subject, answer.settled, answer.values, fill=fill, config=config)
        drops /= len(config.fills)
        return heatmap(
            drops[None], subject, method="occlusion", target=answer.settled.text, signed=True,
        )  # fmt: skip


def _drops(
    network: nn.Module, subject: Subject, score: Score, whole: Tensor, *, fill: str, config: Config
) -> Tensor:
    """(h, w) mean drop of the windows over each pixel."""
    images = subject.images
    cover = _cover(images, subject.size, fill, config.window)
    total, count = torch.zeros(images.shape[2:]), torch.zeros(images.shape[2:])
    windows = list(_windows(subject.size, config))
    for first in range(0, len(windows), config.batch):
        some = windows[first : first + config.batch]
        covered = images.repeat(len(some), 1, 1, 1)
        for index, (rows, columns) in enumerate(some):
            covered[index, :, rows, columns] = cover[0, :, rows, columns]
        values = score.ask(network, subject._replace(images=covered)).values
        for (rows, columns), drop in zip(some, (whole - values).float().tolist(), strict=True):
            total[rows, columns] += drop
            count[rows, columns] += 1
    return total / count.clamp(min=1)


def _windows(size: tuple[int, int], config: Config) -> Iterator[Window]:
    """All windows, row by row; those over the border are cut off there, so that every pixel is covered."""
    starts = [range(0, side - config.window + config.stride, config.stride) for side in size]
    for top in starts[0]:
        for left in starts[1]:
            yield (
                slice(top, min(top + config.window, size[0])),
                slice(left, min(left + config.window, size[1])),
            )


def _cover(images: Tensor, size: tuple[int, int], fill: str, window: int) -> Tensor:
    """(1, C, h, w) what is put in place of the picture; its padding does not count."""
    if fill == "mean":
        return images[:, :, : size[0], : size[1]].mean(dim=(2, 3), keepdim=True).expand_as(images)
    if fill == "blur":  # a quarter of the window: what is smaller than the window is gone
        blurred: Tensor = gaussian_blur(images, _odd(window, min(images.shape[2:])), sigma=window / 4)
        return blurred
    return torch.full_like(images, _number(fill))


def _odd(window: int, side: int) -> int:
    """The side of a blurring kernel: odd, and not over the picture's border."""
    kernel = min(2 * window, side)
    return kernel if kernel % 2 else kernel - 1


def _number(fill: str) -> float:
    try:
        return float(fill)
    except ValueError:
        raise OcellusError(f"fills holds {fill!r}; each is mean, blur or a number", exit_code=2) from None


def _check(subject: Subject, config: Config) -> None:
    height, width = subject.size
    if len(subject.images) != 1:
        message = f"{len(subject.images)} pictures were given, and one is covered at a time"
        raise OcellusError(f"{message}: call explain for each", exit_code=2)
    if not config.fills or config.batch < 1:
        message = (
            f"fills is {config.fills}, batch {config.batch}; one fill or more, and 1 or more, are needed"
        )
        raise OcellusError(message, exit_code=2)
    if not 1 <= config.stride <= config.window:
        message = (
            f"stride is {config.stride} and window {config.window}: pixels between windows would be left out"
        )
        raise OcellusError(f"{message}; the stride is from 1 to the window's side", exit_code=2)
    if min(height, width) < config.window:
        message = f"the network is given {width} x {height} pixels, less than the window of {config.window}"
        raise OcellusError(f"{message}: take a smaller window (--window {max(min(height, width) // 4, 1)})")
    for fill in config.fills:
        if fill not in ("mean", "blur"):
            _number(fill)
