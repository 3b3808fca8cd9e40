"""The demonstration: learn from synthetic scenes, then look at real photographs."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ocellus import weights
from ocellus.data.synthetic import write_scenes
from ocellus.draw.instances import draw_instances
from ocellus.errors import OcellusError
from ocellus.jobs import settings as run_settings
from ocellus.jobs.evaluate import evaluate
from ocellus.jobs.model import Model, load
from ocellus.jobs.photographs import COINS, VIEWS, coins_found, photograph
from ocellus.jobs.settings import Settings
from ocellus.jobs.train import train_settings
from ocellus.report.evaluation import Photograph
from ocellus.report.run import write_report
from ocellus.values import Instances, Picture

SYSTEM = "see/mask_rcnn"
STEPS = 900
SCORE = 0.5
SCENES, HELD_OUT = 300, 40
MARK = "README.txt"  # in the scenes' folder
OTHERS = ("coffee", "cell")
KNOWS = (
    "discs, rings, boxes, triangles, stars and crosses, from synthetic scenes on the textures brick, grass "
    "and gravel of scikit-image. It has seen no photograph of a thing: what it calls a disc may be a coin"
)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demonstration achieved.

    Args:
        coins: for each view of the photograph the coins found and the false detections.
        metrics: of the held-out scenes.
        seconds: of the whole, scenes and report included.
        report: the page.
        weights: the model.
    """

    coins: dict[str, tuple[int, int]]
    metrics: dict[str, float]
    seconds: float
    report: Path
    weights: Path

    def lines(self) -> list[str]:
        """The figures, as the command prints them at its end."""
        hits, false = self.coins["as it is"]
        more = [
            f"{view}: {found} of {len(COINS)}, false {wrong}"
            for view, (found, wrong) in self.coins.items()
            if view != "as it is"
        ]
        masks, boxes = self.metrics["mask/AP"], self.metrics["box/AP"]
        return [
            f"the model knows {KNOWS}",
            f"the coins {'; '.join(more)}",
            f"coins found {hits} of {len(COINS)}, false {false}",
            f"AP {masks:.3f} of masks, {boxes:.3f} of boxes, on {HELD_OUT} scenes it has not seen",
            f"seconds {self.seconds:.0f}",
            f"report {self.report}",
        ]


