"""Draw the pictures of imagine/fast_style's page: `python docs/build_style.py [gram]  [painted RUN ...]`.

gram: what a Gram matrix knows of a picture, and what it does not. painted: a photograph by trained networks.
The photographs come with scikit-image: the cat and the coffee are CC0, the astronaut is in the public domain.
The network that looks is SqueezeNet 1.0 with its authors' weights, from ../shared/data/weights or where
OCELLUS_SHARED points.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from skimage import data
from torch import Tensor

from ocellus import catalog, weights
from ocellus.data.images import to_picture, write_picture
from ocellus.draw.figures import figure_style
from ocellus.foreign import read_foreign
from ocellus.imagine.fast_style.inference import generate
from ocellus.imagine.fast_style.loss import gram
from ocellus.jobs.model import load
from ocellus.training.loss_network import LossNetwork
from ocellus.values import Picture

PICTURES = Path(__file__).parent / "pictures"
SHARED = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LAYER = "fire3"


def photographs() -> dict[str, Picture]:
    """Squares of 192 pixels, by name."""
    return {
        "cat": to_picture(data.chelsea()[40:232, 120:312]),
        "coffee": to_picture(data.coffee()[80:272, 120:312]),
        "astronaut": to_picture(data.astronaut()[0:192, 130:322]),
    }


def eye() -> LossNetwork:
    """SqueezeNet as a loss network."""
    system = catalog.system("see/classifier")
    state = read_foreign(SHARED / "data" / "weights" / "squeezenet1_0.pt")
    config, ours, _ = system.import_state(state)
    network = system.build(config)
    weights.load_state(network, ours, source="squeezenet1_0.pt")
    return LossNetwork(network, layers=(LAYER,))


def shuffled(features: Tensor, *, seed: int) -> Tensor:
    """(1, C, h, w) with its places in another order, the same for all channels."""
    order = torch.randperm(features[0, 0].numel(), generator=torch.Generator().manual_seed(seed))
    return features.flatten(2)[..., order].reshape(features.shape)


def away(one: Tensor, other: Tensor) -> str:
    """How far the Gram matrix of (1, C, h, w) is from another's, in words."""
    matrix, reference = gram(one)[0], gram(other)[0]
    share = 100 * float((matrix - reference).norm() / reference.norm())
    return "the cat's" if share < 0.01 else f"{share:.0f} % away from the cat's"


def draw_gram() -> Path:
    """A photograph, its features in disorder, its pixels in disorder, another photograph: Gram matrices."""
    network, held = eye(), photographs()
    cat, coffee = (held[name].floats()[None] for name in ("cat", "coffee"))
    mixed = shuffled(cat, seed=0)
    features = [network.features(images)[LAYER] for images in (cat, mixed, coffee)]
    columns = (
        ("a cat", cat, features[0]),
        ("the cat's features, shuffled", None, shuffled(features[0], seed=0)),
        ("the cat's pixels, shuffled", mixed, features[1]),
        ("a cup of coffee", coffee, features[2]),
    )
    with figure_style():
        figure = Figure(figsize=(9.6, 6.9), layout="constrained")
        axes = figure.subplots(3, 4)
        for place, (name, images, looked) in enumerate(columns):
            top, middle, bottom = axes[:, place]
            top.set_title(name, fontsize=9)
            if images is None:
                top.text(0.5, 0.5, "features alone,\nno picture", ha="center", va="center", fontsize=9)
                top.set_aspect(1)
            else:
                top.imshow(np.moveaxis(images[0].numpy(), 0, 2))
                top.set_xlabel(f"colors: {away(images, cat)}", fontsize=8)
            middle.imshow(looked[0].mean(0).numpy(), cmap="gray")
            bottom.imshow(gram(looked)[0].clamp_min(1e-12).log().numpy()[:48, :48], cmap="magma")
            bottom.set_xlabel(away(looked, features[0]), fontsize=9)
        for row, title in enumerate(("picture", f"{LAYER}, mean of channels", f"Gram matrix of {LAYER}")):
            axes[row, 0].set_ylabel(title, fontsize=9)
        for one in axes.flat:
            one.set_xticks([])
            one.set_yticks([])
        path = PICTURES / "style-gram.png"
        figure.savefig(path, dpi=100)
    return path


def draw_painted(runs: list[str]) -> Path:
    """Photographs, and each as painted by each of some runs, below it."""
    held = [*photographs().values()]
    rows = [torch.cat([picture.pixels for picture in held], 2)]
    for run in runs:
        network = load(run, precision="32").network
        rows.append(torch.cat([generate(network, picture).pixels for picture in held], 2))  # type: ignore[arg-type]
    path = PICTURES / "style-painted.jpg"
    write_picture(Picture(pixels=torch.cat(rows, 1)), path)
    return path


def main(words: list[str]) -> None:
    """Draw what is asked for."""
    if not words or words[0] == "gram":
        print(draw_gram())
    elif words[0] == "painted" and len(words) > 1:
        print(draw_painted(words[1:]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
