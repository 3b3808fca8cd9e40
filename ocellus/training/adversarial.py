"""What recipes with two optimizers share: one step of one of them, and parts that are left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from ocellus.nn.adversarial import Logits, accuracy

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

STRATEGY = "ddp_find_unused_parameters_true"
"""For several processes: in each of the two steps the other network's parameters go unused."""


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Meanwhile the modules' parameters take no gradient; what goes through the modules still has its own.

    Graphs that are made inside must be differentiated with respect to other parameters alone.
    """
    held = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def step(recipe: LightningModule, optimizer: Any, loss: Tensor, network: nn.Module) -> Tensor:
    """One optimizer step of one of the networks: old gradients away, backward, step.

    Args:
        recipe: with manual optimization; its run looks at the loss and the gradients on the way: not finite
            numbers end it before any weight is touched, long gradients are cut.
        optimizer: of `recipe.optimizers()`.
        loss: () what the network minimizes.
        network: that the optimizer is of.

    Returns:
        () the length of the gradient, before it is cut.
    """
    optimizer.zero_grad(set_to_none=True)
    recipe.manual_backward(loss)
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    norm = get_total_norm(gradients)
    optimizer.step()
    return norm


def judgement(real: Logits, fake: Logits, *, kind: str, name: str = "") -> dict[str, Tensor]:
    """How often the discriminator is right on each side, under the names of the log.

    Args:
        real: (B, ...) logits of real pictures.
        fake: (B, ...) logits of generated ones.
        kind: of the loss; see `ocellus.nn.adversarial`.
        name: of the discriminator, where there are several.
    """
    right_real, right_fake = accuracy(real, fake, kind=kind)
    suffix = f"/{name}" if name else ""
    return {f"right_on_real{suffix}": right_real, f"right_on_fake{suffix}": right_fake}
