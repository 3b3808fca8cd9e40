"""Colour from grey three ways: a distribution over 313 colours, L1, and L1 with an adversary; one page.

    python -m benchmarks.colorize runs/photographs --steps 900 --judge ../shared/data/imagenet \\
        --classifier ../shared/data/weights/squeezenet1_0.pt

The networks of the presets small, regression and gan, trained for the same steps on the same photographs
(grey ones are left out here), and bins without rebalancing (lambda = 1) besides. Measured on the split
"val", or on the judge's pictures: accuracy and balanced accuracy (areas under the curve, 0 to 150), PSNR of a
and b, colourfulness beside the truth's. With --judge, pictures with classes are made grey and coloured again,
and a classifier that was trained on colours says what they show (top 5): on grey, on each answer and on the
true colours.
The page is OUT/colours.html.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.sr_losses import imported
from ocellus import catalog, weights
from ocellus.data.dataset import Dataset
from ocellus.data.images import read_picture
from ocellus.data.read import read
from ocellus.imagine.colorize import recipe as colorizing
from ocellus.imagine.colorize.inference import generate
from ocellus.jobs import settings as run_settings
from ocellus.jobs.train import train_settings
from ocellus.nn.lab import lab_to_rgb
from ocellus.report.side_by_side import Column, Figure, Row, write_side_by_side
from ocellus.values import Picture

TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "313 colours": ("small", {}),
    "not rebalanced": ("small", {"rebalance": 1.0}),
    "L1": ("regression", {}),
    "L1 and adversary": ("gan", {}),
}
FIGURES = (
    Figure(name="accuracy", title="Accuracy", gloss="area under the curve", better="high", digits=4),
    Figure(name="balanced_accuracy", title="Balanced accuracy", gloss="rare colours count more",
           better="high", digits=4),
    Figure(name="psnr", title="PSNR", gloss="of a and b, dB", better="high"),
    Figure(name="colourfulness", title="Colourfulness", gloss="Hasler and Süsstrunk"),
    Figure(name="top5", title="Judge's top 5", gloss="share of classes found", better="high", digits=3),
)  # fmt: skip


def in_colour(dataset: Dataset) -> Dataset:
    """The data set without its grey pictures."""
    splits = {
        split: tuple(record for record in records if not colorizing.is_grey(record))
        for split, records in dataset.splits.items()
    }
    return replace(dataset, splits=splits)


def judged(classifier: Path, labelled: Path, networks: dict[str, Any], limit: int) -> dict[str, float]:
    """Of each answer, of grey and of the truth: the share of pictures whose class is among the first five."""
    judge, header = weights.load(classifier)
    predict = catalog.system("see/classifier").predict
    dataset = read(labelled, view="labels")
    records = [record for _, record in dataset.records()][: limit or None]
    right = dict.fromkeys(("grey", *networks, "truth"), 0)
    for record in records:
        picture = read_picture(record.image)
        light = colorizing.rgb_to_lab(picture.floats()[None])[:, :1]
        plain = lab_to_rgb(light.expand(-1, 3, -1, -1) * torch.tensor([1.0, 0, 0])[:, None, None])[0]
        seen = {"grey": Picture(pixels=(plain * 255).round().byte()), "truth": picture}
        seen |= {name: generate(network, picture) for name, network in networks.items()}
        for name, shown in seen.items():
            found: Tensor = predict(judge, shown, names=header.labels).probabilities
            names = [header.labels[int(index)] for index in found.topk(5).indices]
            right[name] += dataset.labels.names[record.label or 0] in names
    return {name: count / len(records) for name, count in right.items()}


def main() -> None:
    """Train what is not there yet, measure all, write the page and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--preset", default="", help="tiny: to see that it runs")
    parser.add_argument("--precision", default="auto", help="bf16 is faster on many CPUs")
    parser.add_argument("--judge", type=Path, help="pictures with classes that the classifier knows")
    parser.add_argument("--classifier", type=Path, help="a public classifier's checkpoint")
    parser.add_argument("--limit", type=int, default=0, help="pictures that are measured; 0: all")
    parser.add_argument("--out", type=Path, default=Path("runs/colours"))
    arguments = parser.parse_args()
    dataset = in_colour(read(arguments.photographs, view="pictures"))
    records = dataset.splits["val"][: arguments.limit or None]
    measured = records
    if arguments.judge:
        others = in_colour(read(arguments.judge, view="pictures"))
        measured = tuple(record for _, record in others.records())[: arguments.limit or None]
    columns, shown = [], {}
    networks: dict[str, Any] = {}
    for name, (preset, values) in TRAININGS.items():
        begin = run_settings.defaults("imagine/colorize", str(arguments.photographs), preset=preset)
        if arguments.preset:
            tiny = run_settings.defaults("imagine/colorize", "", preset=arguments.preset)
            train = replace(begin.train, load=tiny.train.load, crop=tiny.train.crop)
            begin = replace(
                begin, config=replace(tiny.config, head=begin.config.head), train=train, fit=tiny.fit
            )
        settings = begin.with_values(
            **values, steps=arguments.steps, validate_every=arguments.steps, precision=arguments.precision
        )
        folder = arguments.out / name.replace(" ", "-")
        train_settings(settings, folder, data=dataset, resume=(folder / "last.ckpt").is_file(), pictures=0)
        networks[name], _ = weights.load(folder / "best.safetensors")
        recipe = colorizing.Recipe(settings.config, settings.train, settings.fit, dataset.labels)
        recipe.examples(dataset, "train")
        rows = [recipe.measure(networks[name], record) for record in measured]
        columns.append({key: sum(row[key] for row in rows) / len(rows) for key in rows[0]})
        shown[name] = [generate(networks[name], read_picture(record.image)) for record in records]
    tops = {}
    if arguments.judge and arguments.classifier:
        classifier = imported(arguments.classifier, arguments.out)
        tops = judged(classifier, arguments.judge, networks, arguments.limit)
        print("judge's top 5: " + ", ".join(f"{name} {value:.3f}" for name, value in tops.items()))
    held = [
        Column(name=name, figures=figures | ({"top5": tops[name]} if tops else {}))
        for name, figures in zip(TRAININGS, columns, strict=True)
    ]
    pictures = [
        Row(name=record.name, pictures=(*((name, made[number]) for name, made in shown.items()),
                                        ("the truth", read_picture(record.image))))
        for number, record in enumerate(records)
    ]  # fmt: skip
    page = write_side_by_side(
        arguments.out / "colours.html", title="Colour from grey, three ways",
        lead=f"Trained {arguments.steps} steps each, measured on {len(measured)} unseen photographs.",
        figures=FIGURES, columns=held, rows=pictures,
    )  # fmt: skip
    for column in held:
        print(
            f"{column.name:<18}" + "  ".join(f"{name} {value:.4f}" for name, value in column.figures.items())
        )
    print(page)


if __name__ == "__main__":
    main()
