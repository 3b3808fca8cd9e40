"""Training Mask R-CNN: its steps, that it learns, that no parameter is left out, that it resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ocellus.data.dataset import Annotation, Dataset, Record
from ocellus.data.examples import Batch
from ocellus.labels import LabelMap, Skeleton
from ocellus.see.mask_rcnn.config import TINY, Config, Train
from ocellus.see.mask_rcnn.recipe import Recipe
from ocellus.training.fit import fit
from ocellus.training.optimizers import backbone_stage
from ocellus.training.settings import Fit

FAST = Fit(steps=4, batch_size=2, precision="32", warmup_steps=0, learning_rate=2e-3, log_every=1)
SKELETON = Skeleton(names=("left", "right"), flip_pairs=((0, 1),), sigmas=(0.1, 0.1))


def dataset(folder: Path, *, pictures: int = 4, empty: tuple[int, ...] = ()) -> Dataset:
    """Bright and dark squares on grey; their corners are keypoints."""
    dice = np.random.default_rng(0)
    records = []
    for number in range(pictures):
        pixels = np.full((64, 64, 3), 128, np.uint8)
        found = []
        for label in () if number in empty else (0, 1):
            side = int(dice.integers(14, 24))
            x, y = (int(value) for value in dice.integers(0, 32 - side // 2, 2))
            x += 32 * label
            x = min(x, 64 - side)
            pixels[y : y + side, x : x + side] = 250 if label else 10
            corners = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float64)
            points = ((x + 1.0, y + 1.0, 2.0), (x + side - 1.0, y + 1.0, 2.0))
            found.append(Annotation(label=label, rings=(corners,), keypoints=points))
        name = f"{number}.png"
        Image.fromarray(pixels).save(folder / name)
        records.append(
            Record(image=folder / name, name=name, size=(64, 64), annotations=tuple(found), source="test")
        )
    return Dataset(
        root=folder,
        format="labelme",
        labels=LabelMap(("dark", "bright")),
        splits={"train": tuple(records), "val": tuple(records[:2])},
        skeleton=SKELETON,
    )


def write_coco(folder: Path, *, pictures: int, empty: tuple[int, ...] = ()) -> None:
    """The same squares as files."""
    (folder / "images").mkdir(parents=True)
    records = dataset(folder / "images", pictures=pictures, empty=empty).splits["train"]
    images, annotations = [], []
    for number, record in enumerate(records):
        images.append({"id": number, "file_name": record.name, "width": 64, "height": 64})
        for entry in record.annotations:
            ring = entry.rings[0]
            (x, y), (width, height) = ring.min(axis=0).tolist(), np.ptp(ring, axis=0).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": entry.label + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "segmentation": [ring.flatten().tolist()],
                }
            )
    categories = [{"id": 1, "name": "dark"}, {"id": 2, "name": "bright"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))


def recipe(config: Config = TINY, settings: Fit = FAST) -> Recipe:
    return Recipe(config, Train(), settings, LabelMap(("dark", "bright")), SKELETON)


def batch_of(made: Recipe, data: Dataset, indices: tuple[int, ...] = (0, 1)) -> Batch:
    examples = made.examples(data, "train")
    return made.collate([examples[0, index] for index in indices])


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def train(folder: Path, data: Dataset, settings: Fit, **more: object) -> dict[str, Tensor]:
    made = recipe(settings=settings)
    arguments = {
        "examples": made.examples(data, "train"),
        "collate": made.collate,
        "validate": made.validator(data, "val"),
        "monitor": made.monitor,
        "folder": folder,
        "settings": settings,
        "save": save,
        **more,
    }
    fit(made, **arguments)
    return load_file(folder / "best.safetensors")


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"mask"}),
        ({"mask_branch": False}, set()),
        ({"mask_softmax": True}, {"mask"}),
        ({"mask_per_class": False}, {"mask"}),
        ({"keypoints": 2, "keypoint_layers": 1}, {"mask", "keypoint"}),
        ({"keypoints": 2, "keypoint_layers": 1, "mask_branch": False}, {"keypoint"}),
    ],
)
@pytest.mark.parametrize("empty", [(), (0, 1)], ids=["objects", "no objects"])
def test_terms_and_gradients(
    tmp_path: Path, changes: dict[str, object], terms: set[str], empty: tuple[int, ...]
) -> None:
    """Every parameter has a gradient, whatever there is to find: processes wait for each other's."""
    made = recipe(replace(TINY, **changes))
    batch = batch_of(made, dataset(tmp_path, empty=empty))
    assert sum(len(target.boxes) for target in batch.targets) == (0 if empty else 4)
    found = made.training_step(batch, 0)
    assert set(found) == {"loss", "proposal_score", "proposal_box", "class", "box"} | terms
    parts = [value for name, value in found.items() if name != "loss"]
    torch.testing.assert_close(found["loss"], sum(parts))
    found["loss"].backward()
    missing = [name for name, value in made.network.named_parameters() if value.grad is None]
    assert not missing
    assert all(value.grad.isfinite().all() for value in made.network.parameters())
    nothing = {"box", "mask", "keypoint", "proposal_box"} & set(found)
    assert all((found[name] == 0) == bool(empty) for name in nothing)


