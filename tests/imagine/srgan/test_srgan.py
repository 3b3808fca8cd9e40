"""SRResNet: published networks' answers, seams, views, what it begins as, and what it refuses."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.imagine.srgan.config import PAPER, SMALL, TINY, Run
from ocellus.imagine.srgan.convert import discriminator_state, import_state
from ocellus.imagine.srgan.inference import enlarge, generate, seen, seen_back
from ocellus.imagine.srgan.model import build, build_discriminator, enlarged
from ocellus.values import Picture

WORST = 1e-4


def fixture(shared: Path, name: str) -> tuple[Any, Any]:
    """The golden files' own reader, and what it reads."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity, parity.load(shared / "parity" / name)


@pytest.mark.parametrize("name", ["srgan-msrresnet", "srgan-srresnet"])
def test_answers_as_the_published_network(shared: Path, name: str) -> None:
    parity, golden = fixture(shared, name)
    config, state, _ = import_state(golden.state)
    assert (config.factor, config.blocks, config.width) == (4, 16, 64)
    network = build(config).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        found = network(*golden.inputs).pictures
    assert parity.compare(found, golden.outputs["out"])[1] <= WORST


def test_discriminator_answers_as_the_published_one(shared: Path) -> None:
    parity, golden = fixture(shared, "srgan-srresnet_d")
    config, state = discriminator_state(golden.state)
    network = build_discriminator(config).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        assert parity.compare(network.features(*golden.inputs), golden.outputs["features"])[1] <= WORST
        assert parity.compare(network(*golden.inputs).sigmoid()[0], golden.outputs["out"])[1] <= WORST


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_imports_msrresnet_of_any_factor(factor: int) -> None:
    """BasicSR has one convolution before a shuffle of 2 or 3, two for 4; the names tell which."""
    steps = {2: (256,), 3: (576,), 4: (256, 256)}[factor]
    shapes = {"conv_first.weight": (64, 3, 3, 3), "conv_first.bias": (64,)}
    shapes |= {"body.0.conv1.weight": (64, 64, 3, 3), "body.0.conv1.bias": (64,)}
    shapes |= {"body.0.conv2.weight": (64, 64, 3, 3), "body.0.conv2.bias": (64,)}
    for number, outputs in enumerate(steps, 1):
        shapes |= {f"upconv{number}.weight": (outputs, 64, 3, 3), f"upconv{number}.bias": (outputs,)}
    shapes |= {"conv_hr.weight": (64, 64, 3, 3), "conv_hr.bias": (64,)}
    shapes |= {"conv_last.weight": (3, 64, 3, 3), "conv_last.bias": (3,)}
    config, state, _ = import_state({name: torch.zeros(shape) for name, shape in shapes.items()})
    assert config.factor == factor and config.blocks == 1
    network = build(config)
    network.load_state_dict(state)
    image = torch.rand(1, 3, 7, 9)
    wanted = F.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(image).pictures, wanted)  # all weights are 0: the base alone


def test_refuses_other_checkpoints() -> None:
    with pytest.raises(OcellusError, match=r"a, b.* are not those of BasicSR"):
        import_state({"a": torch.zeros(1), "b": torch.zeros(1)})
    with pytest.raises(OcellusError, match="RRDBNet"):
        import_state(
            {"conv_first.weight": torch.zeros(64, 3, 3, 3), "body.0.rdb1.conv1.weight": torch.zeros(1)}
        )


@pytest.mark.parametrize("base", ["nearest", "bilinear", "bicubic"])
def test_begins_as_plain_enlargement(base: str) -> None:
    network = build(replace(SMALL, base=base, blocks=1, width=8)).eval()
    images = torch.rand(1, 3, 9, 7)
    torch.testing.assert_close(network(images).pictures, enlarged(images, 4, mode=base))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_begins_without_a_checkerboard(factor: int) -> None:
    """The pixels that come of one are alike before the last convolution mixes neighbours."""
    config = replace(PAPER, factor=factor, width=8, blocks=1, norm="none")
    network = build(config)
    features = torch.randn(1, 8, 5, 6)
    step = {2: 2, 3: 3, 4: 2}[factor]
    shuffled = F.pixel_shuffle(network.steps[0](features), step)
    blocks = F.pixel_unshuffle(shuffled, step).unflatten(1, (8, step * step))
    torch.testing.assert_close(blocks, blocks[:, :, :1].expand_as(blocks))
    assert network(torch.rand(2, 3, 5, 6)).pictures.shape == (2, 3, 5 * factor, 6 * factor)


