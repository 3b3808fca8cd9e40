"""Make a page for each explaining method: `python docs/build_method_pages.py [NAME ...] [--text | --check]`.

docs/explain/NAME.md from the method's card, settings and README, and docs/pictures/method-NAME.jpg. Without
names all are made; `--text` leaves the pictures as they are; `--check` compares the texts and writes nothing.
A method that is added has its page at once, and its picture where it gives heat maps or is in DRAWN; one in
TRAINED has the picture that a benchmark drew.

The photographs come with scikit-image and are CC0 or in the public domain. The networks are SqueezeNet 1.0
with its authors' weights and a ResNet-20 for CIFAR-10, from ../shared/data/weights or where OCELLUS_SHARED
points.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from ocellus import catalog
from ocellus.catalog import PACKAGE, Card
from ocellus.values import Picture

ROOT = Path(__file__).resolve().parents[1]
PAGES, PICTURES = ROOT / "docs" / "explain", ROOT / "docs" / "pictures"
PHOTOGRAPHS = ("chelsea", "coffee", "astronaut", "rocket")
CALLED = {"chelsea": "cat", "hubble_deep_field": "galaxies"}
PARTS = ("chelsea", "coffee", "astronaut", "rocket", "hubble_deep_field", "brick", "grass", "gravel", "coins")
EACH = 20  # parts of each of those photographs
QUALITY = 80
CELL = 190
SMALLER = {"occlusion": {"window": 8, "stride": 4}}
"""Settings for the network that sees 32 x 32 pixels."""

REMARKS = {
    "deconvnet": "On SqueezeNet nothing comes back: the README says why, and how often.",
    "occlusion": "The ResNet-20's window has 8 pixels, at every fourth.",
}
"""What else is to be known of a picture."""

TRAINED = {
    "scouter": """\
Drawings from [Quick, Draw!](https://quickdraw.withgoogle.com/data) by Google (CC BY 4.0), and where two
models look: one for what speaks for each class, one for what speaks against it. Made with the trainings:
`python -m benchmarks.scouter ../shared/data/quickdraw --area-loss 0.5 1 --picture FILE`."""
}
"""Pictures that a benchmark draws, and what they show."""


def explaining() -> dict[str, Card]:
    """All cards of the faculty by their short names, systems that explain themselves too."""
    return {card.name.split("/")[1]: card for card in catalog.cards() if card.name.startswith("explain/")}


def page(name: str, card: Card) -> str:
    """One method's page."""
    folder = PACKAGE / "explain" / name
    lines = [f"# {card.title}", "", f"{card.summary} {card.paper}.", ""]
    if name in DRAWN or card.value == "Heatmap" or (PICTURES / f"method-{name}.jpg").is_file():
        lines += [f"![{card.title}, drawn](../pictures/method-{name}.jpg)", "", *legend(name, card), ""]
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if commands := re.search(r"^```\n(ocellus .*?)^```", text, re.MULTILINE | re.DOTALL):
        lines += ["```", commands[1].rstrip(), "```", ""]
    if rows := settings(folder / "config.py", "Explain" if card.verb == "predict" else "Config"):
        lines += ["| setting | default | |", "|---|---|---|", *rows, ""]
    if text:
        lines += [f"Equations, evidence and figures: [README](../../ocellus/explain/{name}/README.md). ", ""]
    lines += ["[All methods](README.md); [how to read them](../guides/explanation.md). This page is made by"]
    lines += [f"`python docs/build_method_pages.py {name}`.", ""]
    return "\n".join(line.rstrip() for line in lines)


def legend(name: str, card: Card) -> list[str]:
    """What the picture shows."""
    if name in TRAINED:
        return [TRAINED[name]]
    if name in DRAWN:
        return [DRAWN[name][1]]
    return [
        "Photographs of scikit-image, and what the method says of SqueezeNet's first answer to each (first",
        "two rows: the map over the photograph, and alone) and of a ResNet-20's, which was trained on",
        "pictures of 32 x 32 pixels in ten classes and sees these as small (last row).",
        *([REMARKS[name]] if name in REMARKS else []),
    ]


def settings(path: Path, kind: str) -> list[str]:
    """A row for each field of a Config: its flag, its default, its line of text."""
    if not path.is_file():
        return []
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == kind), None)
    rows = []
    for field, text in zip(found.body, found.body[1:], strict=False) if found else []:
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and field.value is not None:
            assert isinstance(field.target, ast.Name) and isinstance(text.value, ast.Constant)
            words = " ".join(str(text.value.value).split()).replace("|", "\\|")
            default = ast.literal_eval(field.value)
            shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
            rows.append(f"| `--{field.target.id.replace('_', '-')}` | {shown or '(none)'} | {words} |")
    return rows


