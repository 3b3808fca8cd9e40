"""Lightning's Trainer, switched off but for the loop, and where it calls a Run."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from ocellus.training.devices import choose_precision
from ocellus.training.plan import Plan
from ocellus.training.run import Run


class Hooks(Callback):
    """Calls a Run where lightning has come to the place for it."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.run.stop.take()
        precision = trainer.strategy.precision_plugin
        self.run.begin(trainer.optimizers, context=precision.train_step_context)
        if self.run.stopping:
            trainer.should_stop = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.run.stop.take()  # lightning's handler of SIGTERM waits for other processes

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.run.begin_batch(batch)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        self.run.check_loss(loss)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        self.run.check_gradients(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.run.end_batch(outputs):
            trainer.should_stop = True


def make_trainer(plan: Plan, device: str, *, callback: Callback, recipe: LightningModule) -> Trainer:
    """A Trainer that only trains: all that it could do besides is switched off."""
    kind, _, index = device.partition(":")
    settings, place = plan.settings, plan.layout
    several = place.world > 1
    strategy: Any = "auto"
    if several:
        strategy = DDPStrategy(
            find_unused_parameters="find_unused" in getattr(recipe, "strategy", "ddp"),
            process_group_backend="nccl" if kind == "cuda" else "gloo",
        )
    precision = choose_precision(settings.precision, device)
    return Trainer(
        accelerator="gpu" if kind == "cuda" else kind,
        devices=place.local_world if several else [int(index)] if index else 1,
        num_nodes=place.world // place.local_world,
        strategy=strategy,
        plugins=[TorchElasticEnvironment() if several else LightningEnvironment()],
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=1,  # the row of batches is the run
        accumulate_grad_batches=settings.accumulate if recipe.automatic_optimization else 1,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Threads that add in any order would make a resumed run another one.
        deterministic=True if settings.deterministic else "warn" if kind == "cpu" else False,
        default_root_dir=plan.folder,
        callbacks=[callback],
    )


@contextlib.contextmanager
def determinism_restored() -> Iterator[None]:
    """Afterwards torch is as deterministic as before; meanwhile it does not spend time on filling memory."""
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without lightning's remarks on devices, workers, loggers and products."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        for remark in (".*does not have a deterministic implementation", "Grad strides do not match bucket"):
            warnings.filterwarnings("ignore", message=remark)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
