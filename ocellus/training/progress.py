"""What a user sees while a run goes: a bar on a terminal, plain lines elsewhere. Both on standard error."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

SHOWN = 6  # figures in a line
PAUSE = 10.0  # seconds between plain lines
REDRAW = 0.1  # seconds between two looks of the bar


class Show(Protocol):
    """Shows how a run goes."""

    def update(self, step: int, values: dict[str, float], *, speed: float, left: float) -> None:
        """After each step; `values` are those of the last log, `speed` pictures a second, `left` seconds."""

    def say(self, line: str) -> None:
        """Something that stays: a validation, a notice."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Bar:
    """A progress bar."""

    def __init__(self, steps: int, *, done: int, console: Console) -> None:
        self.progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
            auto_refresh=False,  # that takes a thread, and readers of pictures are forked from here
        )
        self._drawn = 0.0
        self.progress.start()
        self.task = self.progress.add_task("", total=steps, completed=done, text="")

    def update(self, step: int, values: dict[str, float], *, speed: float, left: float) -> None:
        text = f"{clock(left)} left  {speed:.1f} images/s  {figures(values)}"
        self.progress.update(self.task, completed=step, text=text)
        if time.monotonic() - self._drawn > REDRAW:
            self.progress.refresh()
            self._drawn = time.monotonic()

    def say(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        self.progress.refresh()
        self.progress.stop()


class Lines:
    """A line now and then."""

    def __init__(self, steps: int, *, console: Console) -> None:
        self.steps = steps
        self.console = console
        self._next = 0.0

    def update(self, step: int, values: dict[str, float], *, speed: float, left: float) -> None:
        if time.monotonic() < self._next and step < self.steps:
            return
        self._next = time.monotonic() + PAUSE
        self.say(
            f"step {step}/{self.steps}  {clock(left)} left  {speed:.1f} images/s  {figures(values)}".rstrip()
        )

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None: ...


class Silent:
    """For all processes but the first."""

    def update(self, step: int, values: dict[str, float], *, speed: float, left: float) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


def choose_show(steps: int, *, done: int, first: bool) -> Show:
    """A bar on a terminal, lines elsewhere, nothing in all processes but the first."""
    if not first:
        return Silent()
    console = Console(stderr=True)
    return Bar(steps, done=done, console=console) if console.is_terminal else Lines(steps, console=console)


def say(line: str) -> None:
    """A line on standard error, where no bar is."""
    Lines(0, console=Console(stderr=True)).say(line)


def figures(values: dict[str, float]) -> str:
    """ "loss 0.412  mask 0.2": the loss and what it is made of, or a validation's first figures."""
    return "  ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:SHOWN])


def clock(seconds: float) -> str:
    """ "1:02:03" or "02:03"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