def index(cards: dict[str, Card]) -> str:
    """The page that lists all."""
    lines = ["# Explaining methods", "", "Made by `python docs/build_method_pages.py`.", ""]
    lines += ["| method | what it says | it gives |", "|---|---|---|"]
    for name, card in cards.items():
        value = {"Heatmap": "a heat map"}.get(card.value, card.value)
        lines.append(f"| [{card.title}]({name}.md) | {card.summary} | {value} |")
    return "\n".join([*lines, ""])


@cache
def photograph(name: str) -> Picture:
    from ocellus.data.images import to_picture

    return to_picture(getattr(data, name)())


@cache
def parts() -> tuple[list[Picture], list[str]]:
    """Square parts of photographs, and which photograph each is of."""
    dice = np.random.default_rng(0)
    found, labels = [], []
    for name in PARTS:
        pixels = photograph(name).pixels
        for number in range(EACH):
            side = int(min(pixels.shape[1:]) * dice.uniform(0.15, 0.4))
            top, left = (int(dice.integers(0, length - side)) for length in pixels.shape[1:])
            part = pixels[:, top : top + side, left : left + side].contiguous()
            found.append(Picture(pixels=part, path=f"{CALLED.get(name, name)} {number + 1}"))
            labels.append(CALLED.get(name, name))
    return found, labels


def draw_heat(method: str) -> Picture:
    """Two networks, several photographs."""
    from build_explanations import classifier

    import ocellus
    from ocellus.draw.heatmap import draw_heatmap, draw_map
    from ocellus.draw.sheet import draw_sheet

    drawn: list[Picture] = []
    alone: list[Picture] = []
    captions: list[str] = []
    for file in ("squeezenet1_0.pt", "resnet20_cifar10.pt"):
        for name in PHOTOGRAPHS:
            options = SMALLER.get(method) if file.startswith("resnet20") else None
            (why,) = ocellus.explain(method, classifier(file), photograph(name), options=options)
            heat = why.heatmaps[method]
            drawn.append(draw_heatmap(heat, legend=False))
            if file.startswith("squeezenet"):
                alone.append(draw_map(heat, legend=False))
            captions.append(heat.target.removeprefix("class "))
    cells = [*drawn[:4], *alone, *drawn[4:]]
    texts = [*captions[:4], *[" "] * 4, *[f"ResNet-20: {text}" for text in captions[4:]]]
    return draw_sheet(cells, columns=4, captions=texts, cell_width=CELL, gap=8)


def features() -> tuple[object, list[Picture]]:
    """What SqueezeNet makes of the parts."""
    from build_explanations import classifier

    from ocellus.data.feature_database import Rows
    from ocellus.jobs.features import features_of_picture

    pictures, labels = parts()
    rows = np.stack([features_of_picture(classifier(), picture)[0] for picture in pictures])
    return Rows(rows, [str(picture.path) for picture in pictures], labels), pictures


def draw_neighbours_page() -> Picture:
    """Some parts of photographs, and the parts that are nearest to each."""
    from ocellus.data.feature_database import Rows
    from ocellus.draw.neighbours import draw_neighbours
    from ocellus.explain import neighbours

    rows, pictures = features()
    assert isinstance(rows, Rows)
    config = neighbours.Config(count=6)
    search = neighbours.search_of(rows.features, config)
    small = {str(picture.path): picture for picture in pictures}
    shown = []
    for row in (2, 24, 47, 61, 110):
        found = neighbours.neighbours_of(rows.features[row], rows, search, config=neighbours.Config(count=7))
        kept = [place for place in range(len(found)) if int(found.rows[place]) != row][: config.count]
        shown.append(
            neighbours_value(found, kept, pictures[row])  # itself is left out
        )
    return draw_neighbours(shown, small, side=120)


