"""The generators: the published networks' answers, any size, dropout where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from translations import parity

from ocellus.errors import OcellusError
from ocellus.nn.generator_names import read_generator
from ocellus.nn.generators import ResidualGenerator, UnetGenerator, as_trained, up_conv


def test_residual_answers_as_the_published_network(shared: Path) -> None:
    golden = parity(shared).load(shared / "parity" / "cyclegan-resnet_9blocks")
    fields, state = read_generator(golden.state)
    assert fields == {
        "generator": "resnet", "channels": 3, "outputs": 3, "width": 64, "blocks": 9, "dropout": False,
        "norm": "instance",
    }  # fmt: skip
    network = ResidualGenerator(3, 3).eval()
    network.load_state_dict(state)
    inside = {}
    network.blocks[0].register_forward_pre_hook(lambda _, given: inside.update(after_down=given[0]))
    network.blocks[-1].register_forward_hook(lambda _, given, made: inside.update(before_up=made))
    with torch.no_grad():
        made = network((golden.inputs[0] + 1) / 2)
    compare = parity(shared).compare
    assert compare(made * 2 - 1, golden.outputs["out"])[1] <= 1e-4
    for name, found in inside.items():
        assert compare(found, golden.outputs[name])[1] <= 1e-4, name


def test_unet_answers_as_the_published_network(shared: Path) -> None:
    golden = parity(shared).load(shared / "parity" / "pix2pix-unet_256")
    fields, state = read_generator(golden.state)
    assert (fields["depth"], fields["norm"]) == (8, "batch")
    network = UnetGenerator(3, 3).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        made = network((golden.inputs[0] + 1) / 2)
    assert parity(shared).compare(made * 2 - 1, golden.outputs["out"])[1] <= 1e-4


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("size", [(1, 1), (5, 64), (33, 47), (64, 64)])
def test_any_size_in_the_same_size_out(size: tuple[int, int], upsampling: str) -> None:
    for network in (
        ResidualGenerator(3, 2, width=2, blocks=1, upsampling=upsampling),
        UnetGenerator(3, 2, width=2, depth=5, upsampling=upsampling),
    ):
        made = network.eval()(torch.rand(2, 3, *size))
        assert made.shape == (2, 2, *size) and made.min() >= 0 and made.max() <= 1


def test_doubled_values_leave_no_pattern() -> None:
    """Where nothing varies, neighbours are alike; a transposed convolution has its own weight for each."""
    torch.manual_seed(0)
    flat = torch.ones(1, 5, 8, 8)
    with torch.no_grad():
        doubled, transposed = (
            up_conv(5, 2, 4, norm="none", upsampling=kind)(flat)[..., 2:-2, 2:-2]
            for kind in ("nearest", "transposed")
        )
    assert doubled.shape == transposed.shape == (1, 2, 12, 12)
    torch.testing.assert_close(doubled, doubled[..., :1, :1].expand_as(doubled))
    assert (transposed[..., 1:] - transposed[..., :-1]).abs().max() > 0.01
    conv = up_conv(5, 2, 4, norm="none", upsampling="nearest")
    features = torch.randn(2, 5, 3, 4)
    enlarged = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    wanted = nn.functional.conv2d(enlarged, conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(conv(features), wanted)


def test_padding_is_the_picture_s_mirror_image() -> None:
    torch.manual_seed(0)
    network = UnetGenerator(1, 1, width=2, depth=3, norm="instance").eval()
    images = torch.rand(1, 1, 13, 16)
    below = images[:, :, [11, 10, 9]]  # the border pixel itself is not repeated
    with torch.no_grad():
        whole = network(torch.cat([images, below], dim=2))
        torch.testing.assert_close(network(images), whole[:, :, :13])


def test_dropout_is_in_three_levels_of_full_width() -> None:
    def places(**options: int) -> list[int]:
        found = UnetGenerator(3, 3, width=1, **options).dropouts
        return [level for level, dropout in enumerate(found) if dropout.p]

    assert places() == [5, 6, 7]  # ups[7] is the innermost: CD512-CD1024-CD1024 of section 6.1
    assert places(dropout_first=1) == [4, 5, 6]
    assert places(depth=7, dropout_first=1) == [4, 5]  # num_downs - 5 of them in the port
    assert places(depth=5) == [4] and places(depth=4) == []


def test_published_behaviour_is_random_and_leaves_no_trace() -> None:
    torch.manual_seed(0)
    network = UnetGenerator(3, 3, width=2, depth=5).eval()
    images = torch.rand(1, 3, 32, 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        still = network(images)
        with as_trained(network):
            first, second = network(images), network(images)
        assert torch.equal(network(images), still)
        network.train()
        torch.manual_seed(5)
        trained = network(images)
        network.load_state_dict(before)
        network.eval()
        with as_trained(network):
            torch.manual_seed(5)
            assert torch.equal(network(images), trained)  # what train mode gives
    assert not torch.equal(first, second) and not torch.equal(first, still)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module.training for module in network.modules())
    assert all(m.track_running_stats for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_published_dropout_of_residual_blocks_moves_the_second_convolution() -> None:
    theirs = {}
    for name, tensor in ResidualGenerator(3, 3, width=2, blocks=2, norm="batch").state_dict().items():
        theirs[published(name, blocks=2)] = tensor
    fields, state = read_generator(theirs)
    assert (fields["blocks"], fields["dropout"], fields["norm"]) == (2, True, "batch")
    ResidualGenerator(3, 3, width=2, blocks=2, norm="batch", dropout=True).load_state_dict(state)


def published(name: str, *, blocks: int) -> str:
    """Our names as the authors', of a residual generator with dropout and batch norm."""
    places = {"stem": 1, "stem_norm": 2, "downs.0": 4, "down_norms.0": 5, "downs.1": 7, "down_norms.1": 8}
    places |= {"ups.0": 10 + blocks, "up_norms.0": 11 + blocks, "ups.1": 13 + blocks}
    places |= {"up_norms.1": 14 + blocks, "head": 17 + blocks}
    inside = {"first": 1, "first_norm": 2, "second": 6, "second_norm": 7}
    module, _, entry = name.rpartition(".")
    if module.startswith("blocks."):
        _, number, part = module.split(".")
        return f"model.{10 + int(number)}.conv_block.{inside[part]}.{entry}"
    return f"model.{places[module]}.{entry}"


def test_running_statistics_of_instance_norms_are_thrown_away(shared: Path) -> None:
    """As files of mid-2018 have them."""
    golden = parity(shared).load(shared / "parity" / "cyclegan-resnet_9blocks")
    extra = {f"model.2.{name}": torch.ones(64) for name in ("running_mean", "running_var")} | {
        "model.2.num_batches_tracked": torch.tensor(7),
        "model.12.conv_block.2.running_mean": torch.ones(256),
    }
    fields, state = read_generator(golden.state | extra)
    plain_fields, plain = read_generator(golden.state)
    assert fields == plain_fields and fields["norm"] == "instance"
    assert state.keys() == plain.keys()


def test_names_that_are_none() -> None:
    for state, words in (
        ({"conv1.weight": torch.zeros(1)}, "holds conv1.weight"),
        ({"model.1.weight": torch.zeros(4, 3, 7, 7)}, "no whole"),
        ({"model.model.0.weight": torch.zeros(4, 3, 4, 4)}, "no whole"),
        ({}, "no whole"),
    ):
        with pytest.raises(OcellusError, match=words):
            read_generator(state)
