"""Draw the figures of docs/guides/explanation.md: `python docs/build_explanations.py [NAME ...]`.

Without names all are drawn.

The photographs come with scikit-image: the cat and the coffee are CC0, the astronaut and the coins are in the
public domain. The networks are SqueezeNet 1.0 with its authors' weights and a ResNet-20 for CIFAR-10, from
../shared/data/weights or where OCELLUS_SHARED points, and the Mask R-CNN that comes with Ocellus.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from matplotlib import colormaps
from matplotlib.figure import Figure
from skimage import color, data
from torch import Tensor

import ocellus
from ocellus import catalog, weights
from ocellus.data.images import to_picture, write_picture
from ocellus.draw.figures import figure_style
from ocellus.draw.heatmap import colorize, draw_heatmap, draw_map, draw_pattern
from ocellus.draw.sheet import draw_sheet
from ocellus.foreign import read_foreign
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.explaining import heat_methods
from ocellus.jobs.inside import inside
from ocellus.metrics.randomisation import throw_weights, weighted_layers
from ocellus.nn.hooks import recorded, untouched
from ocellus.nn.scores import class_score
from ocellus.values import Heatmap, Picture

PICTURES = Path(__file__).parent / "pictures"
SHARED = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
METHODS = ("gradcam", "cam", "guided_gradcam", "guided_backprop", "saliency", "occlusion")
CHECKED = ("gradcam", "saliency", "guided_gradcam", "guided_backprop")


@cache
def photographs() -> dict[str, Picture]:
    """By name."""
    found = {"cat": data.chelsea(), "coffee": data.coffee(), "astronaut": data.astronaut()}
    return {name: to_picture(pixels) for name, pixels in found.items()}


@cache
def classifier(file: str = "squeezenet1_0.pt") -> Explainable:
    """A published network as a model of ours."""
    path = SHARED / "data" / "weights" / file
    if not path.is_file():
        raise SystemExit(f"{path} is not there: set OCELLUS_SHARED to the folder of real data")
    system = catalog.system("see/classifier")
    config, state, labels = system.import_state(read_foreign(path))
    network = system.build(config)
    weights.load_state(network, state, source=file)
    return explainable(network.eval(), names=labels.names)


def maps(photograph: str, methods: str, **more: Any) -> dict[str, Heatmap]:
    """Heat maps of a photograph by method."""
    (why,) = ocellus.explain(methods, classifier(), photographs()[photograph], **more)
    found: dict[str, Heatmap] = why.heatmaps
    return found


def title(method: str) -> str:
    return heat_methods()[method].title


def draw_methods() -> Picture:
    """A row for each photograph, a column for each method; below it the pattern of each color."""
    drawn, captions = [], []
    for name, photograph in photographs().items():
        found = maps(name, ",".join(METHODS))
        drawn += [photograph, *(draw_heatmap(found[method], legend=False) for method in METHODS)]
        captions += [found["gradcam"].target.removeprefix("class "), *map(title, METHODS)]
    found = maps("cat", ",".join(METHODS))
    for method in METHODS:
        if (pattern := draw_pattern(found[method])) is not None:
            drawn.append(pattern)
            captions.append(f"{title(method)}: colors")
    return draw_sheet(drawn, columns=7, captions=captions, cell_width=210, gap=8)


def draw_relu() -> Picture:
    """What Grad-CAM's ReLU keeps, what it cuts off, and both."""
    drawn, captions = [], []
    for name in ("cat", "astronaut"):
        for part in ("positive", "negative", "both"):
            heat = maps(name, "gradcam", options={"part": part})["gradcam"]
            drawn.append(draw_heatmap(heat))
            captions.append({"positive": "kept", "negative": "cut off", "both": "before the ReLU"}[part])
    return draw_sheet(drawn, columns=6, captions=captions, cell_width=230, gap=8)


def draw_gradient() -> Figure:
    """Grad-CAM's weights against the linear layer's, on a ResNet that ends in one."""
    ready = classifier("resnet20_cifar10.pt")
    network, subject = ready.network, ready.subject(photographs()["cat"])
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    layer = next(
        name for name, _ in reversed(list(network.named_modules())) if name.startswith("backbone.stages.2.")
    )
    layer = ".".join(layer.split(".")[:4])
    label = ready.names.index("cat")
    with untouched(network), recorded(network, [layer], gradients=True) as record:
        class_score(label).ask(network, subject).values.sum().backward()
        gradient = record.gradients[layer][-1][0]
    assert gradient is not None
    cells = gradient.shape[2] * gradient.shape[3]
    figure = Figure(figsize=(8.6, 3.5))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    left.plot(last.weight[label].detach(), gradient.mean(dim=(2, 3))[0] * cells, "o", ms=5)
    left.set_xlabel("weight of the linear layer")
    left.set_ylabel("mean gradient x places")
    left.set_title("64 channels, class cat")
    spread = gradient[0].flatten(1)
    right.bar(range(64), spread.mean(dim=1) * cells, yerr=spread.std(dim=1) * cells, width=0.8)
    right.set_xlabel("channel")
    right.set_title(f"the same at all {cells} places: no spread")
    return figure


