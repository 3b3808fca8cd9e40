"""SCOUTER's network against a case done by hand, its properties, and what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ocellus.errors import OcellusError
from ocellus.explain.scouter.config import PAPER, PRESETS, THUMBNAILS, TINY, Config, Explain, Train
from ocellus.explain.scouter.inference import class_attention, decode, explain, on_images, predict
from ocellus.explain.scouter.loss import losses
from ocellus.explain.scouter.model import ARCHITECTURES, Raw, Scouter, SlotAttention, build, encoding
from ocellus.nn.fuse import fuse
from ocellus.nn.scores import similarity
from ocellus.values import Picture

LITTLE = {
    "resnet": Config(architecture="resnet", depth=18, width=4, classes=3, hidden=8, slots=2),
    "cifar_resnet": replace(THUMBNAILS, depth=8, width=4, classes=3, hidden=8, channels=3),
    "small": replace(TINY, classes=3),
}


def little(kind: str = "cifar_resnet", **changed: object) -> Scouter:
    torch.manual_seed(0)
    return build(replace(LITTLE[kind], **changed)).eval()  # type: ignore[arg-type]


def picture(height: int, width: int) -> Picture:
    random = torch.Generator().manual_seed(height * 1000 + width)
    return Picture(pixels=torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=random))


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


def by_hand(
    module: SlotAttention, values: NDArray[np.float64], positions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One picture, place by place and slot by slot, with the GRU of Cho 2014 written out."""
    state = {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}
    channels = values.shape[1]
    keys = []
    for value, position in zip(values, positions, strict=True):
        hidden = value + position
        for layer in (0, 2):
            hidden = np.maximum(state[f"keys.{layer}.weight"] @ hidden + state[f"keys.{layer}.bias"], 0)
        keys.append(state["keys.4.weight"] @ hidden + state["keys.4.bias"])
    updates, attentions = [], []
    for start in state["initial"]:
        slot = start
        for turn in range(module.iterations):
            attention = np.array([sigmoid(slot @ key) for key in keys])
            update = sum(a * value for a, value in zip(attention, values, strict=True)) / channels
            if turn + 1 == module.iterations:
                break
            given = (state["update.weight_ih"] @ update + state["update.bias_ih"]).reshape(3, channels)
            kept = (state["update.weight_hh"] @ slot + state["update.bias_hh"]).reshape(3, channels)
            reset, stay = sigmoid(given[0] + kept[0]), sigmoid(given[1] + kept[1])
            slot = (1 - stay) * np.tanh(given[2] + reset * kept[2]) + stay * slot
        updates.append(update)
        attentions.append(attention)
    return np.array(updates), np.array(attentions)


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
def test_slot_attention_by_hand(iterations: int) -> None:
    torch.manual_seed(iterations)
    module = SlotAttention(6, 8, iterations=iterations).double()
    values, positions = torch.rand(2, 5, 8).double(), torch.randn(5, 8).double()
    updates, attention = module(values, positions)
    assert updates.shape == (2, 6, 8) and attention.shape == (2, 6, 5)
    assert (module.update is None) == (iterations == 1)
    for index in range(2):
        wanted = by_hand(module, values[index].numpy(), positions.numpy())
        np.testing.assert_allclose(updates[index].detach().numpy(), wanted[0], rtol=1e-10)
        np.testing.assert_allclose(attention[index].detach().numpy(), wanted[1], rtol=1e-10)


def test_gradients_of_slot_attention() -> None:
    torch.manual_seed(0)
    module = SlotAttention(2, 4, iterations=3).double()
    values, positions = torch.rand(1, 3, 4).double().requires_grad_(), torch.randn(3, 4).double()
    assert torch.autograd.gradcheck(lambda given: module(given, positions), (values,))


def test_where_places_are_is_known_to_the_keys_alone() -> None:
    """With thrown places the attention changes; the values that are summed do not."""
    torch.manual_seed(0)
    module = SlotAttention(2, 4, iterations=1)
    values = torch.rand(1, 3, 4)
    for positions in (torch.zeros(3, 4), torch.randn(3, 4)):
        updates, attention = module(values, positions)
        torch.testing.assert_close(updates, attention @ values / 4)
    assert not torch.equal(module(values, torch.zeros(3, 4))[1], attention)


