"""Train a recipe: one function over lightning's Trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from ocellus.errors import OcellusError
from ocellus.training import checkpoint
from ocellus.training.devices import choose_device
from ocellus.training.distributed import layout
from ocellus.training.failures import understood
from ocellus.training.loader import Drawn, make_loader
from ocellus.training.memory import keep_freed_memory
from ocellus.training.plan import BEST, Plan, Samples, Save, State, Validate
from ocellus.training.progress import choose_show, say
from ocellus.training.run import Run
from ocellus.training.sampler import Keys, steps_of
from ocellus.training.settings import Fit, check
from ocellus.training.signals import Interrupted, Stop
from ocellus.training.trainer import Hooks, determinism_restored, make_trainer, quiet


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """How a run ended.

    Args:
        step: optimizer steps done.
        steps: optimizer steps planned; fewer are done where patience ended the run.
        best: the file of the best weights.
        best_step: the step they are from.
        metrics: their validation's figures.
    """

    step: int
    steps: int
    best: Path
    best_step: int
    metrics: dict[str, float]


def fit(
    recipe: LightningModule,
    *,
    examples: Drawn,
    collate: Callable[[list[Any]], Any],
    validate: Validate | None,
    monitor: str,
    folder: Path,
    settings: Fit,
    save: Save,
    resume: bool = False,
    lower_is_better: bool = False,
    keep_seconds: float = 300.0,
    samples: Samples | None = None,
) -> FitResult:
    """Train a recipe until its steps are done, patience is at its end, or a signal comes.

    On the CPU this process keeps from then on the memory that it frees (`training.memory`).

    The run's folder gets last.ckpt, previous.ckpt, best.safetensors, metrics.jsonl and a TensorBoard file. A
    run that was killed at any moment and is resumed ends with the same bits, on the CPU, as one that was not.

    Args:
        recipe: its `network` is what is validated and kept; `training_step(batch, index)` returns the terms
            of the loss by name, their sum as "loss". `configure_optimizers` returns optimizers alone: the
            learning rates follow the settings' schedule. Before each step its `step` is set to the number of
            steps done. With manual optimization there may be several optimizers. State besides modules and
            buffers goes through `on_save_checkpoint` and `on_load_checkpoint`: tensors and plain values. An
            attribute `strategy`, "ddp" or "ddp_find_unused_parameters_true", is for several processes.
        examples: drawn by (epoch, index), on which alone what they yield may depend.
        collate: a list of them -> batch.
        validate: measures the network, on the device that it finds it on; None: not measured.
        monitor: the figure that decides which weights are best.
        folder: of the run; with several machines, one that all of them see.
        settings: how long, how fast and on what.
        save: writes best.safetensors.
        resume: go on from the folder's checkpoint, from the start where there is none.
        lower_is_better: of the figure `monitor`.
        keep_seconds: time after which last.ckpt is written again, besides after each validation.
        samples: sheets of what the network makes, written to the folder `samples` and for TensorBoard at each
            validation, by the first process alone.

    Raises:
        OcellusError: settings that make no sense, a folder that cannot be written, a loss that is not finite.
        Interrupted: Ctrl-C or SIGTERM; the folder can be resumed.
    """
    check(settings)
    if settings.accumulate > 1 and not recipe.automatic_optimization:
        raise OcellusError(
            f"--accumulate {settings.accumulate}: two networks that play against each other both step with "
            "each batch; give a larger --batch-size",
            exit_code=2,
        )
    place = layout()
    device = choose_device(settings.device)
    if not len(examples):
        raise OcellusError("there are no pictures to train on; `ocellus check DATA` tells why")
    if place.rank == 0:
        checkpoint.make_folder(folder)
    if not resume and (folder / checkpoint.LAST).exists():
        raise OcellusError(f"{folder} already holds a run: resume it, or give another folder", exit_code=2)
    plan = Plan(
        settings=settings,
        folder=folder,
        steps=steps_of(settings, count=len(examples), world=place.world),
        count=len(examples),
        layout=place,
        validate=validate,
        save=save,
        monitor=monitor,
        lower_is_better=lower_is_better,
        keep_seconds=keep_seconds,
        samples=samples,
    )
    if device == "cpu":
        keep_freed_memory()
    state, saved = take_up(recipe, plan, resume=resume)
    if state.validated < plan.steps and not state.exhausted(settings.patience):
        loader = make_loader(
            examples,
            collate,
            keys=keys_of(plan, first=state.step),
            workers=settings.workers,
            device=device,
        )
        train(recipe, loader, plan=plan, state=state, saved=saved, device=device)
    return FitResult(
        step=state.step,
        steps=plan.steps,
        best=folder / BEST,
        best_step=state.best_step,
        metrics=state.metrics,
    )


def take_up(recipe: LightningModule, plan: Plan, *, resume: bool) -> tuple[State, dict[str, Any] | None]:
    """Put the folder's checkpoint into the recipe; how far it is, and what `Run.begin` needs of it.

    Raises:
        OcellusError: it is damaged, or of a run with other settings or another network.
    """
    talk = say if plan.layout.rank == 0 else lambda _: None
    saved = checkpoint.read(plan.folder, say=talk) if resume else None
    if saved is None:
        return State(), None
    plan.compare(saved["facts"])
    try:
        recipe.load_state_dict(saved["recipe"])
    except RuntimeError as error:
        raise OcellusError(
            f"{plan.folder} was trained with another network ({str(error).splitlines()[-1].strip()}): resume "
            "with the settings it was started with",
            exit_code=2,
        ) from error
    recipe.on_load_checkpoint(saved["extra"])
    return State(**saved["state"]), saved


def keys_of(plan: Plan, *, first: int) -> Keys:
    """The keys of the batches from step `first` to the end of the run."""
    settings = plan.settings
    return Keys(
        plan.count,
        batch_size=settings.batch_size,
        seed=settings.seed,
        first=first * settings.accumulate,
        last=plan.steps * settings.accumulate,
        rank=plan.layout.rank,
        world=plan.layout.world,
    )


def train(
    recipe: LightningModule,
    loader: Any,
    *,
    plan: Plan,
    state: State,
    saved: dict[str, Any] | None,
    device: str,
) -> None:
    """Go through the batches; see `fit`."""
    stop = Stop()
    show = choose_show(plan.steps, done=state.step, first=plan.layout.rank == 0)
    run = Run(recipe, plan, state=state, saved=saved, show=show, stop=stop)
    try:
        with quiet(), determinism_restored(), stop.watching():
            trainer = make_trainer(plan, device, callback=Hooks(run), recipe=recipe)
            trainer.fit(recipe, loader)
    except OcellusError:
        raise
    except (KeyboardInterrupt, SystemExit) as error:  # lightning turns the one into the other
        raise interrupted(plan, run.kept_step, stop.reason or "Ctrl-C") from error
    except Exception as error:
        cause = understood(error) or run.explain(error)
        if cause is None:
            raise
        raise cause from error
    finally:
        run.close()
    if run.stopping:
        raise interrupted(plan, run.kept_step, run.stopping)


def interrupted(plan: Plan, step: int, reason: str) -> Interrupted:
    """The error that says how to go on."""
    return Interrupted(
        f"stopped by {reason}; {plan.folder / checkpoint.LAST} holds step {step} of {plan.steps}: the same "
        "command with --resume goes on from there",
        step=step,
    )
