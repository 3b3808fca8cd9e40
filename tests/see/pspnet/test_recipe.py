"""Training PSPNet: its terms, that it learns, that no parameter is left out, that batches make sense."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from ocellus.data.dataset import Dataset, Record
from ocellus.data.label_examples import LabelBatch
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.segmentation_losses import cross_entropy, dice
from ocellus.see.pspnet.config import PRESETS, TINY, Config, Train, adapt
from ocellus.see.pspnet.inference import predict
from ocellus.see.pspnet.loss import losses
from ocellus.see.pspnet.model import Raw, build
from ocellus.see.pspnet.recipe import Recipe
from ocellus.training.fit import fit
from ocellus.training.optimizers import backbone_stage
from ocellus.training.settings import Fit
from ocellus.values import Picture

FAST = Fit(steps=4, batch_size=2, precision="32", warmup_steps=0, learning_rate=5e-3, log_every=1)
LABELS = LabelMap(("ground", "disc"))


class Stored:
    """A label map in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> NDArray[uint8]:
        return np.array(Image.open(self.path), dtype=np.uint8)


def dataset(folder: Path, *, pictures: int = 4, blank: bool = False) -> Dataset:
    """Bright discs on a dark ground; a border that nobody annotated."""
    dice_ = np.random.default_rng(0)
    y, x = np.mgrid[:64, :80]
    records = []
    for number in range(pictures):
        row, column = dice_.integers(16, 48), dice_.integers(16, 64)
        disc = (y - row) ** 2 + (x - column) ** 2 < 14**2
        pixels = np.where(disc[:, :, None], (220, 180, 60), (40, 60, 80)) + dice_.integers(
            -20, 20, (64, 80, 3)
        )
        labels = disc.astype(np.uint8)
        labels[:2] = 255
        if blank:
            labels[:] = 255
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(labels).save(folder / f"{number}_map.png")
        records.append(
            Record(
                image=folder / f"{number}.png",
                name=f"{number}.png",
                size=(64, 80),
                source="test",
                label_map=Stored(folder / f"{number}_map.png"),
            )
        )
    return Dataset(
        root=folder,
        format="class_masks",
        labels=LABELS,
        splits={"train": tuple(records), "val": tuple(records[:2])},
    )


def recipe(config: Config = TINY, settings: Fit = FAST, *, sampling: Train = Train()) -> Recipe:  # noqa: B008
    return Recipe(config, sampling, settings, LABELS)


def batch_of(made: Recipe, data: Dataset) -> LabelBatch:
    examples = made.examples(data, "train")
    return made.collate([examples[0, index] for index in range(2)])


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


@pytest.mark.parametrize("kind", ["cross_entropy", "cross_entropy+dice", "balanced", "ohem"])
@pytest.mark.parametrize("blank", [False, True], ids=["labelled", "all ignored"])
def test_terms_and_gradients(tmp_path: Path, kind: str, blank: bool) -> None:
    """Every parameter has a gradient, whatever there is to see: processes wait for each other's."""
    made = recipe(sampling=Train(loss=kind))
    found = made.training_step(batch_of(made, dataset(tmp_path, blank=blank)), 0)
    assert set(found) == {"loss", "segmentation", "auxiliary"}
    torch.testing.assert_close(found["loss"], found["segmentation"] + found["auxiliary"])
    assert (found["loss"] == 0) == blank
    found["loss"].backward()
    assert not [name for name, value in made.network.named_parameters() if value.grad is None]
    assert all(value.grad.isfinite().all() for value in made.network.parameters())