def neighbours_value(found: object, kept: list[int], picture: Picture) -> object:
    """Some of the neighbours, of a picture."""
    from dataclasses import replace

    from ocellus.values import Neighbours

    assert isinstance(found, Neighbours)
    chosen = torch.tensor(kept)
    return replace(
        found,
        rows=found.rows[chosen],
        distances=found.distances[chosen],
        paths=tuple(found.paths[place] for place in kept),
        labels=tuple(found.labels[place] for place in kept),
        picture=picture,
    )


def draw_tsne_page() -> Picture:
    """All parts in a plane."""
    from ocellus.data.feature_database import Rows
    from ocellus.draw.embedding import draw_embedding
    from ocellus.explain import tsne

    rows, pictures = features()
    assert isinstance(rows, Rows)
    small = {str(picture.path): picture for picture in pictures}
    plane = tsne.explain(rows, config=tsne.Config(perplexity=12))
    return draw_embedding(plane, small.get, side=820, small=30)


def units(name: str) -> Callable[[], Picture]:
    """A drawing that the job of a method writes as NAME.png."""

    def draw() -> Picture:
        from build_explanations import classifier

        from ocellus.data.images import read_picture, write_picture
        from ocellus.jobs import explain_units

        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            if name == "filters":
                explain_units.filters(classifier(), out=out)
            elif name == "activations":
                explain_units.activations(classifier(), photograph("chelsea"), out=out)
            elif name == "class_ascent":
                explain_units.class_ascent(classifier(), ["espresso", "Egyptian cat"], out=out)
            else:
                for number, picture in enumerate(parts()[0]):
                    write_picture(picture, Path(folder) / "parts" / f"{number:03d}.png")
                explain_units.max_patches(classifier(), Path(folder) / "parts", out=out)
            return read_picture(out / f"{name}.png")

    return draw


DRAWN: dict[str, tuple[Callable[[], Picture], str]] = {
    "neighbours": (
        draw_neighbours_page,
        "Parts of photographs (in blue frames), and the parts of all nine photographs whose features in\n"
        "SqueezeNet are nearest, with the cosine and the photograph they are of.",
    ),
    "tsne": (
        draw_tsne_page,
        "Parts of nine photographs, laid out by their features in SqueezeNet, which was told nothing of the\n"
        "photographs. Some parts are shown, the others are points.",
    ),
    "filters": (units("filters"), "The first layer of SqueezeNet."),
    "activations": (units("activations"), "What units of SqueezeNet's last layer with maps say to a cat."),
    "max_patches": (
        units("max_patches"),
        "What excites units of SqueezeNet's last layer with maps most, among parts of nine photographs.",
    ),
    "class_ascent": (units("class_ascent"), "What SqueezeNet takes for an espresso and for an Egyptian cat."),
}
"""Methods that give no heat map: how their picture is made, and what it shows."""


def draw(name: str, card: Card) -> None:
    """Make a method's picture, no wider than a page."""
    if name in TRAINED or (name not in DRAWN and card.value != "Heatmap"):
        return
    picture = DRAWN[name][0]() if name in DRAWN else draw_heat(name)
    image = Image.fromarray(picture.pixels.permute(1, 2, 0).numpy())
    image.thumbnail((1000, 1400), Image.Resampling.LANCZOS)
    image.save(PICTURES / f"method-{name}.jpg", quality=QUALITY, optimize=True, progressive=True)


def main() -> int:
    """Make or compare the pages; 1 where one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of methods (default: all)")
    parser.add_argument("--text", action="store_true", help="leave the pictures as they are")
    parser.add_argument("--check", action="store_true", help="compare the texts, write nothing")
    chosen = parser.parse_args()
    cards = explaining()
    if missing := set(chosen.names) - set(cards):
        raise SystemExit(f"there is no explaining method {missing.pop()!r}: there is {', '.join(cards)}")
    wanted = {name: card for name, card in cards.items() if not chosen.names or name in chosen.names}
    if not (chosen.text or chosen.check):
        for name, card in wanted.items():
            draw(name, card)
    pages = {PAGES / f"{name}.md": page(name, card) for name, card in wanted.items()}
    pages[PAGES / "README.md"] = index(cards)
    if chosen.check:
        old = [path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: python docs/build_method_pages.py")
        return 1 if old else 0
    PAGES.mkdir(exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
