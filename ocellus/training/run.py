"""What happens around each step of a run, whatever the system: seeds, rates, checks, figures, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ocellus.errors import OcellusError
from ocellus.training import checkpoint, guard
from ocellus.training.distributed import Agreement
from ocellus.training.ema import Average
from ocellus.training.loader import Failure
from ocellus.training.log import Log, Window
from ocellus.training.plan import BEST, Plan, State
from ocellus.training.progress import Show, figures
from ocellus.training.samples import write_samples
from ocellus.training.schedules import rate
from ocellus.training.signals import Stop
from ocellus.training.validation import aside, judge, measure


class NotFinite(Exception):
    """Ends a step that is done again to see what is not finite in it."""


class Run:
    """One run in one process. `training.fit` calls the methods in the order in which they stand here.

    Args:
        recipe: a LightningModule with `network`, the product, and one or more optimizers.
        plan: what to do.
        state: where to begin.
        saved: the checkpoint to begin from, or None.
        show: what the user sees.
        stop: says when to end early.
    """

    def __init__(
        self, recipe: Any, plan: Plan, *, state: State, saved: dict[str, Any] | None, show: Show, stop: Stop
    ) -> None:
        self.recipe = recipe
        self.plan = plan
        self.state = state
        self.saved = saved
        self.show = show
        self.stop = stop
        self.window = Window()
        self.log: Log | None = None
        self.batch: Any = None
        self.bad: Any = None
        self.diagnosing = False
        self.stopping = ""
        self.kept_step = state.step
        self.micro = state.step * plan.settings.accumulate

    def begin(self, optimizers: Sequence[Any], *, context: Callable[[], AbstractContextManager[Any]]) -> None:
        """Before the first step, all being where it is to be: take up the checkpoint.

        Args:
            optimizers: of the recipe.
            context: the precision that a training step runs in.
        """
        self.optimizers = optimizers
        self.context = context
        self.agreement = Agreement()
        ema = self.plan.settings.ema
        self.average = Average(self.recipe.network, decay=ema) if ema else None
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        if self.saved is not None:
            for optimizer, state in zip(optimizers, self.saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            if self.average:
                self.average.network.load_state_dict(self.saved["ema"])
            device = next(self.recipe.parameters()).device
            self.window.load_state_dict(self.saved["window"], device=device)
        if self.plan.layout.rank == 0:
            self.log = Log(self.plan.folder, after=self.state.step)
        if self.saved is None:
            self.keep()
        self.kept = self.begun = self.mark = time.monotonic()
        self.first_step = self.state.step
        self.shown: dict[str, float] = {}
        if self.plan.validates(self.state.step) and self.state.validated < self.state.step:
            self._validate()
            self.stopping = self.stop.reason
        self.saved = None

    def begin_batch(self, batch: Any) -> None:
        """Before each batch: what is random in the step depends on the seed and the batch's number alone.

        Raises:
            OcellusError: a picture of the batch could not be read.
        """
        failed = isinstance(batch, Failure)
        if self.agreement.any_of(failed)[0]:
            message = batch.message if failed else "a picture of another process could not be read"
            raise OcellusError(message, exit_code=batch.exit_code if failed else 1)
        self.batch = batch
        self.recipe.step = self.state.step
        self._seed()
        share = rate(self.state.step, steps=self.plan.steps, settings=self.plan.settings)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share

    def check_loss(self, loss: Tensor) -> None:
        """Before each backward. With several processes all go on to `check_gradients`, to stop together."""
        if not guard.finite(loss):
            if self.diagnosing:
                raise NotFinite
            self.bad = self.batch

    def check_gradients(self, optimizer: Any) -> None:
        """Before each optimizer step: clip the gradients.

        Raises:
            OcellusError: the loss or a gradient is not finite; the weights have not been touched by it.
        """
        if self.diagnosing:
            return
        groups = optimizer.param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        norm = get_total_norm([p.grad for p in parameters])
        loss, gradient = self.agreement.any_of(self.bad is not None, not guard.finite(norm))
        if loss and self.bad is None:
            raise OcellusError(f"step {self.state.step + 1} failed in another process, which says why")
        if loss or gradient:
            raise self._report(self.bad if loss else self.batch)
        if self.plan.settings.clip:
            clip_grads_with_norm_(parameters, self.plan.settings.clip, norm)
        self.window.add({"gradient_norm": norm})

    def end_batch(self, outputs: Any) -> bool:
        """After each batch.

        Args:
            outputs: the terms of the loss, by name.

        Returns:
            Whether the run is to end here.
        """
        if isinstance(outputs, Mapping):
            terms = {name: value for name, value in outputs.items() if isinstance(value, Tensor)}
            if "loss" in terms and self.recipe.automatic_optimization:  # has been divided for the sum
                terms["loss"] = terms["loss"] * self.plan.settings.accumulate
            self.window.add(terms)
        self.batch = None
        self.micro += 1
        if self.micro % self.plan.settings.accumulate:
            return False
        self.state.step += 1
        if self.average:
            self.average.update(self.recipe.network, self.state.step)
        self._tell()
        if self.plan.validates(self.state.step):
            self._validate()
        due = time.monotonic() - self.kept >= self.plan.keep_seconds
        stop, due = self.agreement.any_of(bool(self.stop.reason), due)
        if stop:
            self.stopping = self.stop.reason or "a signal to another process"
        if stop or due:
            self.keep()
        return stop or self.state.exhausted(self.plan.settings.patience)

    def close(self) -> None:
        self.show.close()
        if self.log:
            self.log.close()

    def keep(self) -> None:
        """Write last.ckpt.

        Raises:
            OcellusError: it cannot be written.
        """
        self.agreement.first(self._keep)
        self.kept = time.monotonic()
        self.kept_step = self.state.step

    def explain(self, error: Exception) -> OcellusError | None:
        """The reason for an error in the middle of a step, if numbers that are not finite caused it."""
        if self.batch is None:
            return None
        diagnosis = guard.diagnose(self.recipe, self.batch, step=self._again)
        return self._report(self.batch, diagnosis) if diagnosis.text() else None

    def _keep(self) -> None:
        if self.log:
            self.log.sync()
        extra: dict[str, Any] = {}
        self.recipe.on_save_checkpoint(extra)
        content = {
            "step": self.state.step,
            "state": asdict(self.state),
            "facts": self.plan.facts(),
            "recipe": self.recipe.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "ema": self.average.network.state_dict() if self.average else None,
            "window": self.window.state_dict(),
            "extra": extra,
        }
        checkpoint.write(self.plan.folder, content)

    def _tell(self) -> None:
        """Log and show."""
        step, settings = self.state.step, self.plan.settings
        now = time.monotonic()
        done = step - self.first_step
        pictures = self.plan.pictures
        if step % settings.log_every == 0 or step == self.plan.steps:
            values = self.agreement.mean(self.window.take())
            norm = {name: values.pop(name) for name in ("gradient_norm",) if name in values}
            self.shown = {name: values[name] for name in sorted(values, key="loss".__ne__)}
            if self.log:
                speed = pictures * min(settings.log_every, done) / max(now - self.mark, 1e-9)
                rates = {
                    "learning_rate": self.optimizers[0].param_groups[0]["lr"],
                    "images_per_second": speed,
                    "epoch": step * pictures / self.plan.count,
                }
                self.log.write(step, "train", {**self.shown, **norm, **rates})
            self.mark = now
        each = (now - self.begun) / done
        self.show.update(
            step, self.shown, speed=pictures / max(each, 1e-9), left=each * (self.plan.steps - step)
        )

    def _validate(self) -> None:
        """Measure, and keep the weights if they are the best; a signal leaves it to the resumed run."""
        plan, state = self.plan, self.state
        network = self.average.network if self.average else self.recipe.network
        begun = time.monotonic()
        metrics: dict[str, float] | None = {}
        if plan.validate is not None:
            seed, validate = plan.settings.seed, plan.validate
            metrics = self.agreement.first(lambda: measure(network, validate, seed=seed, stop=self.stop))
        if metrics is None:
            self.stop.reason = self.stop.reason or "a signal to the first process"
            return
        self.agreement.first(lambda: self._show(network))
        better = state.step == plan.steps
        if plan.validate is not None:
            better = judge(state, metrics, monitor=plan.monitor, lower_is_better=plan.lower_is_better)
            if self.log:
                self.log.write(state.step, "val", {**metrics, "seconds": time.monotonic() - begun})
            note = ", the best so far" if better else f"; best {state.best:.4g} at step {state.best_step}"
            line = figures({plan.monitor: metrics[plan.monitor], **metrics})
            self.show.say(f"validation after step {state.step}: {line}{note}")
        if better:
            self.agreement.first(lambda: self._save(network, metrics))
        self.keep()
        self.begun += time.monotonic() - begun  # neither speed nor time left count it
        self.mark += time.monotonic() - begun

    def _show(self, network: nn.Module) -> None:
        """Sheets of what the network makes."""
        plan, step = self.plan, self.state.step
        if plan.samples is None:
            return
        sheets = aside(network, plan.samples, seed=plan.settings.seed, stop=self.stop) or {}
        write_samples(sheets, plan.folder, step=step)
        for name, sheet in sheets.items():
            if self.log:
                self.log.show(step, name, sheet)

    def _save(self, network: nn.Module, metrics: dict[str, float]) -> None:
        path = self.plan.folder / BEST
        try:
            self.plan.save(network, path, metrics)
        except OSError as error:
            reason = checkpoint.write_failure(error)
            raise OcellusError(
                f"{path} cannot be written ({reason}); {checkpoint.LAST} is as it was"
            ) from error

    def _seed(self) -> None:
        place = self.plan.layout
        torch.manual_seed(self.plan.settings.seed + self.micro * place.world + place.rank)

    def _again(self, batch: Any) -> Any:
        """The loss of a batch as in training, for `guard`."""
        self._seed()
        self.diagnosing = True
        try:
            with self.context(), torch.set_grad_enabled(not self.recipe.automatic_optimization):
                return self.recipe.training_step(batch, 0)
        except NotFinite:
            return {"loss": torch.tensor(float("nan"))}
        finally:
            self.diagnosing = False

    def _report(self, batch: Any, diagnosis: guard.Diagnosis | None = None) -> OcellusError:
        if diagnosis is None:
            diagnosis = guard.diagnose(self.recipe, batch, step=self._again)
        rank, step = self.plan.layout.rank, self.state.step + 1
        name = f"bad_batch.{rank}.safetensors" if rank else "bad_batch.safetensors"
        return guard.report(diagnosis, batch, path=self.plan.folder / name, step=step)
