"""Class -> pictures."""

from __future__ import annotations

from difflib import get_close_matches
from math import inf

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.imagine.conditional_gan.config import Config, Run
from ocellus.imagine.conditional_gan.model import Convolutional, Dense, Raw
from ocellus.values import Picture

EVERY = "all"
AT_ONCE = 256
"""Pictures that are made together."""

MOST_SEED = 2**63
"""Seeds are below it."""


def generate(
    network: Convolutional | Dense, label: str, *, names: tuple[str, ...] = (), options: Run | None = None
) -> tuple[Picture, ...]:
    """Pictures of a class.

    Args:
        network: in eval mode.
        label: a class name. Of a network without classes "all", or any of the names: it knows no difference.
        names: the class names.
        options: how many, which noise, or an interpolation: that begins with the first picture of the same
            seed, and ends with the second, or with the first of the other class.

    Returns:
        `options.count` pictures; those of an interpolation in their order.

    Raises:
        OcellusError: no such class (the nearest names are told), or options that make no sense. Exit code 2.
    """
    options = options or Run()
    config = network.config
    _check_options(options, config)
    start = _class_of(label, names, config)
    noise, shares = _inputs(config, start, names, options)
    pictures = draw(network, noise, shares)
    return decode(Raw(pictures))


def draw(network: nn.Module, noise: Tensor, classes: Tensor) -> Tensor:
    """Pictures (B, C, side, side) float32 in [0, 1] on the CPU, of any number.

    Args:
        network: in eval mode.
        noise: (B, noise).
        classes: (B,) int64, or (B, K) shares.
    """
    place = next(network.parameters()).device
    parts = zip(torch.split(noise, AT_ONCE), torch.split(classes, AT_ONCE), strict=True)
    with torch.no_grad():
        made = [network(some.to(place), of.to(place)).pictures.float().cpu() for some, of in parts]
    return torch.cat(made)


def decode(raw: Raw) -> tuple[Picture, ...]:
    """Each picture as a Picture; one of other channels than three keeps them."""
    found = []
    for one in raw.pictures.float().cpu().clamp(0, 1):
        shown = one if len(one) == 3 else one[:1].expand(3, -1, -1)
        pixels = (shown * 255).round().to(torch.uint8).contiguous()
        found.append(Picture(pixels=pixels, channels=None if len(one) == 3 else one.contiguous()))
    return tuple(found)


def noise_of(config: Config, count: int, *, seed: int, truncation: float = 0.0) -> Tensor:
    """(count, noise) numbers of N(0, 1), the same for a seed; the first are the same for any count.

    With truncation t each number z becomes the one of the same rank in N(0, 1) cut at ± t, so that pictures
    of one seed stay alike (Brock 2018, arXiv:1809.11096, section 3.1, draws anew instead).

    Args:
        config: of the network.
        count: pictures.
        seed: of the dice.
        truncation: t; 0: none.
    """
    dice = torch.Generator().manual_seed(seed)
    rows = [torch.randn(config.noise, generator=dice) for _ in range(count)]
    noise = torch.stack(rows) if rows else torch.zeros(0, config.noise)
    if not truncation:
        return noise
    low = torch.special.ndtr(torch.tensor(-truncation, dtype=torch.float64))
    squeezed: Tensor = torch.special.ndtri(low + torch.special.ndtr(noise.double()) * (1 - 2 * low))
    return squeezed.clamp(-truncation, truncation).float()


def between(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """(steps, D) from one noise to another on the arc between them, as long on the way as noise is.

    Args:
        first: (D,).
        last: (D,).
        steps: both ends among them.
    """
    cosine = torch.dot(first, last) / (first.norm() * last.norm()).clamp_min(1e-12)
    angle = cosine.clamp(-1, 1).acos()
    shares = torch.linspace(0, 1, steps)[:, None]
    if angle.sin().abs() < 1e-4:
        return torch.lerp(first[None], last[None], shares)
    way: Tensor = (((1 - shares) * angle).sin() * first + (shares * angle).sin() * last) / angle.sin()
    way[0], way[-1] = first, last  # to the bit
    return way


def settle(network: nn.Module, config: Config, *, batches: int = 16, seed: int = 0) -> None:
    """Give batch norms the statistics that the weights, as they now are, lead to.

    Those that training leaves behind are of weights that went on changing, and of an average of weights they
    are not at all (Brock 2018, arXiv:1809.11096, section 4.2, "standing statistics").

    Args:
        network: whose running statistics are replaced; weights stay as they are.
        config: of it.
        batches: of pictures, all classes alike, that they are the mean of.
        seed: of the noise.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        return
    before, momenta = network.training, [norm.momentum for norm in norms]
    place = next(network.parameters()).device
    noise = noise_of(config, batches * AT_ONCE // 4, seed=seed).to(place)
    classes = (torch.arange(len(noise)) % config.classes).to(place)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    network.train()
    with torch.no_grad():
        for some, of in zip(noise.chunk(batches), classes.chunk(batches), strict=True):
            network(some, of)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(before)


def _check_options(options: Run, config: Config) -> None:
    squeezed = options.truncation == 0 or 0 < options.truncation < inf
    if options.count < 1 or not squeezed or not 0 <= options.seed < MOST_SEED:
        raise OcellusError(
            f"--count {options.count} --truncation {options.truncation} --seed {options.seed} make no sense: "
            f"at least 1, 0 and 0, and a seed below {MOST_SEED}",
            exit_code=2,
        )
    if options.interpolate not in ("", "latent", "class"):
        raise OcellusError(f"--interpolate is {options.interpolate!r}; it takes latent or class", exit_code=2)
    if options.interpolate and options.count < 2:
        raise OcellusError("an interpolation has at least 2 pictures: give --count 2 or more", exit_code=2)
    if options.interpolate == "latent" and not config.noise:
        raise OcellusError("this network has no noise to go through: --interpolate class does", exit_code=2)
    if options.interpolate == "class" and (config.condition == "none" or config.classes < 2):
        raise OcellusError(
            "this network has no two classes to go between: --interpolate latent does", exit_code=2
        )
    if options.toward and options.interpolate != "class":
        raise OcellusError("--toward is for --interpolate class", exit_code=2)


def _class_of(label: str, names: tuple[str, ...], config: Config) -> int:
    """The class of a name.

    Raises:
        OcellusError: there is none of that name. Exit code 2.
    """
    known = names or tuple(str(index) for index in range(config.classes))
    if label in known:
        return known.index(label)
    if config.condition == "none" and label == EVERY:
        return 0
    near = get_close_matches(label, known, n=3) or list(known[:10])
    raise OcellusError(f"there is no class {label!r}; there is {', '.join(near)}", exit_code=2)


def _inputs(config: Config, start: int, names: tuple[str, ...], options: Run) -> tuple[Tensor, Tensor]:
    """(count, noise) noise and (count, K) shares of the classes."""
    chosen = torch.zeros(options.count, config.classes)
    chosen[:, start] = 1
    if options.interpolate == "latent":
        ends = noise_of(config, 2, seed=options.seed, truncation=options.truncation)
        return between(ends[0], ends[1], options.count), chosen
    if options.interpolate == "class":
        end = _class_of(options.toward, names, config) if options.toward else (start + 1) % config.classes
        shares = torch.linspace(0, 1, options.count)
        chosen = torch.zeros(options.count, config.classes)
        chosen[:, start] += 1 - shares
        chosen[:, end] += shares
        one = noise_of(config, 1, seed=options.seed, truncation=options.truncation)
        return one.expand(options.count, -1), chosen
    return noise_of(config, options.count, seed=options.seed, truncation=options.truncation), chosen
