"""Which number is explained: against what networks say, and by hand."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.scores import (
    class_score,
    logits_in,
    output_score,
    parse_target,
    region_score,
    similarity,
    top,
    unit_score,
    verdict,
)
from ocellus.nn.subject import Score, Subject, on_picture, subject_of
from ocellus.values import Picture
from tests.explain.networks import Written, image


class Says(nn.Module):
    """Puts out what it is told to, times the mean of the picture."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, images: Tensor) -> object:
        scale = images.mean(dim=(1, 2, 3))
        return _scaled(self.output, scale)


def _scaled(output: object, scale: Tensor) -> object:
    if isinstance(output, Tensor):
        return output * scale.view(-1, *[1] * (output.ndim - 1))
    return [_scaled(entry, scale) for entry in output]


def asked(
    score: Score, network: nn.Module, images: Tensor | Picture | None = None
) -> tuple[list[float], Score]:
    subject = subject_of(network, torch.ones(1, 3, 4, 4) if images is None else images)
    answer = score.ask(network, subject)
    return answer.values.tolist(), answer.settled


def test_class_of_each_picture() -> None:
    network = Says(torch.tensor([[1.0, 5.0, 3.0]]))
    images = torch.stack([torch.ones(3, 4, 4), 2 * torch.ones(3, 4, 4)])
    assert asked(class_score(2), network, images)[0] == [3, 6]
    assert asked(class_score(torch.tensor([2, 0])), network, images)[0] == [3, 2]
    values, settled = asked(top(("cat", "dog", "train")), network, images)
    assert values == [5, 10] and settled.text == "class dog, dog"
    other = Says(torch.tensor([[9.0, 1.0, 1.0]]))
    assert asked(settled, other, images)[0] == [1, 2]  # it stays with what it found


def test_class_out_of_range() -> None:
    for label in (3, -1):
        wanted = f"class {label} was asked for, and the network has 3: 0 to 2"
        with pytest.raises(OcellusError, match=wanted):
            asked(class_score(label), Says(torch.zeros(1, 3)))
    with pytest.raises(OcellusError, match=r"puts out \(1,\), no class scores"):
        asked(class_score(0), Says(torch.zeros(1)))


class Raw(NamedTuple):
    boxes: Tensor
    logits: Tensor


def test_where_the_logits_are() -> None:
    logits = torch.rand(1, 3)
    for output in (
        logits,
        Raw(torch.zeros(2), logits),
        {"aux": torch.zeros(1), "out": logits},
        [[logits], None],
    ):
        assert logits_in(output) is logits
    with pytest.raises(OcellusError, match="NoneType without a tensor"):
        logits_in(None)


MAPS = torch.zeros(
    1, 3, 4, 6
)  # class 1 wins at the left, class 2 in the upper right corner, class 0 elsewhere
MAPS[0, 0] = 1.0
MAPS[0, 1, :, :3] = torch.arange(2.0, 14.0).view(4, 3)
MAPS[0, 2, :2, 4:] = 5.0


def test_regions_by_hand() -> None:
    network, images = Says(MAPS), torch.ones(1, 3, 4, 6)
    assert asked(region_score(1, box=(0, 0, 2, 1)), network, images)[0] == [2.5]
    assert asked(region_score(1, box=(0.4, 0.2, 1.6, 0.8)), network, images)[0] == [2.5]  # whole pixels
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[3, 1:3] = True
    assert asked(region_score(1, mask=mask), network, images)[0] == [12.5]
    values, settled = asked(region_score(box=(4, 0, 9, 2)), network, images)
    assert values == [5] and settled.text == "class 2 in 4,0,9,2"
    assert asked(region_score(None, box=(0, 0, 6, 4), name="road"), network, images)[1].text.startswith(
        "class road"
    )


def test_a_class_of_a_segmenter_is_the_mean_over_its_own_pixels() -> None:
    network, images = Says(MAPS), torch.ones(1, 3, 4, 6)
    values, settled = asked(class_score(1), network, images)
    assert values == [float(torch.arange(2.0, 14.0).mean())]
    # Settled, its pixels are those of the picture as it was.
    assert asked(settled, Says(-MAPS), images)[0] == [-values[0]]
    values, settled = asked(top(("background", "left", "corner")), network, images)
    assert settled.text == "class left" and values == [7.5]
    assert asked(top(), Says(MAPS[:, [0, 2]]), images)[1].text == "class 0"
    nowhere = MAPS.clone()
    nowhere[0, 2] = -1.0
    assert asked(class_score(2), Says(nowhere), images)[0] == [-1]


def test_regions_lie_in_the_picture_as_it_was_given() -> None:
    """The network sees half the size and answers at a quarter of that; boxes are in the picture's pixels."""

    class Small(nn.Module):
        class Config(NamedTuple):
            short_side: int = 8

        config = Config()

        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[2:] == (8, 12)
            return F.avg_pool2d(images, 4)[:, :2]

    picture = Picture(pixels=torch.zeros(3, 16, 24, dtype=torch.uint8))
    picture.pixels[0, :8, 8:16] = 255
    values, _ = asked(region_score(0, box=(8, 0, 16, 8)), Small(), picture)
    assert values[0] > 0.85
    assert asked(region_score(0, box=(0, 8, 8, 16)), Small(), picture)[0][0] < 0.01
    subject = subject_of(Small(), picture)
    assert on_picture(torch.rand(1, 2, 3), subject).shape == (1, 16, 24)