def test_learns(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    settings = replace(FAST, steps=120, batch_size=4, validate_every=120, learning_rate=5e-3, log_every=20)
    made = recipe(settings=settings)
    before = made.validator(data, "val")(made.network)
    out = tmp_path / "run"
    fit(
        made,
        examples=made.examples(data, "train"),
        collate=made.collate,
        validate=made.validator(data, "val"),
        monitor="mask/AP50",
        folder=out,
        settings=settings,
        save=save,
    )
    after = made.validator(data, "val")(made.network)
    assert before["mask/AP50"] < 0.1
    assert after["mask/AP50"] > 0.8 and after["box/AP50"] > 0.8
    assert {"box/AP", "mask/AP", "mask/AP/dark"} <= set(after) and not made.network.mean.requires_grad


def test_resumed_is_bit_equal(tmp_path: Path) -> None:
    """With the whole network, augmentation and a worker, stopped in the middle of an epoch of 2 steps."""
    data = dataset(tmp_path, pictures=5, empty=(3,))
    whole = train(tmp_path / "whole", data, replace(FAST, steps=5, ema=0.9))

    class Enough(Exception):
        pass

    calls = []

    def stop(network: nn.Module) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise Enough
        return {"mask/AP": 0.0}

    settings = replace(FAST, steps=5, ema=0.9, workers=1)
    with pytest.raises(Enough):
        train(tmp_path / "parts", data, settings, validate=stop, keep_seconds=0.0)
    parts = train(tmp_path / "parts", data, settings, resume=True)
    last = [torch.load(tmp_path / name / "last.ckpt") for name in ("whole", "parts")]
    assert last[0]["step"] == last[1]["step"] == 5
    for name, value in last[0]["recipe"].items():
        assert torch.equal(value, last[1]["recipe"][name]), name
    assert whole.keys() == parts.keys()


def test_bf16_losses_are_close(tmp_path: Path) -> None:
    made = recipe()
    batch = batch_of(made, dataset(tmp_path))
    torch.manual_seed(0)
    exact = made.training_step(batch, 0)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.training_step(batch, 0)
    assert all(value.dtype == torch.float32 for value in rough.values())
    for name in ("proposal_score", "proposal_box", "class"):
        torch.testing.assert_close(rough[name], exact[name], rtol=0.05, atol=0.01)


def test_same_seed_same_weights() -> None:
    first, second, other = recipe(), recipe(), recipe(settings=replace(FAST, seed=1))
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.network.box.linear1.weight, other.network.box.linear1.weight)


def test_keypoints_are_measured_where_a_picture_has_none(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    bare = [
        replace(entry, keypoints=None, rings=None, box=(1, 1, 9, 9))
        for entry in data.splits["val"][0].annotations
    ]
    records = (replace(data.splits["val"][0], annotations=tuple(bare)), data.splits["val"][1])
    data = replace(data, splits={**data.splits, "val": records})
    made = recipe(replace(TINY, keypoints=2, keypoint_layers=1))
    figures = made.validator(data, "val")(made.network)
    assert made.monitor == "keypoint/AP" and {"keypoint/AP", "mask/AP", "box/AP"} <= set(figures)


def test_monitor_and_splits(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert recipe().monitor == "mask/AP"
    assert recipe(replace(TINY, mask_branch=False)).monitor == "box/AP"
    assert recipe().validator(replace(data, splits={"train": data.splits["train"]}), "val") is None


def test_backbone_learns_more_slowly() -> None:
    settings = replace(FAST, backbone_rate=0.1, layer_decay=0.5)
    optimizer = recipe(settings=settings).configure_optimizers()
    rates = {round(group["lr"] / settings.learning_rate, 6) for group in optimizer.param_groups}
    assert rates == {1.0, 0.1, 0.05, 0.025, 0.0125, 0.00625}
    names = ["backbone.stem.conv.weight", "backbone.stages.3.0.conv1.conv.weight", "pyramid.output.0.bias"]
    assert [backbone_stage(name) for name in names] == [0, 4, None]