def test_terms_by_hand() -> None:
    torch.manual_seed(0)
    logits, second = torch.randn(2, 2, 3, 4), torch.randn(2, 2, 3, 4)
    maps = torch.randint(0, 2, (2, 3, 4))
    found = losses(Raw(logits, second), maps, train=Train())
    assert found["segmentation"].item() == pytest.approx(cross_entropy(logits, maps).item())
    assert found["auxiliary"].item() == pytest.approx(0.4 * cross_entropy(second, maps).item())
    both = losses(Raw(logits, second), maps, train=Train(loss="cross_entropy+dice"))
    assert both["segmentation"].item() == pytest.approx(
        (cross_entropy(logits, maps) + dice(logits, maps)).item()
    )
    assert both["auxiliary"].item() == found["auxiliary"].item()
    assert set(losses(Raw(logits, None), maps, train=Train())) == {"segmentation"}


def test_learns(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    settings = replace(FAST, steps=120, validate_every=120, learning_rate=0.03)
    made = recipe(settings=settings)
    validate = made.validator(data, "val")
    assert validate is not None
    before = validate(made.network)["mIoU"]
    result = fit(
        made,
        examples=made.examples(data, "train"),
        collate=made.collate,
        validate=validate,
        monitor=made.monitor,
        folder=tmp_path / "run",
        settings=settings,
        save=save,
    )
    assert result.metrics["mIoU"] > 0.8 > before
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "segmentation", "auxiliary"} <= set(lines[0])


def test_overfits_one_picture(tmp_path: Path) -> None:
    """And finds the disc at the picture's own size, in every pixel but some of its border."""
    torch.manual_seed(0)
    data = dataset(tmp_path, pictures=2)
    made = recipe(sampling=Train(flip=0.0))
    batch = batch_of(made, data)
    optimizer = torch.optim.AdamW(made.network.parameters(), lr=0.02)
    for step in range(80):
        optimizer.zero_grad()
        made.training_step(batch, step)["loss"].backward()
        optimizer.step()
    record = data.splits["train"][0]
    truth = torch.from_numpy(record.label_map().copy())
    pixels = torch.from_numpy(np.asarray(Image.open(record.image)).copy()).permute(2, 0, 1)
    found = predict(made.network, Picture(pixels=pixels)).labels
    known = truth != 255
    assert (found == truth)[known].float().mean() > 0.97


def test_one_picture_a_batch_needs_another_norm() -> None:
    settings = replace(FAST, batch_size=1)
    with pytest.raises(OcellusError, match="--norm group") as caught:
        recipe(replace(TINY, norm="batch"), settings)
    assert caught.value.exit_code == 2
    recipe(TINY, settings)
    recipe(replace(TINY, norm="batch", bins=(2, 3)), settings)


def test_adapt(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert adapt(Config(), data, pretrained=False).classes == 2
    assert adapt(Config(norm="frozen"), data, pretrained=True).norm == "frozen"
    with pytest.raises(OcellusError, match="frozen norms"):
        adapt(Config(norm="frozen"), data, pretrained=False)
    with pytest.raises(OcellusError, match="takes two"):
        adapt(Config(), replace(data, labels=LabelMap(("disc",))), pretrained=False)
    bare = {"train": tuple(replace(record, label_map=None) for record in data.splits["train"])}
    with pytest.raises(OcellusError, match="no label maps"):
        adapt(Config(), replace(data, splits=bare), pretrained=False)
    with pytest.raises(OcellusError, match="channels"):
        adapt(Config(channels=5), data, pretrained=False)


def test_presets_can_be_built() -> None:
    for name, (config, _, settings) in PRESETS.items():
        if name != "paper":
            Recipe(config, Train(), settings, LABELS)
    with torch.device("meta"):
        build(PRESETS["paper"][0])


def test_stages_of_both_backbones() -> None:
    names = [name for name, _ in build(TINY).named_parameters()]
    assert {backbone_stage(name) for name in names} == {0, 1, 2, 3, 4, None}
    assert backbone_stage("backbone.stem.weight") == 0 and backbone_stage("backbone.wider.3.conv.weight") == 4
    assert backbone_stage("fusion.direct.weight") is None and backbone_stage("auxiliary.score.bias") is None
