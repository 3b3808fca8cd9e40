"""Maximal patches of detectors that are made by hand: what, where, how large, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ocellus.data.images import write_picture
from ocellus.draw.units import draw_patches
from ocellus.errors import OcellusError
from ocellus.explain import max_patches
from ocellus.explain.max_patches import Config
from ocellus.explain.max_patches.cutting import within
from ocellus.nn.strongest import no_entries, with_picture
from ocellus.nn.subject import Subject
from ocellus.values import Patch, Picture
from tests.explain.networks import Written


class Crosses(nn.Module):
    """Unit 0 finds a bright cross of 3 pixels on dark, unit 1 red, unit 2 is silent; stride 2 in front."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Conv2d(3, 3, 1, stride=2, bias=False)
        self.find = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(3, 2, 1)
        cross = torch.tensor([[-1.0, 1, -1], [1, 1, 1], [-1, 1, -1]])
        with torch.no_grad():
            self.skip.weight.copy_(torch.eye(3)[:, :, None, None])
            self.find.weight.zero_()
            self.find.weight[0] = cross
            self.find.weight[1, 0, 1, 1], self.find.weight[1, 1:, 1, 1] = 1, -1
            self.find.weight[2] = -1

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.relu(self.find(self.skip(images)))).mean(dim=(2, 3))


