"""Scenes: the same for the same seed, masks exact, varied, and a data set on disk without faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ocellus.data.check import check
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.data.synthetic import CLASSES, scene, write_scenes
from ocellus.data.synthetic.outlines import KINDS, outline
from ocellus.data.synthetic.scene import SMALLEST, put
from ocellus.data.synthetic.surfaces import Material
from ocellus.data.synthetic.textures import PHOTOGRAPHS, photograph
from ocellus.values.rings import area


def test_the_same_seed_gives_the_same_scene() -> None:
    one, two, other = scene(3, 5), scene(3, 5), scene(4, 5)
    assert one.picture is not None and two.picture is not None and other.picture is not None
    assert one.masks is not None and two.masks is not None
    assert torch.equal(one.picture.pixels, two.picture.pixels)
    assert torch.equal(one.masks.dense(), two.masks.dense()) and torch.equal(one.labels, two.labels)
    assert not torch.equal(one.picture.pixels, other.picture.pixels)


def test_scenes_are_varied_and_their_masks_disjoint() -> None:
    labels, counts, sides, grey = [], [], [], 0
    for index in range(30):
        found = scene(0, index, size=(160, 200))
        assert found.size == (160, 200) and found.picture is not None and found.masks is not None
        assert found.names == CLASSES
        if len(found):
            assert int(found.masks.dense().sum(dim=0).max()) == 1
            assert int(found.masks.areas().min()) >= SMALLEST
            assert torch.equal(found.boxes, found.masks.bounds().float())
        labels += found.labels.tolist()
        counts.append(len(found))
        sides += (found.boxes[:, 2] - found.boxes[:, 0]).tolist()
        grey += bool((found.picture.pixels[0] == found.picture.pixels[2]).all())
    assert set(labels) == set(range(len(CLASSES)))
    assert min(counts) <= 4 and max(counts) >= 20
    assert min(sides) < 16 and max(sides) > 50
    assert 5 <= grey <= 25


def test_a_thing_is_painted_where_its_mask_says() -> None:
    for kind in KINDS:
        dice = np.random.default_rng(1)
        canvas = np.zeros((80, 80, 3), np.float32)
        owner = np.full((80, 80), -1, np.int16)
        material = Material(dice, ground=0.0, color=0.5, light=0.3)
        material.lightness, material.emboss, material.edge, material.grain = 0.8, 0.0, 0.0, 0.0
        material.paint[:] = 0.8
        rings = tuple(ring * 25 + (40.3, 38.8) for ring in outline(kind, dice))
        put(canvas, owner, rings, dice, material, shadow=0.0, number=7)
        painted, mask = canvas.mean(axis=2), owner == 7
        half = 0.5 * np.median(painted[mask])
        assert mask.sum() > 300
        # A pixel half covered is half as bright; its centre may lie on either side of the outline.
        assert ((painted > half) != mask).mean() < 0.02
        assert painted[mask].min() > 0 and (painted[~mask] < half * 1.9).all()


def test_a_ring_has_a_hole() -> None:
    dice = np.random.default_rng(0)
    assert [len(outline(kind, dice)) for kind in CLASSES] == [1, 2, 1, 1, 1, 1]
    for _ in range(20):
        for kind in CLASSES:
            rings = outline(kind, dice)
            reach = max(float(np.hypot(*ring.T).max()) for ring in rings)
            assert reach == pytest.approx(1.0) and abs(area(rings[0])) > 0.3


def test_the_textures_come_with_scikit_image() -> None:
    for name in PHOTOGRAPHS:
        pixels = photograph(name)
        assert pixels.shape == (512, 512)
        assert float(pixels.mean()) == pytest.approx(0, abs=1e-3) and float(pixels.std()) == pytest.approx(
            1, 1e-3
        )


def test_a_data_set_on_disk(tmp_path: Path) -> None:
    dataset = write_scenes(tmp_path / "scenes", count=4, held_out=2, seed=9, size=(96, 128))
    assert {split: len(records) for split, records in dataset.splits.items()} == {"train": 4, "val": 2}
    assert dataset.labels.names == CLASSES and dataset.format == "coco"
    assert not [finding for finding in check(dataset).findings if finding.severity == "refuse"]
    record = dataset.splits["train"][0]
    read, drawn = instances(record, dataset), scene(9, 2, size=(96, 128))
    assert read.masks is not None and drawn.masks is not None and drawn.picture is not None
    assert torch.equal(read.masks.dense(), drawn.masks.dense())
    assert torch.equal(read.labels, drawn.labels) and torch.equal(read.boxes, drawn.boxes)
    stored = read_picture(record.image).pixels.float()
    assert float((stored - drawn.picture.pixels.float()).abs().mean()) < 12  # it is a JPEG
