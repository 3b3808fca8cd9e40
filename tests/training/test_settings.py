"""Settings that make no sense are refused, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocellus.errors import OcellusError
from ocellus.see.mask_rcnn import FIT
from ocellus.training.settings import Fit, check

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("learning_rate", value) for value in (NAN, INF, 0.0, -1e-3)),
        *(("batch_size", value) for value in (0, -4)),
        *(("steps", -1), ("accumulate", 0), ("warmup_steps", -1), ("clip", -1.0), ("clip", NAN)),
        *(("ema", 1.0), ("ema", -0.1), ("weight_decay", -1.0), ("epochs", 0.0), ("epochs", NAN)),
        *(
            ("optimizer", "adam"),
            ("schedule", "square"),
            ("precision", "16"),
            ("workers", -1),
            ("log_every", 0),
        ),
        *(
            ("layer_decay", 1.5),
            ("backbone_rate", -1.0),
            ("patience", -1),
            ("validate_every", -1),
            ("seed", -1),
        ),
    ],
)
def test_refused(name: str, value: Any) -> None:
    with pytest.raises(OcellusError, match=f"^--{name.replace('_', '-')} {value} makes no sense") as caught:
        check(replace(Fit(), **{name: value}))
    assert caught.value.exit_code == 2


def test_accepted() -> None:
    check(Fit())
    check(FIT)
    check(Fit(steps=5, epochs=0.0, ema=0.9999, layer_decay=0.7))
