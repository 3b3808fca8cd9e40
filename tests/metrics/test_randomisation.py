"""The sanity check: explanations that tell of the weights pass, edge detectors are flagged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.metrics.randomisation import alike, randomisation, throw_weights, weighted_layers


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    with torch.no_grad():
        made[1].weight.copy_(torch.linspace(0.1, 2, 8))
    return made.eval()


IMAGE = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(3))


def saliency(net: nn.Module) -> Tensor:
    image = IMAGE.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(image)[0, 1], image)
    return gradient[0].sum(dim=0)


def edges(net: nn.Module) -> Tensor:
    """What looks like an explanation and asks nothing of the network."""
    return (IMAGE[0, :, :, 1:] - IMAGE[0, :, :, :-1]).abs().amax(dim=0)


def test_gradients_change_and_edges_do_not() -> None:
    told, flagged = (randomisation(network(), way) for way in (saliency, edges))
    assert [stage.layers for stage in told.stages] == [("7",), ("3",), ("0",)]
    assert [stage.share for stage in told.stages] == pytest.approx([1 / 3, 2 / 3, 1])
    assert not told.unchanged and told.likeness < 0.45
    assert flagged.unchanged and flagged.likeness == pytest.approx(1)
    assert all(stage.likeness.structure == pytest.approx(1) for stage in flagged.stages)


def test_last_layer_alone_is_seen_and_cascade_differs_from_independent() -> None:
    def first_filters(net: nn.Module) -> Tensor:
        return net[0].weight.detach().flatten(1)

    cascade = randomisation(network(), first_filters)
    assert [round(stage.likeness.rank, 3) for stage in cascade.stages][:2] == [1, 1]
    assert cascade.stages[2].likeness.rank < 0.4
    assert cascade.unchanged  # it knows only the first layer: until that one goes, nothing changes

    def middle(net: nn.Module) -> Tensor:
        return net[3].weight.detach().flatten(1)

    alone = randomisation(network(), middle, mode="independent")
    assert alone.stages[0].likeness.rank == alone.stages[2].likeness.rank == pytest.approx(1)
    assert alone.stages[1].likeness.rank < 0.4
    assert randomisation(network(), middle).stages[2].likeness.rank < 0.4


def test_network_is_left_alone_and_a_seed_gives_the_same() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first, second = (randomisation(net, saliency, seed=5) for _ in range(2))
    assert first == second and first != randomisation(net, saliency, seed=6)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_thrown_weights_keep_their_size_and_norms_their_values() -> None:
    net, old = network(), network()
    assert weighted_layers(net) == ["0", "3", "7"]
    throw_weights(net, ["1", "3"])
    assert torch.equal(net[0].weight, old[0].weight)
    assert not torch.equal(net[3].weight, old[3].weight)
    assert torch.allclose(net[3].weight.std(), old[3].weight.std(), rtol=0.15)
    assert torch.equal(net[1].weight.sort().values, old[1].weight.sort().values)


def test_many_layers_are_thrown_in_few_stages() -> None:
    deep = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(7)))
    found = randomisation(deep, lambda net: net(IMAGE)[0, 0].detach(), most=3)
    assert [len(stage.layers) for stage in found.stages] == [2, 2, 3]
    assert found.stages[0].layers == ("5", "6") and found.stages[-1].share == 1


def test_likeness_of_maps() -> None:
    ramp = torch.linspace(0.1, 1, 100).reshape(10, 10)
    assert alike(ramp, ramp**3).rank == pytest.approx(1)
    signs = alike(ramp, -ramp)
    assert signs.rank == pytest.approx(-1) and signs.rank_of_magnitudes == pytest.approx(1)
    nothing = torch.zeros(10, 10)
    assert (
        alike(nothing, nothing).rank == 1 and alike(ramp, nothing).rank == alike(ramp, nothing).structure == 0
    )
    broken = alike(ramp, ramp * float("nan"))
    assert broken.rank == broken.structure == 0


def test_answers_that_are_cut_off_are_thrown_again_and_never_count() -> None:
    maps = iter(
        [IMAGE[0, 0], torch.zeros(24, 24), torch.zeros(24, 24), IMAGE[0, 1], *[torch.ones(24, 24)] * 10]
    )
    found = randomisation(network(), lambda net: next(maps))
    assert [stage.empty for stage in found.stages] == [False, True, True]
    assert found.likeness == pytest.approx(
        max(found.stages[0].likeness.rank, found.stages[0].likeness.structure)
    )
    nothing = randomisation(network(), lambda net: torch.zeros(24, 24))
    assert nothing.likeness != nothing.likeness and not nothing.unchanged


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(OcellusError, match="cascading or independent"):
        randomisation(network(), saliency, mode="both")
    with pytest.raises(OcellusError, match="0 layers with weights"):
        randomisation(nn.ReLU(), lambda net: torch.zeros(3, 3))