def draw_hooks() -> Figure:
    """The gradient of a layer's output is the sum of what its two followers send back."""
    network = torchvision.models.squeezenet1_0()
    network.load_state_dict(read_foreign(SHARED / "data" / "weights" / "squeezenet1_0.pt"))
    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False  # backward hooks cannot go with in-place work
    ready = classifier()
    images = ready.subject(photographs()["cat"]).images
    images = 255 * images.flip(1) - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    seen: dict[str, Tensor] = {}
    fire = network.features[9]
    handles = [
        fire.expand1x1.register_full_backward_hook(lambda m, inner, outer: seen.update(one=inner[0])),
        fire.expand3x3.register_full_backward_hook(lambda m, inner, outer: seen.update(three=inner[0])),
        fire.squeeze_activation.register_full_backward_hook(
            lambda m, inner, outer: seen.update(all=outer[0])
        ),
    ]
    logits = network.eval()(images)
    logits[0, logits[0].argmax()].backward()
    for handle in handles:
        handle.remove()
    parts = {
        "grad_input of expand1x1": seen["one"],
        "grad_input of expand3x3": seen["three"],
        "their sum": seen["one"] + seen["three"],
        "grad_output of squeeze_activation": seen["all"],
    }
    assert torch.allclose(parts["their sum"], seen["all"], atol=1e-7)
    strongest = int(seen["all"][0].abs().sum(dim=(1, 2)).argmax())
    limit = float(seen["all"][0, strongest].abs().max())
    figure = Figure(figsize=(11, 2.6))
    for axes, (name, values) in zip(figure.subplots(1, 4), parts.items(), strict=True):
        axes.imshow(colorize(values[0, strongest], signed=True, limit=limit).permute(1, 2, 0))
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    return figure


def draw_color() -> Figure:
    """One map in three tables of colors, and how light each color of a table is."""
    heat = maps("cat", "gradcam")["gradcam"]
    values = heat.normalized()
    ramp = torch.linspace(0, 1, 256)[None]
    jet, grey = (colormaps[name](np.linspace(0, 1, 256))[:, :3] for name in ("jet", "gray"))
    ours = colorize(ramp, limit=1.0)[:, 0].T.numpy() / 255
    figure = Figure(figsize=(11.5, 2.9))
    views = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.1))
    index = (values * 255).long().clamp(0, 255).numpy()
    for axes, (name, table) in zip(views, {"grey": grey, "jet": jet, "ours": ours}.items(), strict=False):
        axes.imshow(table[index])
        axes.set_title(name)
        axes.set_axis_off()
    for name, table in (("jet", jet), ("ours", ours), ("grey", grey)):
        views[3].plot(np.linspace(0, 1, 256), color.rgb2lab(table[None])[0, :, 0], label=name)
    views[3].set_title("lightness of each value")
    views[3].set_xlabel("value")
    views[3].legend()
    return figure


def draw_occlusion() -> Picture:
    """The same question with three windows and two fills."""
    drawn, captions = [], []
    for fill in ("mean", "blur"):
        for window in (32, 64, 128):
            options = {"window": window, "stride": window // 2, "fills": (fill,)}
            drawn.append(draw_heatmap(maps("cat", "occlusion", options=options)["occlusion"]))
            captions.append(f"window {window}, {fill}")
    return draw_sheet(drawn, columns=6, captions=captions, cell_width=230, gap=8)


def question(photograph: str, method: str) -> tuple[int, Callable[..., Heatmap], Any]:
    """The top class of a photograph, a method's function, and the photograph as the network sees it."""
    ready = classifier()
    subject = ready.subject(photographs()[photograph])
    with torch.no_grad():
        label = int(ready.network(subject.images).logits.argmax())
    return label, catalog.system(f"explain/{method}").explain, subject


def draw_sanity() -> Picture:
    """The cat, explained while more and more of the network is thrown, from the answer down."""
    network = classifier().network
    names = weighted_layers(network)
    stages = {
        "trained": 0,
        "last layer thrown": 1,
        "last third": len(names) // 3,
        "all but the first": len(names) - 1,
    }
    drawn, captions = [], []
    for method in CHECKED:
        label, explain, subject = question("cat", method)
        for stage, count in stages.items():
            changed = copy.deepcopy(network)
            if count:
                throw_weights(changed, names[-count:], seed=1)
            drawn.append(draw_map(explain(changed, subject, score=label), legend=False))
            captions.append(f"{title(method)}: {stage}")
    return draw_sheet(drawn, columns=4, captions=captions, cell_width=300, gap=8)


def draw_inside() -> Picture:
    """From the picture to the answer of the Mask R-CNN that comes with Ocellus."""
    parts = {part.title: part.tiles for part in inside("see/mask_rcnn", to_picture(data.coins()))}
    chosen = [
        *parts["Picture"], *parts["Pyramid"][:3], *parts["Proposals"][1:3], parts["Proposals"][-1],
        parts["RoI grid points"][0], parts["Class scores"][0], parts["Mask bins"][0],
    ]  # fmt: skip
    captions = [f"{tile.name} {tile.shape}" for tile in chosen]
    return draw_sheet([tile.picture for tile in chosen], columns=5, captions=captions, cell_width=270, gap=8)


FIGURES: dict[str, Callable[[], Figure | Picture]] = {
    "explanation-methods": draw_methods,
    "explanation-relu": draw_relu,
    "explanation-gradient": draw_gradient,
    "explanation-hooks": draw_hooks,
    "explanation-color": draw_color,
    "explanation-occlusion": draw_occlusion,
    "explanation-sanity": draw_sanity,
    "explanation-inside": draw_inside,
}


def main(names: list[str]) -> None:
    """Draw those that are named, or all."""
    for name in names or list(FIGURES):
        with figure_style():
            drawn = FIGURES[name]()
            if isinstance(drawn, Picture):
                write_picture(drawn, PICTURES / f"{name}.jpg")
            else:
                drawn.savefig(PICTURES / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main(sys.argv[1:])
