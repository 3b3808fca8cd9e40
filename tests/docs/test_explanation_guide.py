"""The guide's code runs, and what it claims is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "explanation.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_there_is_code() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_code_runs(code: str) -> None:
    names: dict[str, object] = {}
    exec(code, names)
    if "heat" in names:
        from ocellus.explain import gradcam

        network, images, heat = names["network"], names["images"], names["heat"]
        own = gradcam.explain(network, images, layer="layer4", score=281).values
        import torch
        from torch.nn import functional as F

        larger = F.interpolate(heat[None].detach(), size=(64, 64), mode="bilinear", align_corners=False)
        assert torch.allclose(own, larger[0, 0].relu(), atol=1e-6)


def test_figures_are_the_ones_that_are_drawn() -> None:
    scripts = ("build_explanations.py", "build_explanations_units.py")
    drawn = "".join((GUIDE.parents[1] / script).read_text(encoding="utf-8") for script in scripts)
    shown = set(re.findall(r"pictures/(explanation-[a-z]+)\.", GUIDE.read_text(encoding="utf-8")))
    assert shown == set(re.findall(r'"(explanation-[a-z]+)":', drawn))
