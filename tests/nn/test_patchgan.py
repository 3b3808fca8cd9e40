"""The patch discriminator: what one logit sees, and the published network's answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from translations import parity

from ocellus.errors import OcellusError
from ocellus.nn.patchgan import PatchGAN

PLACES = {0: "convs.0", 2: "convs.1", 3: "norms.1", 5: "convs.2", 6: "norms.2", 8: "convs.3"}
PLACES |= {9: "norms.3", 11: "head"}


def ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """model.2.weight -> convs.1.weight."""
    parts = [(name.split(".", 2), tensor) for name, tensor in state.items()]
    return {f"{PLACES[int(number)]}.{entry}": tensor for (_, number, entry), tensor in parts}


@pytest.mark.parametrize(
    ("fixture", "channels", "norm"),
    [("pix2pix-patchgan6", 6, "batch"), ("cyclegan-patchgan3", 3, "instance")],
)
def test_answers_as_the_published_network(shared: Path, fixture: str, channels: int, norm: str) -> None:
    golden = parity(shared).load(shared / "parity" / fixture)
    network = PatchGAN(channels, norm=norm).eval()
    network.load_state_dict(ours(golden.state))
    with torch.no_grad():
        logits = network((golden.inputs[0] + 1) / 2)  # ours are given pictures in [0, 1]
    _, error = parity(shared).compare(logits, golden.outputs["out"])
    assert error <= 1e-4


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_receptive_field_by_gradient(layers: int, side: int) -> None:
    network = PatchGAN(1, width=2, layers=layers, norm="none")
    for parameter in network.parameters():  # no path may cancel another
        torch.nn.init.constant_(parameter, 0.01)
    images = torch.rand(1, 1, 256, 256, requires_grad=True)
    logits = network(images)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    rows, columns = (gradient[0, 0] != 0).nonzero(as_tuple=True)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (side, side)
    assert network.sees == side


def test_size_of_the_published_network() -> None:
    network = PatchGAN(6)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_768_705
    assert network(torch.rand(1, 6, 256, 256)).shape == (1, 1, 30, 30)
    assert network.norms[0].__class__.__name__ == "Identity"  # none behind the first convolution


def test_spectral_norm_makes_every_weight_s_largest_singular_value_one() -> None:
    torch.manual_seed(0)
    network = PatchGAN(3, width=8, layers=2, norm="none", spectral=True).train()
    for _ in range(20):  # each pass is one step of the power iteration
        network(torch.rand(1, 3, 32, 32))
    network.eval()
    for conv in (*network.convs, network.head):
        assert float(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2)) == pytest.approx(
            1, abs=0.05
        )


def test_settings_that_cannot_be() -> None:
    for options, words in (({"layers": 0}, "layers is 0"), ({"norm": "group"}, "norm is 'group'")):
        with pytest.raises(OcellusError, match=words):
            PatchGAN(3, **options)
