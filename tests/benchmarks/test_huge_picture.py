"""The benchmark of large pictures runs the networks that people use."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks.huge_picture import NAMES, main, network_of
from ocellus.nn.norm import NormedConv
from ocellus.see.unet import PRESETS


def test_a_system_is_run_in_a_preset_of_choice() -> None:
    small, tiny = (network_of("see/unet", preset=preset) for preset in ("small", "tiny"))
    assert small.config.width == PRESETS["small"][0].width > tiny.config.width
    assert small.config.classes == len(NAMES) and not small.training
    assert not any(isinstance(module, NormedConv) for module in small.modules())  # folded as when loaded
    with torch.no_grad():
        assert small(torch.rand(1, 3, 32, 32)).logits.shape == (1, len(NAMES), 32, 32)


def test_it_says_what_it_ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["huge_picture", "--side", "256", "--system", "see/unet", "--preset", "tiny"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    assert "256 x 256 pixels, see/unet, tiny, 1 thread(s)" in capsys.readouterr().out