def scene(*crosses: tuple[int, int, int], size: tuple[int, int] = (24, 32)) -> Picture:
    """Crosses of (row, column, brightness), in cells of the network's maps, on black."""
    cells = torch.zeros(size[0] // 2, size[1] // 2, dtype=torch.uint8)
    for row, column, value in crosses:
        for down, right in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            cells[row + down, column + right] = value
    return Picture(pixels=cells.repeat_interleave(2, 0).repeat_interleave(2, 1).expand(3, -1, -1).clone())


def test_a_constructed_detector_finds_its_pattern() -> None:
    scenes = [scene(), scene((4, 6, 102)), scene((8, 3, 255), (5, 12, 51)), scene((0 + 1, 14, 204))]
    found = max_patches.explain(Crosses(), scenes, layer="relu", config=Config(units=(0,), top=3))
    assert found.seen == 4 and found.count == 3 and found.field == (5, 5)
    wanted = [(2, (8, 3), 15.0), (3, (1, 14), 12.0), (1, (4, 6), 6.0)]
    for patch, (number, place, score) in zip(found.of(0), wanted, strict=True):
        assert patch.path == f"picture {number}" and patch.place == place
        assert patch.score == pytest.approx(score)
        # The convolution's rows r-1 to r+1 look at the pixels 2r-2, 2r and 2r+2.
        row, column = place
        assert patch.box == (2 * column - 2, 2 * row - 2, 2 * column + 3, 2 * row + 3)
        x1, y1, x2, y2 = patch.box
        assert torch.equal(patch.picture.pixels, scenes[number].pixels[:, y1:y2, x1:x2])
        assert patch.awake[2, 2] > 0.5 and float(patch.awake.amax()) <= 1


def test_patches_end_at_the_border() -> None:
    corner = scene(size=(24, 32))
    corner.pixels[:, :2, :2] = 255
    (patch,) = max_patches.explain(Crosses(), [corner], layer="find", config=Config(units=(0,))).patches
    assert patch.place == (0, 0) and patch.box == (0, 0, 3, 3) and patch.picture.size == (3, 3)


def test_boxes_are_in_pixels_of_the_picture_as_it_was_given() -> None:
    images = torch.zeros(1, 3, 32, 64)
    resized = Subject(images, (30, 40), (60, 80))  # padded below and to the right, and half as large
    assert within((10, 5, 20, 15), resized) == (20, 10, 40, 30)
    assert within((35, 20, 64, 32), resized) == (70, 40, 80, 60)
    uneven = Subject(images, (30, 40), (45, 57))
    assert within((1, 1, 2, 2), uneven) == (1, 1, 3, 3)  # 1.425 to 2.85 and 1.5 to 3, rounded outwards


def test_masking_keeps_what_excites() -> None:
    found = max_patches.explain(Crosses(), [scene((5, 8, 255))], layer="relu", config=Config(units=(0,)))
    patch = found.patches[0]
    masked = patch.masked(0.5).pixels
    awake = patch.awake >= 0.5
    assert awake.any() and not awake.all()
    assert torch.equal(masked[:, awake], patch.picture.pixels[:, awake])
    assert (masked[:, ~awake] <= 64).all()
    grey = Picture(pixels=torch.full((3, 1, 2), 200, dtype=torch.uint8))
    awake = torch.tensor([[1.0, 0.4]])
    by_hand = Patch(unit=0, score=1.0, place=(0, 0), box=(0, 0, 2, 1), path="", awake=awake, picture=grey)
    assert by_hand.masked().pixels[0].tolist() == [[200, 50]]


def test_gradient_box_lies_in_the_receptive_field() -> None:
    torch.manual_seed(0)
    scenes = [Picture(pixels=torch.randint(0, 256, (3, 40, 48), dtype=torch.uint8)) for _ in range(4)]
    boxes = {}
    for field in ("walk", "gradient"):
        options = Config(field=field, share=1.0, top=2, most=0)
        found = max_patches.explain(Written("in place"), scenes, layer="convs.2", config=options)
        boxes[field] = {(p.unit, p.path): p.box for p in found.patches}
    assert boxes["walk"].keys() == boxes["gradient"].keys() and len(boxes["walk"]) == 24
    for key, (x1, y1, x2, y2) in boxes["walk"].items():
        a1, b1, a2, b2 = boxes["gradient"][key]
        assert x1 <= a1 < a2 <= x2 and y1 <= b1 < b2 <= y2
        assert (x2 - x1, y2 - y1) <= (12, 12)  # 3 + 2 + pooling 2 + 2 * 2 + 1: at most 12 with two strides


def test_streaming_is_sorting_everything() -> None:
    """Against keeping all maps and sorting them, with ties: earlier pictures and upper left places first."""
    maps = torch.randint(0, 4, (40, 5, 3, 4), generator=torch.Generator().manual_seed(1)).float()
    maps[7] = 3.0  # the same everywhere: no place is strongest
    found = no_entries(5, 6)
    for number, own in enumerate(maps):
        found = with_picture(found, own, number)
    for unit in range(5):
        rows = []
        for number, own in enumerate(maps[:, unit].flatten(1).tolist()):
            if min(own) < max(own):
                rows.append((-max(own), number, own.index(max(own))))
        best = sorted(rows)[:6]
        assert found.scores[unit].tolist() == [-score for score, _, _ in best]
        assert found.pictures[unit].tolist() == [number for _, number, _ in best]
        assert found.places[unit].tolist() == [place for _, _, place in best]


def test_a_large_folder_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of two sizes, a broken one among them; forgetting pictures and batches change nothing."""
    for number in range(30):
        cross = scene((3, 2 + number % 9, 20 + 7 * number), size=(24, 32 if number % 4 else 40))
        write_picture(cross, tmp_path / f"{number:02d}.png")
    (tmp_path / "05.png").write_bytes(b"no picture")
    files, broken = sorted(tmp_path.iterdir()), []
    results = []
    for batch, forget in ((1, 10000), (8, 3)):
        monkeypatch.setattr("ocellus.explain.max_patches.method.FORGET", forget)
        broken.clear()
        found = max_patches.explain(
            Crosses(), iter(files), layer="relu", passed_over=broken.append, config=Config(top=4, batch=batch)
        )
        assert found.seen == 29 and len(broken) == 1 and "05.png" in str(broken[0])
        results.append([(p.unit, p.path, p.place, p.box) for p in found.patches])
    assert results[0] == results[1]
    strongest = [Path(path).name for unit, path, _, _ in results[0] if unit == 0]
    assert strongest == ["29.png", "28.png", "27.png", "26.png"]
    assert found.units == (0,)  # units that nothing excites are not chosen


def test_early_stop_and_reused_modules() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.calls = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), 0

        def forward(self, images: Tensor) -> Tensor:
            maps = self.relu(self.conv(self.relu(self.conv(images))))
            self.calls += 1
            return maps.mean(dim=(2, 3))

    torch.manual_seed(0)
    network = Reused()
    pixels = torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8)
    found = max_patches.explain(network, [Picture(pixels=pixels)], layer="conv", config=Config(units=(0,)))
    assert found.field == (5, 5)  # of the last call
    second = network.conv(network.relu(network.conv(pixels[None] / 255)))
    assert found.patches[0].score == pytest.approx(float(second[0, 0].max()), rel=1e-5)
    before = network.calls
    options = Config(units=(0,), batch=1)
    max_patches.explain(network, [Picture(pixels=pixels)] * 3, layer="conv", config=options)
    # Counted, three searched, three cut, followed once: what is used again is never left early.
    assert network.calls - before == 8
    inner = nn.Sequential(nn.Conv2d(3, 3, 3), network)
    before = network.calls
    max_patches.explain(inner, [Picture(pixels=pixels)] * 3, layer="0", config=options)
    assert network.calls - before == 5  # not while searching


def test_drawing_and_file(tmp_path: Path) -> None:
    options = Config(units=(0, 2), top=2)
    found = max_patches.explain(Crosses(), [scene((5, 8, 255))], layer="relu", config=options)
    assert found.units == (0, 2) and not found.of(2)
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["boxes"].tolist() == [[14, 8, 19, 13]] and arrays["units"].tolist() == [0]
    assert found.to_dict()["patches"][0]["box"] == [14, 8, 19, 13]
    drawn = draw_patches(found, cell=50)
    write_picture(drawn, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size[0] == 50 + 12


def test_what_there_is_not_is_refused(tmp_path: Path) -> None:
    one = [scene()]
    for given, wanted in (
        ({"layer": "fnd"}, r"no layer 'fnd' .* there is find"),
        ({"config": Config(units=(3,))}, "unit 3 .* has 3: 0 to 2"),
        ({"config": Config(field="box")}, "field is 'box'"),
        ({"config": Config(top=0)}, "top is 0"),
        ({"config": Config(share=0.0)}, "share is 0"),
    ):
        with pytest.raises(OcellusError, match=wanted) as caught:
            max_patches.explain(Crosses(), one, **given)
        assert caught.value.exit_code == 2
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 22 * 30, 2))
    with pytest.raises(
        OcellusError, match=r"1 puts out .* no places in the picture.*the last such layer is 0"
    ):
        max_patches.explain(flat, one, layer="1")
    with pytest.raises(OcellusError, match="takes no pictures"):
        max_patches.explain(nn.Sequential(nn.Linear(10, 3)), one)
    with pytest.raises(OcellusError, match="no picture was given"):
        max_patches.explain(Crosses(), [])
    with pytest.raises(OcellusError, match=r"absent\.png"):
        max_patches.explain(Crosses(), [tmp_path / "absent.png"])
