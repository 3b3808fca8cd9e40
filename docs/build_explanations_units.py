"""Draw the guide's figures on units: `python docs/build_explanations_units.py [NAME ...]`.

Without names all are drawn. The photographs come with scikit-image: all are CC0 or in the public domain. The
network is SqueezeNet 1.0 with its authors' weights, from ../shared/data/weights or where OCELLUS_SHARED
points.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from build_explanations import PICTURES, classifier
from skimage import data

from ocellus.data.images import to_picture, write_picture
from ocellus.draw.heatmap import draw_pattern
from ocellus.draw.sheet import draw_sheet
from ocellus.draw.units import draw_ascents, draw_filters, draw_patches
from ocellus.explain import class_ascent, deconvnet, filters, max_patches
from ocellus.explain.class_ascent import Config as AscentConfig
from ocellus.explain.filters import Config as FilterConfig
from ocellus.explain.max_patches import Config as PatchConfig
from ocellus.nn.scores import unit_score
from ocellus.nn.subject import Subject, subject_of
from ocellus.values import Patches, Picture

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "hubble_deep_field", "rocket",
               "immunohistochemistry", "text", "page", "brick", "grass", "gravel")  # fmt: skip
TILE, STEP = 227, 150
LAYERS = ("backbone.stem", "backbone.stages.0.1", "backbone.stages.1.0", "backbone.stages.1.3",
          "backbone.stages.2.0")  # fmt: skip
UNITS, TOP, CELL = 4, 3, 96


@cache
def tiles() -> list[Picture]:
    """The photographs, cut into overlapping squares as large as SqueezeNet looks at."""
    found = []
    for name in PHOTOGRAPHS:
        pixels = to_picture(getattr(data, name)()).pixels
        for top in range(0, max(pixels.shape[1] - TILE, 0) + 1, STEP):
            for left in range(0, max(pixels.shape[2] - TILE, 0) + 1, STEP):
                part = pixels[:, top : top + TILE, left : left + TILE].contiguous()
                found.append(Picture(pixels=part, path=f"{name}-{top}-{left}"))
    return found


def as_tensor(picture: Picture) -> torch.Tensor:
    """(1, 3, h, w) in [0, 1], without the resize that a photograph gets."""
    return picture.floats()[None]


def draw_first_filters() -> Picture:
    """The first layer's filters, learned and fresh."""
    ready = classifier()
    torch.manual_seed(0)
    fresh = type(ready.network)(ready.network.config).eval()
    drawn, captions = [], []
    for name, network in (("learned", ready.network), ("fresh", fresh)):
        found = filters.explain(network, config=FilterConfig(order="color"))
        facts = found.to_dict()
        drawn.append(draw_filters(found, columns=12, cell=56))
        captions.append(
            f"{name}: smoothness {abs(facts['smoothness']):.2f}, color {100 * facts['colorfulness']:.0f} %"
        )
    return draw_sheet(drawn, columns=2, captions=captions, cell_width=drawn[0].size[1], gap=8)


def as_it_is(picture: Picture) -> Subject:
    """A tile as the network sees it, not resized."""
    return subject_of(classifier().network, as_tensor(picture))._replace(picture=picture)


@cache
def strongest(layer: str) -> Patches:
    """The strongest patches of a few units of a layer in the photographs, each of another tile."""
    config = PatchConfig(most=UNITS, top=TOP)
    return max_patches.explain(classifier().network, tiles(), layer=layer, view=as_it_is, config=config)


def draw_layers() -> Picture:
    """From the first layer to the last: what excites four units, and what the deconvnet brings back of it."""
    network, by_name = classifier().network, {picture.path: picture for picture in tiles()}
    drawn, captions = [], []
    for layer in LAYERS:
        found = strongest(layer)
        for show_pattern in (False, True):
            for unit in found.units:
                for patch in found.of(unit):
                    picture = patch.picture
                    if show_pattern:
                        heat = deconvnet.explain(
                            network, as_tensor(by_name[patch.path]), score=unit_score(layer, unit)
                        )
                        pattern = draw_pattern(heat)
                        assert pattern is not None
                        x1, y1, x2, y2 = patch.box
                        picture = Picture(pixels=pattern.pixels[:, y1:y2, x1:x2].contiguous())
                    drawn.append(picture)
                    first = patch is found.of(unit)[0]
                    name = layer.removeprefix("backbone.").removeprefix("stages.")
                    captions.append("" if show_pattern or not first else f"{name}, unit {unit}")
    cells = [square(picture) for picture in drawn]
    return draw_sheet(cells, columns=UNITS * TOP, captions=captions, cell_width=CELL, gap=4)


def square(picture: Picture) -> Picture:
    """A picture in the middle of a grey square, small ones with their pixels as squares."""
    factor = max(1, CELL // max(picture.size))
    larger = picture.pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    picture = Picture(pixels=larger)
    side = max(picture.size)
    pixels = torch.full((3, side, side), 128, dtype=torch.uint8)
    top, left = (side - picture.size[0]) // 2, (side - picture.size[1]) // 2
    pixels[:, top : top + picture.size[0], left : left + picture.size[1]] = picture.pixels
    return Picture(pixels=pixels)


def draw_patches_figure() -> Picture:
    """Four units of a middle layer, and what excites each alone."""
    found = strongest("backbone.stages.1.3")
    halves = [replace(found, units=found.units[start : start + 2]) for start in (0, 2)]
    drawn = [draw_patches(half, cell=150) for half in halves]
    return draw_sheet(drawn, columns=2, cell_width=drawn[0].size[1], gap=8)


def draw_climbs() -> Picture:
    """What SqueezeNet is more than 99 % sure of, with and without what keeps pictures smooth."""
    ready = classifier()
    chosen = ("flamingo", "goldfish", "Egyptian cat")
    climbs = [
        class_ascent.explain(ready.network, score=ready.names.index(name), names=ready.names)
        for name in chosen
    ]
    bare = AscentConfig(least=4, decay=0.0, variation=0.0, blur=0.0, jitter=0)
    label = ready.names.index("flamingo")
    climbs.append(class_ascent.explain(ready.network, score=label, names=ready.names, config=bare))
    for climb in climbs:
        print(climb.line())
    return draw_ascents(climbs, columns=4, cell=300)


FIGURES: dict[str, Callable[[], Picture]] = {
    "explanation-filters": draw_first_filters,
    "explanation-layers": draw_layers,
    "explanation-patches": draw_patches_figure,
    "explanation-ascent": draw_climbs,
}


def main(names: list[str]) -> None:
    """Draw those that are named, or all."""
    for name in names or list(FIGURES):
        write_picture(FIGURES[name](), PICTURES / f"{name}.jpg")


if __name__ == "__main__":
    main(sys.argv[1:])
