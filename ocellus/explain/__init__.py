"""Why a network said so: one method a folder. The package itself can be called: `ocellus.explain(...)`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ocellus.catalog import lazy

_resolve = lazy("ocellus", explain="jobs.explain")


class _Explain(ModuleType):
    """A package of methods that is the function of `ocellus.jobs.explain` when it is called."""

    @property
    def __call__(self) -> Callable[..., Any]:
        call: Callable[..., Any] = _resolve("explain")
        return call


sys.modules[__name__].__class__ = _Explain
