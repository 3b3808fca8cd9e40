"""A picture -> the same in colours: found at the network's size, laid over the picture's own brightness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.imagine.colorize.config import RUN, Run
from ocellus.imagine.colorize.model import Colorizer
from ocellus.nn.dense import resized_size
from ocellus.nn.lab import lab_to_rgb, rgb_to_lab
from ocellus.values import Picture


def generate(
    network: Colorizer, picture: Picture, *, names: tuple[str, ...] = (), options: Run = RUN
) -> Picture:
    """The picture with the colours that the network expects; those that it has are not looked at.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: grey or in colours, of any size.
        names: not used; all systems are called alike.
        options: of this use.

    Raises:
        OcellusError: a temperature that is none, or that these weights have no use for. Exit code 2.
    """
    if not 0 <= options.annealing <= 1:
        raise OcellusError(
            f"--annealing {options.annealing:g} makes no sense: above 0 to 1, or 0 for the weights' own",
            exit_code=2,
        )
    if options.annealing and network.config.head != "bins":
        raise OcellusError(
            "--annealing is for a distribution over colours, and these weights have none: leave it out",
            exit_code=2,
        )
    light = rgb_to_lab(picture.pixels[None].to(network.bins.device).float() / 255)[:, :1]
    ab = colours(network, light, temperature=options.annealing)
    made = lab_to_rgb(torch.cat([light, ab], 1))[0]
    return Picture(pixels=(made * 255).round().to(torch.uint8).cpu(), path=picture.path)


def colours(network: Colorizer, light: Tensor, *, temperature: float = 0.0) -> Tensor:
    """(B, 2, H, W) a and b of (B, 1, H, W) brightness L.

    Args:
        network: whatever its mode, it answers as in eval mode.
        light: (B, 1, H, W), 0 to 100.
        temperature: of the annealed mean; 0: as the settings say.
    """
    size = (light.shape[2], light.shape[3])
    seen = resized_size(size, network.config.short_side)
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            small = light if seen == size else F.interpolate(light, seen, mode="bilinear", antialias=True)
            ab = network.colours(network.answer(small), size=seen, temperature=temperature)
            if seen != size:
                ab = F.interpolate(ab, size, mode="bilinear", align_corners=False)
            return ab
    finally:
        network.train(training)