def test_encoding_by_hand() -> None:
    """Every place has its own; of 8 channels, two waves of each of row and column."""
    found = encoding(8, 3, 5)
    assert found.shape == (15, 8) and len({tuple(row) for row in found.tolist()}) == 15
    row, column = 2 * np.pi * 1.5 / 3, 2 * np.pi * 3.5 / 5
    wanted = [
        wave(angle * rate) for angle in (row, column) for wave in (np.sin, np.cos) for rate in (1, 0.01)
    ]
    np.testing.assert_allclose(found[1 * 5 + 3].numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_any_size_and_any_number_of_channels(kind: str) -> None:
    for channels in (1, 3, 5):
        network = little(kind, channels=channels, mean=(0.5,), std=(0.2,))
        config = network.config
        for height, width in ((40, 40), (33, 70), (64, 48)):
            with torch.no_grad():
                raw = network(torch.rand(2, channels, height, width))
            cells = (-(-height // config.stride), -(-width // config.stride))
            assert raw.logits.shape == (2, 3) and raw.logits.isfinite().all()
            assert raw.attention.shape == (2, 3, config.slots, *cells)
            assert raw.attention.min() > 0 and raw.attention.max() < 1


@pytest.mark.parametrize(
    ("kind", "stride"), [("cifar_resnet", 1), ("cifar_resnet", 4), ("small", 8), ("small", 32), ("resnet", 8)]
)
def test_strides(kind: str, stride: int) -> None:
    raw = little(kind, stride=stride)(torch.rand(1, 3, 64, 64))
    assert raw.attention.shape[3:] == (64 // stride, 64 // stride)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_logits_are_what_the_slots_attend_to(kind: str) -> None:
    """The score of a class is the sum over its slots and all places of the attention times the features."""
    network, images = little(kind), torch.rand(2, 3, 48, 40)
    with torch.no_grad():
        raw = network(images)
        values = network.reduce(network.features(images)).relu().mean(dim=1)
    wanted = torch.einsum("bkshw,bhw->bk", raw.attention, values)
    torch.testing.assert_close(raw.logits, wanted, rtol=1e-4, atol=1e-5)


def test_the_other_sign() -> None:
    """Why not is the same network with the scores' sign turned: what it attends to speaks against."""
    why, why_not = little(), little(says="why_not")
    why_not.load_state_dict(why.state_dict())
    images = torch.rand(2, 3, 28, 28)
    with torch.no_grad():
        a, b = why(images), why_not(images)
    assert torch.equal(a.logits, -b.logits) and torch.equal(a.attention, b.attention)
    assert (a.logits > 0).all()
    heats = [explain(network, picture(28, 28), score=2) for network in (why, why_not)]
    assert torch.equal(heats[0].values, heats[1].values)
    assert [heat.target for heat in heats] == ["class 2", "not class 2"]


def test_slots_of_a_class_add_up() -> None:
    """Slots lie class by class: with those of the last class shut, only its score changes."""
    network, images = little(slots=2), torch.rand(1, 3, 28, 28)
    with torch.no_grad():
        before = network(images)
        network.slots.initial[4] = network.slots.initial[0]  # the first slot of class 2 as that of class 0
        after = network(images)
    assert torch.equal(before.logits[:, :2], after.logits[:, :2])
    assert torch.equal(after.attention[:, 2, 0], after.attention[:, 0, 0])
    assert not torch.equal(before.logits[:, 2], after.logits[:, 2])


def test_loss_by_hand() -> None:
    logits, labels = torch.tensor([[1.0, 3.0], [0.5, 0.0]]), torch.tensor([1, 0])
    attention = torch.rand(2, 2, 3, 4, 5)
    entropy = -(logits.log_softmax(dim=1)[[0, 1], [1, 0]]).mean().item()
    for weight, power in ((1.0, 1.0), (10.0, 2.0), (0.0, 1.0)):
        terms = losses(Raw(logits, attention), labels, train=Train(area_loss=weight, area_power=power))
        share = attention.sum().item() / (2 * 2 * 3 * 4 * 5)
        assert terms["cross_entropy"].item() == pytest.approx(entropy)
        assert terms["area"].item() == pytest.approx(weight * share**power)
    smooth = losses(Raw(logits, attention), labels, train=Train(label_smoothing=0.2))["cross_entropy"]
    log = logits.log_softmax(dim=1)
    assert smooth.item() == pytest.approx(-(0.8 * log[[0, 1], [1, 0]] + 0.2 * log.mean(dim=1)).mean().item())


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("slot", [-1, 0])
def test_what_is_explained_is_what_the_network_attended_to(kind: str, slot: int) -> None:
    network, shown = little(kind, short_side=0, crop=0), picture(33, 50)
    heat = explain(network, shown, score=1, config=Explain(slot=slot))
    with torch.no_grad():
        attention = network(shown.floats()[None]).attention[0, 1]
    wanted = attention.mean(dim=0) if slot < 0 else attention[slot]
    stride = network.config.stride
    assert heat.size == (33, 50) and heat.layer == "slots" and not heat.signed and heat.picture is shown
    for row in range(wanted.shape[0] - 1):  # bilinear: between the middles of cells, their mean
        for column in range(wanted.shape[1] - 1):
            if stride % 2 == 0 and max((row + 1) * stride - 33, (column + 1) * stride - 50) < 0:
                corner = slice((row + 1) * stride - 1, (row + 1) * stride + 1)
                across = slice((column + 1) * stride - 1, (column + 1) * stride + 1)
                four = wanted[row : row + 2, column : column + 2].mean()
                torch.testing.assert_close(heat.values[corner, across].mean(), four, rtol=1e-4, atol=1e-6)
    assert wanted.min() - 1e-6 <= heat.values.min() and heat.values.max() <= wanted.max() + 1e-6


def test_pictures_are_shown_whole_and_the_top_class_is_the_default() -> None:
    network, shown = little(), picture(56, 84)
    heat = explain(network, shown)
    assert heat.size == (56, 84)
    with torch.no_grad():
        raw = network(torch.nn.functional.interpolate(shown.floats()[None], (28, 42), mode="area"))
    assert heat.target == f"class {int(raw.logits.argmax())}"
    again = explain(network, shown.floats(), score=int(raw.logits.argmax()))
    assert again.target == heat.target and again.size == (56, 84)


def test_maps_on_images() -> None:
    maps = torch.zeros(1, 2, 3)
    maps[0, 1, 2] = 1
    found = on_images(maps, torch.zeros(1, 3, 7, 12), stride=4)
    assert found.shape == (1, 7, 12) and found[0, 6, 11] == pytest.approx(1, abs=0.4)
    assert found[0, :2].sum() == 0 and found[0, :, :6].sum() == 0
    raw = Raw(torch.zeros(2, 3), torch.rand(2, 3, 2, 4, 4))
    both = class_attention(raw, torch.tensor([2, 0]))
    torch.testing.assert_close(both, torch.stack([raw.attention[0, 2].mean(0), raw.attention[1, 0].mean(0)]))


def test_predictions_are_probabilities_of_named_classes() -> None:
    network = little(channels=1)
    found = predict(network, picture(50, 70), names=("cat", "dog", "train"))
    assert found.probabilities.sum().item() == pytest.approx(1) and len(found) == 3
    assert found.top(1)[0][0] in ("cat", "dog", "train")
    logits = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    shares = decode(Raw(logits, torch.zeros(2, 2, 1, 1, 1))).probabilities
    assert shares.tolist() == pytest.approx(torch.sigmoid(torch.tensor([-2.0, 2.0])))


def test_fused_and_in_bf16() -> None:
    network, images = little("small", norm="batch"), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = network(images)
        torch.testing.assert_close(fuse(network)(images).logits, wanted.logits, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(images)
    assert found.logits.dtype == torch.float32
    torch.testing.assert_close(found.logits, wanted.logits, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"architecture": "vgg"}, "architecture is 'vgg'; it must be one of resnet, cifar_resnet, small"),
        ({"says": "maybe"}, "says is 'maybe'; it must be one of why, why_not"),
        ({"stride": 4}, "stride is 4; it must be one of 8, 16, 32 for resnet"),
        ({"depth": 20}, "depth is 20"),
        ({"hidden": 6}, "hidden is 6; it must be a multiple of 4"),
        ({"slots": 0}, "slots is 0; it must be 1 or more"),
        ({"iterations": 0}, "iterations is 0"),
        ({"classes": 1}, "classes is 1; it must be 2 or more"),
        ({"channels": 4}, "mean is .* 4 numbers"),
        ({"std": (0.0,)}, "std is .* above 0"),
        ({"crop": 300}, "crop is 300; it must be at most short_side, 260"),
    ],
)
def test_networks_that_cannot_be(changed: dict[str, object], words: str) -> None:
    with pytest.raises(OcellusError, match=words) as caught:
        build(replace(PAPER, **changed))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_what_cannot_be_explained() -> None:
    network = little()
    for given, words in (
        ({"network": torch.nn.Conv2d(3, 4, 1)}, "not this Conv2d: train one, or use explain/gradcam"),
        ({"config": Explain(slot=1)}, "no slot 1: each class has 1, from 0"),
        ({"score": 3}, "class 3 .* the network has 3: 0 to 2"),
        ({"score": similarity(torch.rand(3))}, "the score of a class, not likeness"),
    ):
        with pytest.raises(OcellusError, match=words) as caught:
            explain(**{"network": network, "image": picture(28, 28)} | given)  # type: ignore[arg-type]
        assert caught.value.exit_code == 2


def test_presets_can_be_built() -> None:
    for config, _, _ in PRESETS.values():
        with torch.device("meta"):
            network = build(config)
        count = sum(parameter.numel() for parameter in network.parameters())
        assert config == PAPER or 2 * count < 8e6
