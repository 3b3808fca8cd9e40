"""What is explained is left as it was, whatever happens, and nothing piles up."""

from __future__ import annotations

import gc
import resource
from types import ModuleType

import pytest
import torch
from torch import nn

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.explain import cam, deconvnet, gradcam, guided_backprop, guided_gradcam, occlusion, saliency
from tests.explain.networks import Breaking, Written, image, relative

METHODS = (saliency, guided_backprop, deconvnet, gradcam, cam, guided_gradcam, occlusion)
by_name = pytest.mark.parametrize("method", METHODS, ids=lambda module: module.__name__.split(".")[-1])


def test_these_are_the_methods_that_make_heat_maps_of_gradients_and_windows() -> None:
    names = {module.__name__.replace("ocellus.", "").replace(".", "/") for module in METHODS}
    assert names <= {card.name for card in catalog.cards() if card.verb == "explain"}


@by_name
def test_a_network_that_raises_is_put_back(method: ModuleType) -> None:
    network = Breaking().train()
    network.conv.eval()
    seen, kept, weight = network.seen, network.kept, network.conv.weight
    version = kept._version
    with pytest.raises(RuntimeError, match="the network is broken"):
        method.explain(network, image(32), layer="conv", score=0)
    assert network.training and not network.conv.training
    assert network.seen is seen and network.kept is kept and network.conv.weight is weight
    assert torch.equal(seen, torch.zeros(2)) and torch.equal(kept, torch.zeros(2))
    assert kept._version == version  # what did not change was not written to
    assert weight.grad is None and weight.requires_grad
    assert not network.conv._forward_hooks and not network._forward_hooks
    assert torch.is_grad_enabled() and not torch._C._len_torch_function_stack()


@by_name
def test_a_gradient_that_is_being_computed_survives(method: ModuleType) -> None:
    """A caller between forward and backward: the graph holds buffers and weights that must not be touched."""
    network, alone = Written("functional").eval(), Written("functional").eval()
    loss = network(image(32)).square().sum()
    method.explain(network, image(32), score=1)
    loss.backward()
    alone(image(32)).square().sum().backward()
    for one, other in zip(network.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


@by_name
def test_same_map_for_frozen_networks_and_callers_without_gradients(method: ModuleType) -> None:
    wanted = method.explain(Written("reused").eval(), image(32), score=1).values
    frozen = Written("reused").requires_grad_(False).train()
    assert relative(method.explain(frozen, image(32), score=1).values, wanted) < 1e-6
    for caller in (torch.no_grad, torch.inference_mode):
        with caller():
            made_inside = Written("reused").eval()
            pixels = image(32) + 0
            found = method.explain(made_inside, pixels, score=1).values
            assert relative(found, wanted) < 1e-6
            assert all(
                p.is_inference() == torch.is_inference_mode_enabled() for p in made_inside.parameters()
            )
            assert torch.is_inference_mode_enabled() == (caller is torch.inference_mode)
            assert not torch.is_grad_enabled()


@by_name
def test_networks_that_return_tuples_and_dictionaries(method: ModuleType) -> None:
    class Wrapped(nn.Module):
        def __init__(self, form: str) -> None:
            super().__init__()
            self.inner, self.form = Written("in place"), form

        def forward(self, images: torch.Tensor) -> object:
            logits = self.inner(images)
            forms = {"tuple": (logits, None), "list": [[logits]], "dict": {"aux": None, "logits": logits}}
            return forms[self.form]

    wanted = method.explain(Written("in place"), image(32), score=1).values
    for form in ("tuple", "list", "dict"):
        assert relative(method.explain(Wrapped(form), image(32), score=1).values, wanted) < 1e-6


@by_name
def test_a_network_that_overwrites_its_input(method: ModuleType) -> None:
    class Overwriting(Written):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.mul_(2))

    pixels = image(32)
    found = method.explain(Overwriting("functional"), pixels, score=1).values
    assert torch.equal(pixels, image(32))

    class Doubling(Written):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images * 2)

    assert relative(found, method.explain(Doubling("functional"), pixels, score=1).values) < 1e-6


@by_name
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_memory_is_flat(method: ModuleType) -> None:
    """Without the garbage collector: what one explanation makes is gone when its map is."""
    network, pixels = Written("in place").eval(), image(96)

    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            method.explain(network, pixels)
        tensors = sum(isinstance(entry, torch.Tensor) for entry in gc.get_objects())
        before = most()
        for _ in range(60):
            method.explain(network, pixels)
        assert most() - before < 5 * 1024
        assert sum(isinstance(entry, torch.Tensor) for entry in gc.get_objects()) <= tensors
    finally:
        gc.enable()


@by_name
def test_a_map_that_is_not_finite_is_not_shown(method: ModuleType) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    network[4].weight.data.fill_(float("nan"))
    # CAM checks its linear layer by numbers, and refuses these there
    with pytest.raises(OcellusError, match="needs one that ends in" if method is cam else "not finite"):
        method.explain(network.eval(), image(32), score=1)
