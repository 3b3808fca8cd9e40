"""What every system that trains must keep: killed and resumed is uninterrupted, two processes are one.

Used by the systems' tests; run as a script it is one of the two processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ocellus import catalog, weights
from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.jobs.settings import defaults
from ocellus.training.fit import fit

SHORT = {
    "steps": 6,
    "validate_every": 3,
    "log_every": 1,
    "precision": "32",
    "device": "cpu",
    "warmup_steps": 0,
}


class Killed(Exception):
    """Stands for the end of a process."""


def make(system: str, dataset: Dataset, values: dict[str, Any]) -> Any:
    """A recipe with the settings of the preset "tiny", some of them changed."""
    module = catalog.system(system)
    settings = defaults(system, str(dataset.root), preset="tiny").with_values(**{**SHORT, **values})
    config = module.adapt(settings.config, dataset, pretrained=False)
    return module.Recipe(config, settings.train, settings.fit, dataset.labels, dataset.skeleton)


def mortal(recipe: Any, *, step: int) -> Any:
    """The recipe, dying in a step: of two optimizers, when the first has stepped and the second has not."""
    backward, training_step, count = recipe.manual_backward, recipe.training_step, [0]

    def dying_backward(*arguments: Any, **options: Any) -> Any:
        count[0] += recipe.step == step
        if count[0] >= (2 if recipe_discriminator(recipe) else 1):
            raise Killed
        return backward(*arguments, **options)

    def dying_step(_: Any, batch: Any, index: int) -> Any:
        if recipe.automatic_optimization and recipe.step == step:
            raise Killed
        return training_step(batch, index)

    recipe.manual_backward = dying_backward
    recipe.training_step = MethodType(dying_step, recipe)  # lightning counts the arguments
    return recipe


def train(recipe: Any, dataset: Dataset, folder: Path, *, system: str, resume: bool = False) -> Any:
    """A run of a recipe in a folder."""
    header = weights.describe(system, recipe.config, labels=dataset.labels.names)
    return fit(
        recipe,
        examples=recipe.examples(dataset, "train"),
        collate=recipe.collate,
        validate=recipe.validator(dataset, "val"),
        monitor=recipe.monitor,
        lower_is_better=getattr(recipe, "lower_is_better", False),
        folder=folder,
        settings=recipe.fit,
        save=lambda network, path, metrics: weights.save(path, network, header),
        resume=resume,
    )


def ending(folder: Path) -> dict[str, Tensor]:
    """Every number that a run ends with: networks, optimizers, average, a recipe's own state, the best."""
    content = torch.load(folder / "last.ckpt", weights_only=True)
    found = dict(flat(content["recipe"], "recipe"))
    found |= dict(flat(content["ema"] or {}, "ema"))
    found |= dict(flat(content["extra"], "extra"))
    found |= dict(flat([optimizer["state"] for optimizer in content["optimizers"]], "optimizer"))
    found |= dict(flat(load_file(folder / "best.safetensors"), "best"))
    return found | dict(flat(content["state"]["metrics"], "metrics"))


def flat(value: Any, path: str) -> list[tuple[str, Tensor]]:
    """The numbers in nested values with the path to each."""
    if isinstance(value, Tensor):
        return [(path, value)]
    if isinstance(value, dict):
        return [leaf for name, entry in value.items() for leaf in flat(entry, f"{path}.{name}")]
    if isinstance(value, (list, tuple)):
        return [leaf for index, entry in enumerate(value) for leaf in flat(entry, f"{path}.{index}")]
    number = isinstance(value, (int, float))
    return [(path, torch.tensor(float(value), dtype=torch.float64))] if number else []