def demo(
    *,
    seed: int = 0,
    steps: int = STEPS,
    out: str | Path = "runs/demo",
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> Demo:
    """Draw scenes, train a small Mask R-CNN on them, measure it, and look for coins in a real photograph.

    Args:
        seed: of the scenes, the weights and the order.
        steps: of training.
        out: the run's folder; an earlier demonstration there makes way. The scenes lie beside it.
        resume: go on where an interrupted demonstration in `out` stopped, with its own seed and steps.
        say: is told what happens, a line at a time.

    Raises:
        OcellusError: the folder holds something else, or cannot be written to.
    """
    begin = time.perf_counter()
    folder = Path(out)
    scenes = folder.with_name(folder.name + "-scenes")
    chosen = settings(seed=seed, steps=steps, data=str(scenes))
    if resume and (folder / "run.toml").is_file():
        chosen = run_settings.read(folder / "run.toml")
    make_way(folder, scenes, resume=resume)
    mark(scenes)
    dataset = write_scenes(scenes, count=SCENES, held_out=HELD_OUT, seed=chosen.fit.seed)
    say(f"{SCENES} scenes to learn from and {HELD_OUT} to measure with, in {scenes}: "
        f"{time.perf_counter() - begin:.0f} s")  # fmt: skip
    trained = train_settings(chosen, folder, data=dataset, resume=resume, pictures=0, say=say)
    network, header = weights.load(trained.weights)
    notes = f"Knows {KNOWS}."
    data = (
        f"{SCENES} synthetic scenes of 256x256 (ocellus.data.synthetic, seed {chosen.fit.seed}); their "
        "textures are photographs of brick, grass and gravel that scikit-image carries (CC0)"
    )
    header = replace(header, notes=notes, licence="Apache-2.0", data=data)
    weights.save(trained.weights, network, header, half=True)  # as small as the file that is shipped
    model = load(trained.weights)
    evaluated = evaluate(model, dataset, split="val", out=folder)
    coins, shown = look(model)
    report = write_report(folder, evaluation=evaluated.found, photographs=shown)
    seconds = time.perf_counter() - begin
    return Demo(
        coins=coins, metrics=evaluated.metrics, seconds=seconds, report=report, weights=trained.weights
    )


def settings(*, seed: int, steps: int, data: str) -> Settings:
    """A Mask R-CNN that learns within minutes on two cores: half as wide as usual, its branches a quarter."""
    begin = run_settings.defaults(SYSTEM, data, preset="small")
    return begin.with_values(
        width=32, fpn_channels=64, box_channels=224, mask_channels=64, mask_layers=2,
        anchor_sizes=(12.0, 24.0, 48.0, 96.0, 192.0), proposals_before_nms=200, proposals=100,
        short_side=256, long_side=512,
        anchors_per_picture=64, regions_per_picture=64, region_positive=0.35,
        scale_low=1.0, scale_high=1.0, color=0.0, flip=0.5, flip_vertical=0.0, turn=0.75,
        steps=steps, batch_size=4, learning_rate=8e-4, weight_decay=0.05, warmup_steps=60,
        clip=5.0, ema=0.0, validate_every=steps, seed=seed,
    )  # fmt: skip


def look(model: Model) -> tuple[dict[str, tuple[int, int]], list[Photograph]]:
    """The coins in every view of their photograph, and what else there is in the others.

    Returns:
        Coins found and false detections by view, and the pictures for the report.
    """
    counts: dict[str, tuple[int, int]] = {}
    shown = []
    for view, change in VIEWS.items():
        picture, places = change(photograph("coins"), COINS)
        found = sure(model, picture)
        hits, false = counts[view] = coins_found(found, places)
        caption = f"{hits} of {len(COINS)} coins found as discs, {false} false, at a score of {SCORE} or more"
        shown.append(_drawn(picture, found, title=f"Coins, {view}", caption=caption))
    for name in OTHERS:
        picture = photograph(name)
        found = sure(model, picture)
        kinds = Counter(found.name(index) for index in range(len(found)))
        said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "nothing"
        shown.append(_drawn(picture, found, title=name.capitalize(), caption=f"Found: {said}"))
    return counts, shown


def sure(model: Model, picture: Picture) -> Instances:
    """What a model finds with a score of 0.5 or more."""
    found: Instances = model(picture)
    assert found.scores is not None
    return found[found.scores >= SCORE]


def make_way(folder: Path, scenes: Path, *, resume: bool) -> None:
    """Remove an earlier demonstration, recognised by its run.toml, and its scenes, by what `mark` wrote.

    Raises:
        OcellusError: a folder holds something else. Exit code 2.
    """
    run = folder / "run.toml"
    ours = {
        folder: run.is_file() and Path(run_settings.read(run).data).name == scenes.name,
        scenes: (scenes / MARK).is_file(),
    }
    for place, known in ours.items():
        if not known and place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise OcellusError(f"{place} is there and is no demonstration: give a new --out", exit_code=2)
    for place, known in ours.items():
        if known and not resume:
            shutil.rmtree(place, ignore_errors=True)


def mark(scenes: Path) -> None:
    """Say in the scenes' folder what it is.

    Raises:
        OcellusError: it cannot be written to.
    """
    try:
        scenes.mkdir(parents=True, exist_ok=True)
        (scenes / MARK).write_text(
            "Scenes drawn by `ocellus demo`, which removes them when it is run again.\n"
        )
    except OSError as error:
        message = f"{scenes} cannot be written to ({error.strerror}): give another --out"
        raise OcellusError(message, exit_code=2) from error


def _drawn(picture: Picture, found: Instances, *, title: str, caption: str) -> Photograph:
    drawn = draw_instances(picture, found, longest=900)
    return Photograph(picture=drawn, title=title, caption=caption)