def test_regions_that_make_no_sense() -> None:
    images = torch.ones(1, 3, 4, 6)
    with pytest.raises(OcellusError, match="box 9,9,12,12 holds no pixel of the 6 x 4 picture"):
        asked(region_score(0, box=(9, 9, 12, 12)), Says(MAPS), images)
    with pytest.raises(OcellusError, match="not a class for every pixel"):
        asked(region_score(0, box=(0, 0, 2, 2)), Says(torch.zeros(1, 3)), images)
    with pytest.raises(OcellusError, match=r"mask is \(2, 2\), the picture \(4, 6\)"):
        asked(region_score(0, mask=torch.ones(2, 2)), Says(MAPS), images)
    with pytest.raises(OcellusError, match="one of them"):
        region_score(0)


def test_verdict_is_the_mean_of_all_scales() -> None:
    network = Says([torch.full((1, 1, 2, 2), 4.0), [torch.full((1, 1, 8, 8), 2.0)]])
    assert asked(verdict(), network)[0] == [3]
    assert asked(verdict(real=False), network)[0] == [-3]
    assert asked(top(), Says(torch.tensor([[7.0]])))[0] == [7]


def test_likeness_is_a_cosine() -> None:
    network = Says(torch.tensor([[3.0, 4.0]]))
    assert asked(similarity(torch.tensor([30.0, 40.0])), network)[0] == pytest.approx([1])
    assert asked(similarity(torch.tensor([-4.0, 3.0])), network)[0] == pytest.approx([0], abs=1e-6)
    maps = Says(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 5, 5))
    assert asked(similarity(torch.tensor([3.0, 4.0])), maps)[0] == pytest.approx([1])
    with pytest.raises(OcellusError, match="2 numbers, the given one 3"):
        asked(similarity(torch.zeros(3)), network)


def test_units_and_numbers_of_ones_own() -> None:
    network, images = Written("functional").eval(), image(16)
    with torch.no_grad():
        first = network.convs[0](images)
    assert asked(unit_score("convs.0", 5), network, images)[0] == pytest.approx([float(first[0, 5].max())])
    for layer, wrong in (("convs.0", 8), ("last", 5)):
        with pytest.raises(OcellusError, match=f"no unit {wrong} of {layer}: it puts out"):
            asked(unit_score(layer, wrong), network, images)
    both = output_score(lambda logits: logits[:, 0] - logits[:, 1], text="cat rather than dog")
    assert asked(both, Says(torch.tensor([[5.0, 3.0]])))[0] == [2]


@pytest.mark.parametrize("form", ["maps", "channels last", "tokens"])
def test_a_unit_is_a_channel_wherever_channels_are(form: str) -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            maps = images.repeat(1, 2, 1, 1)  # (1, 6, 16, 16)
            given = {"maps": maps, "channels last": maps.permute(0, 2, 3, 1)}
            return self.turn(given.get(form, maps.flatten(2).transpose(1, 2)))

    images = image(16)
    assert asked(unit_score("turn", 5), Turned(), images)[0] == pytest.approx([float(images[0, 2].max())])
    with pytest.raises(OcellusError, match="no unit 6 of turn"):
        asked(unit_score("turn", 6), Turned(), images)


def test_the_colors_of_a_made_picture_are_no_classes() -> None:
    class Raw(NamedTuple):
        pictures: Tensor

    class Paints(nn.Module):
        def forward(self, images: Tensor) -> Raw:
            return Raw(images)

    for score in (top(), class_score(0), region_score(box=(0, 0, 2, 2)), similarity(torch.ones(3))):
        with pytest.raises(OcellusError, match="puts out a picture and no scores"):
            asked(score, Paints(), image(8))


NAMES = ("tabby", "tiger cat", "golf ball")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("class:tiger cat", "class tiger cat"), ("class:2", "class golf ball"), ("top", "top"), ("", "top"),
     ("box:3", "box 3"), ("mask:0", "mask 0"), ("keypoint:1,4", "keypoint 1,4"), ("verdict", "verdict real"),
     ("verdict:fake", "verdict fake"), ("region:1,2,3.5,4", "region 1,2,3.5,4"),
     ("region:1,2,3,4:golf ball", "region 1,2,3,4"), ("unit:layer4.1,12", "unit 12 of layer4.1")],
)  # fmt: skip
def test_targets_of_the_command_line(text: str, wanted: str) -> None:
    assert parse_target(text, NAMES).text == wanted


@pytest.mark.parametrize(
    "text",
    ["class:", "class", "box:-1", "box:one", "keypoint:1", "region:1,2,3", "region:1,2,3,x",
     "region:1,2,3,inf",
     "verdict:maybe", "unit:12", "unit:layer4", "tabby"],
)  # fmt: skip
def test_targets_that_say_nothing(text: str) -> None:
    with pytest.raises(OcellusError, match="says nothing that can be explained") as caught:
        parse_target(text, NAMES)
    assert caught.value.exit_code == 2


def test_targets_of_unknown_classes() -> None:
    with pytest.raises(OcellusError, match=r"no class 'tiger' \(0 to 2\); there is tiger cat"):
        parse_target("class:tiger", NAMES)
    with pytest.raises(OcellusError, match=r"no class '7' \(0 to 2\)"):
        parse_target("region:1,2,3,4:7", NAMES)
    with pytest.raises(OcellusError, match="their names are not known, give a number"):
        parse_target("class:tabby")
    assert parse_target("class:7").text == "class 7"


def test_what_is_no_picture() -> None:
    for given in (torch.zeros(4, 4), torch.zeros(3, 4, 4, dtype=torch.int64)):
        with pytest.raises(OcellusError, match="cannot be explained; give a Picture"):
            subject_of(Says(torch.zeros(1, 3)), given)


def test_a_subject_is_on_the_networks_device_in_its_type() -> None:
    network = Written("modules").to(torch.bfloat16)
    subject: Subject = subject_of(network, image(8))
    assert subject.images.dtype == torch.bfloat16
