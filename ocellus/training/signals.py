"""Ctrl-C and SIGTERM end a run at the next step, resumable."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ocellus.errors import OcellusError

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
SAME = (
    2.0  # seconds in which a second Ctrl-C is the same one: a launcher passes on what the terminal has sent
)


class Interrupted(OcellusError):
    """A run was stopped and can go on.

    Args:
        message: where it stopped and how to go on.
        step: optimizer steps that its last.ckpt holds.
    """

    def __init__(self, message: str, *, step: int) -> None:
        super().__init__(message, exit_code=130)
        self.step = step


class Break(BaseException):
    """Ends work that may be begun again: a validation."""


class Stop:
    """Notices that the run should end. At most one is `watching` at a time.

    Attributes:
        reason: "" or the name of the signal that came.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._when = 0.0
        self._breakable = False
        self._stepping = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Take the signals over; outside the main thread, which alone can, nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in NAMES}
        for number in NAMES:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def take(self) -> None:
        """From now on there are steps to end. Handle the signals, whoever has begun to do so meanwhile."""
        self._stepping = True
        if threading.current_thread() is threading.main_thread():
            for number in NAMES:
                signal.signal(number, self._handle)

    @contextlib.contextmanager
    def breakable(self) -> Iterator[None]:
        """Work that a signal ends at once, with `Break`."""
        self._breakable = True
        try:
            if self.reason:
                raise Break
            yield
        finally:
            self._breakable = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = bool(self.reason) and number == signal.SIGINT and time.monotonic() - self._when > SAME
        if not self.reason:
            self.reason = NAMES[signal.Signals(number)]
            self._when = time.monotonic()
        if self._breakable:
            self._breakable = False
            raise Break
        if again or not self._stepping:
            raise KeyboardInterrupt


def leave_to_parent(*_: Any) -> None:
    """In a process that reads pictures: Ctrl-C is for the main process, SIGTERM ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