def shaken(config: Any, seed: int = 0) -> Any:
    """A network whose answer is not plain enlargement."""
    torch.manual_seed(seed)
    network = build(config)
    torch.nn.init.normal_(network.last.weight, std=0.05)
    return network.eval()


@pytest.mark.parametrize("upsampling", ["direct", "steps"])
def test_tiles_leave_no_seam(upsampling: str) -> None:
    """With an overlap of three times the reach the answer in tiles is that of the whole picture."""
    config = replace(TINY, factor=4, blocks=2, upsampling=upsampling, kernel=5, base="bicubic")
    network = shaken(config)
    overlap = 3 * network.reach
    image = torch.rand(1, 3, 2 * overlap + 37, 2 * overlap + 21)
    whole = enlarge(network, image)
    network.config = replace(config, tile=overlap + 16, overlap=overlap)
    tiled = enlarge(network, image)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)
    network.config = replace(config, tile=overlap + 16, overlap=0)
    assert (enlarge(network, image) - whole).abs().max() > 3e-4, "the test would not see a seam"


def test_reach_is_what_it_says() -> None:
    """A pixel that is further away than the reach has no say; one at the reach of "direct" has."""
    for upsampling in ("direct", "steps"):
        config = replace(TINY, factor=4, blocks=2, upsampling=upsampling, kernel=5, base="none")
        network = shaken(config)
        image = torch.rand(1, 3, 61, 61, requires_grad=True)
        network(image).pictures[0, :, 4 * 30 : 4 * 31, 4 * 30 : 4 * 31].sum().backward()
        rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
        assert 30 - network.reach <= rows.min() and rows.max() <= 30 + network.reach
        if upsampling == "direct":
            assert (int(rows.min()), int(rows.max())) == (30 - network.reach, 30 + network.reach)


def test_views_are_turned_back() -> None:
    images = torch.rand(2, 3, 4, 6)
    found = {tuple(seen(images, view).flatten().tolist()) for view in range(8)}
    assert len(found) == 8
    for view in range(8):
        assert torch.equal(seen_back(seen(images, view), view), images)


def test_mean_over_views_turns_with_the_picture() -> None:
    """The mean over 8 views of a turned picture is the turned mean; a single view's answer is not."""
    network = shaken(TINY)
    images = torch.rand(1, 3, 12, 12)
    turned = images.rot90(1, (2, 3)).flip(-1)
    for views, alike in ((8, True), (1, False)):
        first = enlarge(network, images, views=views).rot90(1, (2, 3)).flip(-1)
        assert torch.allclose(enlarge(network, turned, views=views), first, atol=1e-5) == alike


def test_generates_pictures_of_any_size_and_keeps_its_mode() -> None:
    network = shaken(TINY).train()
    for size in ((1, 1), (5, 17), (40, 23)):
        picture = Picture(pixels=torch.randint(0, 256, (3, *size), dtype=torch.uint8), path="a.png")
        made = generate(network, picture, options=Run(ensemble=2))
        assert made.size == (2 * size[0], 2 * size[1]) and made.path == "a.png"
    assert network.training
    with pytest.raises(OcellusError, match="--ensemble 3"):
        generate(network, picture, options=Run(ensemble=3))
    four = Picture(pixels=torch.zeros(3, 4, 4, dtype=torch.uint8), channels=torch.zeros(4, 4, 4))
    with pytest.raises(OcellusError, match="4 channels, and the network takes 3"):
        generate(network, four)


@pytest.mark.parametrize(
    ("field", "value"), [("factor", 5), ("norm", "group"), ("kernel", 4), ("base", "cubic"), ("views", 3)]
)
def test_refuses_settings_that_cannot_be(field: str, value: Any) -> None:
    with pytest.raises(OcellusError, match=f"{field} is {value!r}"):
        build(replace(PAPER, **{field: value}))
