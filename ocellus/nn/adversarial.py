"""What two networks that play against each other minimize. All take logits: neither ends in a sigmoid.

With r and f the discriminator's logits of real and generated pictures, σ the sigmoid and ζ(x) = log(1 + eˣ):

    kind            discriminator                     generator        source
    minmax          -log σ(r) - log(1 - σ(f))         log(1 - σ(f))    Goodfellow 2014, arXiv:1406.2661, eq. 1
                    = ζ(-r) + ζ(f)                    = -ζ(f)
    nonsaturating   the same                          -log σ(f)        the same, section 3
                                                      = ζ(-f)
    hinge           max(0, 1 - r) + max(0, 1 + f)     -f               Miyato 2018, arXiv:1802.05957, 16, 17
    lsgan           (r - 1)² + f²                     (f - 1)²         Mao 2016, arXiv:1611.04076, eq. 9, each
                                                                       without its factor ½
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

KINDS = ("minmax", "nonsaturating", "hinge", "lsgan")

MIDDLE = {"minmax": 0.0, "nonsaturating": 0.0, "hinge": 0.0, "lsgan": 0.5}
"""The logit at which a discriminator does not know: halfway between what it is to say of real and fake."""

Logits = Tensor | Sequence[Tensor]
"""(B, ...) logits, or those of several scales."""


def discriminator_loss(real: Logits, fake: Logits, *, kind: str) -> Tensor:
    """What the discriminator minimizes: the mean over all logits of the real part plus that of the fake.

    Args:
        real: (B, ...) logits of real pictures, or of several scales: their mean.
        fake: (B, ...) logits of generated ones.
        kind: minmax, nonsaturating, hinge or lsgan.

    Returns:
        () float32.
    """
    parts = zip(_scales(real), _scales(fake), strict=True)
    return torch.stack([_judged(r.float(), f.float(), kind=kind) for r, f in parts]).mean()


def generator_loss(fake: Logits, *, kind: str) -> Tensor:
    """What the generator minimizes.

    Args:
        fake: (B, ...) logits of generated pictures, or of several scales: their mean.
        kind: minmax, nonsaturating, hinge or lsgan.

    Returns:
        () float32.
    """
    return torch.stack([_fooled(f.float(), kind=kind) for f in _scales(fake)]).mean()


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """The mean squared length of the discriminator's gradient at real pictures.

    R1 is γ / 2 of it (Mescheder 2018, arXiv:1801.04406, equation 9).

    Args:
        logits: (B, ...) of the pictures; a picture's are summed.
        images: (B, C, H, W), which needed a gradient when the logits were computed.

    Returns:
        () with a graph, to be differentiated.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(dim=1).mean()


def accuracy(real: Logits, fake: Logits, *, kind: str) -> tuple[Tensor, Tensor]:
    """The shares of real and of fake that the discriminator gets right; 0.5 and 0.5 is a guess.

    Args:
        real: (B, ...) logits of real pictures, or of several scales.
        fake: (B, ...) logits of generated ones.
        kind: minmax, nonsaturating, hinge or lsgan.

    Returns:
        Two () float32, without gradient.
    """
    middle = MIDDLE[kind]
    right_real = [(r.detach() > middle).float().mean() for r in _scales(real)]
    right_fake = [(f.detach() < middle).float().mean() for f in _scales(fake)]
    return torch.stack(right_real).mean(), torch.stack(right_fake).mean()


def _judged(real: Tensor, fake: Tensor, *, kind: str) -> Tensor:
    if kind in ("minmax", "nonsaturating"):
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "lsgan":
        return (real - 1).square().mean() + fake.square().mean()
    raise ValueError(f"there is no adversarial loss {kind!r}; there is {', '.join(KINDS)}")


def _fooled(fake: Tensor, *, kind: str) -> Tensor:
    if kind == "minmax":
        return -F.softplus(fake).mean()
    if kind == "nonsaturating":
        return F.softplus(-fake).mean()
    if kind == "hinge":
        return -fake.mean()
    if kind == "lsgan":
        return (fake - 1).square().mean()
    raise ValueError(f"there is no adversarial loss {kind!r}; there is {', '.join(KINDS)}")


def _scales(logits: Logits) -> Sequence[Tensor]:
    return (logits,) if isinstance(logits, Tensor) else logits
