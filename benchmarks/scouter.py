"""SCOUTER on drawings: how often it is right, and where its slots look. Why, and why not.

    python -m benchmarks.scouter ../shared/data/quickdraw [--area-loss 1 --picture docs/pictures/scouter.png]

Trains a model that says why and one that says why not (`ocellus train explain/scouter DATA --preset
thumbnails --channels 1 ...`; one that is done is kept, one that was stopped is resumed), and prints a row for
each:

- top 1 of the whole validation split;
- area: the mean attention of the slots of the picture's own class, and of a slot of the others;
- precision: the share of that attention's mass that lies on strokes (pixels above 30 % of white), beside the
  strokes' share of the picture, which is what an even map has; of negative models of the likeliest wrong
  class;
- coverage: the share of the strokes' pixels that are among the picture's most attended ones, as many as there
  are pixels of strokes; an even map has the strokes' share;
- insertion and deletion (the class's probability; of negative models that of the wrong class, which should
  rise as what speaks against it goes), infidelity and sensitivity, on the first --measured pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import ocellus
from ocellus import catalog
from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import read_picture, write_picture
from ocellus.draw.heatmap import draw_heatmap
from ocellus.draw.sheet import draw_sheet
from ocellus.jobs import settings as run_settings
from ocellus.jobs.evaluate import chosen
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.model import load
from ocellus.jobs.train import train_settings
from ocellus.metrics.explanations import deletion, insertion
from ocellus.metrics.faithfulness import infidelity, sensitivity, squares
from ocellus.metrics.pointing import share_inside
from ocellus.values import Heatmap, Picture

INK = 0.3
"""Grey from which a pixel belongs to a stroke."""

SCOUTER = catalog.system("explain/scouter")


@dataclass(frozen=True)
class Found:
    """Figures of one model, by name, and how many drawings they are of."""

    figures: dict[str, float]
    pictures: int


def trained(data: str, dataset: Dataset, arguments: argparse.Namespace, *, says: str, area: float) -> Path:
    """The folder of a finished run."""
    settings = run_settings.defaults("explain/scouter", data, preset=arguments.preset).with_values(
        channels=1, says=says, area_loss=area, flip=arguments.flip, seed=arguments.seed,
        **({"epochs": arguments.epochs} if arguments.epochs else {}),
        **({"steps": arguments.steps} if arguments.steps else {}),
    )  # fmt: skip
    folder = Path(arguments.out) / f"{Path(data).resolve().name}-{says}-{area:g}-seed{arguments.seed}"
    train_settings(settings, folder, data=dataset, resume=(folder / "last.ckpt").is_file(), pictures=0)
    return folder


def explained(ready: Explainable, image: Tensor | Picture, label: int) -> Tensor:
    """(H, W) the attention of the slots of a class; of an (1, 1, H, W) tensor or a picture."""
    heat: Heatmap = SCOUTER.explain(ready.network, image, score=label)
    return heat.values


def measured(ready: Explainable, records: Sequence[Record], *, negative: bool, least: int) -> Found:
    """Where the slots look, over a validation split.

    Args:
        ready: the model.
        records: drawings, as large as the model looks at them.
        negative: whether the model says why not.
        least: pictures that are measured by changing them.
    """
    rows: list[dict[str, float]] = []
    for number, record in enumerate(records):
        assert record.label is not None
        picture = read_picture(record.image, channels=1)
        image = ready.subject(picture).images  # (1, 1, H, W)
        with torch.no_grad():
            raw = ready.network(image)
        shares = raw.logits[0].softmax(dim=0)
        wrong = int(shares.index_fill(0, torch.tensor(record.label), -1).argmax())
        label = wrong if negative else record.label
        area = raw.attention[0].mean(dim=(1, 2, 3))  # (K,)
        values = explained(ready, image, label)
        ink = image[0, 0] > INK
        most = torch.zeros_like(values).flatten()
        most[values.flatten().topk(int(ink.sum())).indices] = 1
        row = {
            "area, own class": float(area[record.label]),
            "area, another": float((area.sum() - area[record.label]) / (len(area) - 1)),
            "precision": share_inside(values, masks=ink[None]),
            "coverage": float(most.reshape(ink.shape)[ink].mean()),
            "strokes": float(ink.float().mean()),
        }
        if number < least:
            row |= changed(ready, image, values, label)
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return Found(
        {name: float(np.nanmean([row[name] for row in rows if name in row])) for name in names}, len(rows)
    )


def changed(ready: Explainable, image: Tensor, values: Tensor, label: int) -> dict[str, float]:
    """What happens to a class when the picture is changed by its map."""

    def shares(images: Tensor) -> Tensor:
        found: Tensor = ready.network(images).logits.softmax(dim=1)[:, label]
        return found

    def again(images: Tensor) -> Tensor:
        return explained(ready, images, label)

    return {
        "insertion": insertion(shares, image, values, baseline="0", batch=33).area,
        "deletion": deletion(shares, image, values, baseline="0", batch=33).area,
        "infidelity": infidelity(shares, image, values, squares(image)),
        "sensitivity": sensitivity(again, image),
    }


def drawn(models: dict[str, Explainable], dataset: Dataset, *, each: int = 2) -> Picture:
    """A row for each of some drawings, most sure first: the drawing, why and why not each class."""
    names = dataset.labels.names
    cells, captions = [], []
    for label in range(min(len(names), 5)):
        records = [record for record in dataset.splits["val"] if record.label == label][:each]
        for record in records:
            picture = read_picture(record.image, channels=1)
            seen = Picture(pixels=picture.pixels.repeat_interleave(4, 1).repeat_interleave(4, 2))
            cells.append(seen)
            captions.append(names[label])
            for says, ready in models.items():
                heats = [SCOUTER.explain(ready.network, picture, score=one) for one in range(len(names[:5]))]
                limit = max(float(heat.values.amax()) for heat in heats)
                for one, heat in enumerate(heats):
                    large = heat.values.repeat_interleave(4, 0).repeat_interleave(4, 1)
                    shown = replace(heat, values=large, picture=None)
                    cells.append(draw_heatmap(shown, seen, limit=limit, legend=False))
                    captions.append(f"{says.replace('_', ' ')} {names[one]}")
    return draw_sheet(cells, columns=1 + len(models) * min(len(names), 5), captions=captions, cell_width=112)


def main() -> None:
    """Train, measure, print the table, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="drawings, white on black, a class in each file or folder")
    parser.add_argument("--area-loss", type=float, nargs="+", default=[1.0], help="a pair of models for each")
    parser.add_argument("--preset", default="thumbnails")
    parser.add_argument("--epochs", type=float, default=0.0, help="0: as the preset says")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--flip", type=float, default=0.5, help="0 for digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measured", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=0, help="of the validation split; 0: all")
    parser.add_argument("--out", default="runs/scouter")
    parser.add_argument("--picture", default="", help="where to draw some of it, of the first pair")
    arguments = parser.parse_args()
    dataset = ocellus.read(arguments.data, view="labels")
    models: dict[str, Explainable] = {}
    for area in arguments.area_loss:
        for says in ("why", "why_not"):
            folder = trained(arguments.data, dataset, arguments, says=says, area=area)
            top1 = ocellus.evaluate(load(folder), dataset, limit=arguments.pictures).metrics["top1"]
            ready = explainable(str(folder), device="cpu")
            models.setdefault(says, ready)
            records = chosen(dataset, "val", limit=arguments.pictures)
            found = measured(ready, records, negative=says == "why_not", least=arguments.measured)
            if len(models) == 1:
                print(f"{arguments.data}, {found.pictures} drawings of {', '.join(dataset.labels.names)}")
                print(f"| slots say | area loss | top 1 | {' | '.join(found.figures)} |")
                print("|---" * (3 + len(found.figures)) + "|")
            row = " | ".join(f"{value:.3f}" for value in found.figures.values())
            print(f"| {says.replace('_', ' ')} | {area:g} | {top1:.3f} | {row} |", flush=True)
    if arguments.picture:
        write_picture(drawn(models, dataset), Path(arguments.picture))


if __name__ == "__main__":
    main()
