"""Made-up runs: folders as training and evaluation leave them, with figures that are easy to recognise."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors.torch import save_file

from ocellus.report.evaluation import Confusion, Curve, Evaluation, Example
from ocellus.see.mask_rcnn.config import FIT, TINY, Train
from ocellus.values import Picture

NASTY = '<b>컵</b> & "cup" {{ 7 * 7 }}'
"""A class name that would break a page that does not escape."""


def flat(value: int, size: tuple[int, int] = (40, 60)) -> Picture:
    return Picture(pixels=torch.full((3, *size), value, dtype=torch.uint8))


def write_run(folder: Path, *, learning_rate: float = 0.01, names: tuple[str, ...] = ("cup", NASTY)) -> Path:
    """A finished run: settings, history and weights."""
    folder.mkdir(parents=True)
    run = {"system": "see/mask_rcnn", "data": "pictures/cups", "start": "", "version": "0.1.0"}
    fit = asdict(FIT) | {"learning_rate": learning_rate}
    sections: dict[str, Any] = {"run": run, "config": asdict(TINY), "train": asdict(Train()), "fit": fit}
    (folder / "run.toml").write_text(tomli_w.dumps(sections))
    rows: list[dict[str, Any]] = []
    for step in range(10, 401, 10):
        rows.append(
            {"step": step, "split": "train", "loss": 40 / step, "loss/mask": 9 / step, "learning_rate": 1e-3}
        )
        if step % 100 == 0:
            rows.append({"step": step, "split": "val", "mask/AP50": step / 500, "mask/AP/cup": 0.1})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    header = {
        "system": "see/mask_rcnn",
        "config": {},
        "preprocessing": {},
        "labels": list(names),
        "skeleton": None,
        "licence": "CC0 <data>",
        "data": "12 pictures of cups",
        "notes": "knows cups only",
        "version": "0.1.0",
        "metrics": {"mask/AP50": 0.777},
        "format": 1,
    }
    save_file({"weight": torch.zeros(4)}, str(folder / "best.safetensors"), {"ocellus": json.dumps(header)})
    return folder


def evaluation(
    *, scale: float = 1.0, samples: tuple[str, ...] = ("a.png", "b.png"), **fields: Any
) -> Evaluation:
    """An evaluation whose figures are multiples of `scale`."""
    values: dict[str, Any] = {
        "metrics": {
            "mask/AP": 0.4 * scale,
            "mask/AP50": 0.8 * scale,
            "mask/AP/large": float("nan"),
            "box/AP": 0.5 * scale,
            "box/AR/100": 0.6 * scale,
            "mask/AP/cup": 0.3 * scale,
            f"mask/AP/{NASTY}": 0.2 * scale,
        },
        "data": "pictures/cups",
        "split": "val",
        "pictures": 7,
        "seconds": 1.4,
        "curves": (Curve(name="all classes", recall=(0.0, 0.5, 1.0), precision=(1.0, 0.9, 0.2)),),
        "confusion": Confusion(
            names=("cup", NASTY), counts=((31, 2, 3), (4, 55, 6), (7, 8, 0)), rule="A rule."
        ),
        "examples": tuple(
            Example(
                name=name,
                score=0.9 - 0.1 * place,
                why="best" if place else "worst",
                truth=flat(40 + place),
                prediction=flat(90 + place),
                note=f"{place + 3} of 5 found",
            )
            for place, name in enumerate(samples)
        ),
    }
    return Evaluation(**(values | fields))