def assert_resumes(system: str, dataset: Dataset, tmp_path: Path, **settings: Any) -> dict[str, Tensor]:
    """Killed within the fifth of six steps, and resumed, it ends with the bits of a run that was left alone.

    Args:
        system: "imagine/pix2pix".
        dataset: as the system takes it, with a split "val".
        tmp_path: an empty folder.
        settings: by name, over those of the preset "tiny".

    Returns:
        All numbers that the runs ended with, for further looks.
    """
    fresh = dict(flat(make(system, dataset, settings).state_dict(), "recipe"))
    train(make(system, dataset, settings), dataset, tmp_path / "whole", system=system)
    try:
        train(mortal(make(system, dataset, settings), step=4), dataset, tmp_path / "parts", system=system)
    except Killed:
        pass
    else:
        raise AssertionError("the run was not killed")
    assert torch.load(tmp_path / "parts" / "last.ckpt", weights_only=True)["step"] == 3
    resumed = make(system, dataset, settings | {"seed": settings.get("seed", 0)})
    assert train(resumed, dataset, tmp_path / "parts", system=system, resume=True).step == SHORT["steps"]
    whole, parts = ending(tmp_path / "whole"), ending(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    other = [name for name in whole if not torch.equal(whole[name].nan_to_num(), parts[name].nan_to_num())]
    assert not other, f"{len(other)} of {len(whole)} differ, first {other[0]}"
    moved = [name for name, value in fresh.items() if not torch.equal(value, whole[name])]
    assert moved, "nothing was trained"
    if recipe_discriminator(resumed):
        assert any(".discriminator." in name for name in moved), "the discriminator was not trained"
    assert logged(tmp_path / "whole") == logged(tmp_path / "parts")
    return whole


def recipe_discriminator(recipe: Any) -> bool:
    """Whether a recipe trains a discriminator."""
    found = getattr(recipe, "discriminator", None)
    return found is not None and any(True for _ in found.parameters())


def logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without those that tell the time."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "images_per_second")
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


def assert_two_processes(system: str, dataset: Dataset, tmp_path: Path, **settings: Any) -> None:
    """Two processes, each with batches of its own, end with the same weights, which are not the first ones.

    Args:
        system: "imagine/pix2pix".
        dataset: is read again in each process, from its root, as it was read here.
        tmp_path: an empty folder.
        settings: by name, over those of the preset "tiny".
    """
    values = {"steps": 3, "batch_size": 1, "validate_every": 3, **settings}
    job = {"system": system, "root": str(dataset.root.resolve()), "view": dataset.view, "values": values}
    (tmp_path / "job.json").write_text(json.dumps(job))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "two"}
    command = [sys.executable, __file__, str(tmp_path)]
    started = [
        subprocess.Popen(
            command,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"},
            stderr=(tmp_path / f"errors{rank}").open("w"),
            stdout=subprocess.DEVNULL,
        )
        for rank in (0, 1)
    ]
    try:
        ended = [process.wait(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    assert ended == [0, 0], [(tmp_path / f"errors{rank}").read_text()[-3000:] for rank in (0, 1)]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert first["pictures"] != second["pictures"], "both processes were given the same pictures"
    fresh = make(system, dataset, values).state_dict()
    assert first["weights"].keys() == second["weights"].keys() == fresh.keys()
    for name, value in first["weights"].items():
        if "running_" not in name:  # each process gathers its own, and the first one's count
            assert torch.equal(value, second["weights"][name]), name
    parts = {
        name.split(".")[0] for name, value in fresh.items() if not torch.equal(value, first["weights"][name])
    }
    assert parts >= {"network", *(["discriminator"] if "discriminator" in first["parts"] else [])}, parts


def one_process(folder: Path) -> None:
    """One of the two: trains, and leaves what it ended with."""
    torch.set_num_threads(1)
    job = json.loads((folder / "job.json").read_text())
    dataset = read(job["root"], view=job["view"])
    recipe = make(job["system"], dataset, job["values"])
    step, seen = recipe.training_step, []

    def watched(_: Any, batch: Any, index: int) -> Any:
        seen.append([float(value.float().mean()) for _, value in flat(list(batch), "") if value.ndim])
        return step(batch, index)

    recipe.training_step = MethodType(watched, recipe)
    train(recipe, dataset, folder / "run", system=job["system"])
    state = {name: value.clone() for name, value in recipe.state_dict().items()}
    parts = ["discriminator"] if recipe_discriminator(recipe) else []
    torch.save({"weights": state, "pictures": seen, "parts": parts}, folder / f"rank{os.environ['RANK']}.pt")


if __name__ == "__main__":
    one_process(Path(sys.argv[1]))
