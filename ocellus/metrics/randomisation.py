"""The sanity check of Adebayo 2018 (arXiv:1810.03292): does the explanation depend on what was learned?

The network's weights are replaced by thrown ones, layer after layer from the answer down (cascading) or one
layer alone (independent), and the picture is explained again. A map that stays the same cannot have told of
the network: it is an edge detector, however convincing it looks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from ocellus.errors import OcellusError

MODES = ("cascading", "independent")
UNCHANGED = 0.5
"""Likeness above which a map counts as the same: of two maps of unrelated things it is near 0."""
TRIES = 5
"""Thrown weights for which the answer is cut off, so that nothing is explained, are thrown again."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike two maps are; 1: the same, about 0: nothing in common.

    Args:
        rank: Spearman's correlation of the values.
        rank_of_magnitudes: that of their magnitudes: a map that only changes its sign stays alike.
        structure: the structural similarity (SSIM) of the magnitudes, each divided by its largest.
    """

    rank: float
    rank_of_magnitudes: float
    structure: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One network with thrown weights.

    Args:
        layers: whose weights are thrown in this stage, besides those of the stages before where it cascades.
        share: of the network's weighted layers that are thrown so far.
        likeness: of its map to the trained network's.
        empty: whether its map is the same everywhere: a ReLU cuts the answer off, and nothing is explained.
    """

    layers: tuple[str, ...]
    share: float
    likeness: Likeness
    empty: bool = False


@dataclass(frozen=True, kw_only=True)
class Randomisation:
    """The stages of a check, from the answer down.

    Args:
        mode: "cascading" or "independent".
        stages: in order.
    """

    mode: str
    stages: tuple[Stage, ...]

    @property
    def likeness(self) -> float:
        """What is left of the map, the mean over the stages: of the rank correlation of magnitudes, or of the
        structural similarity, whichever is higher.

        Of a cascade the stages count in which some of the network is still what it was: they are the ones in
        which explanations differ. The two see different things: correlation looks at all pixels alike,
        structure at where a sparse map has its lines. nan where all maps are empty.
        """
        told = [stage for stage in self.stages if not stage.empty]
        counted = [stage.likeness for stage in told if stage.share < 1] or [stage.likeness for stage in told]
        if not counted:
            return float("nan")
        ranks = [one.rank_of_magnitudes for one in counted]
        return float(max(np.mean(ranks), np.mean([one.structure for one in counted])))

    @property
    def unchanged(self) -> bool:
        """Whether the map stayed the same, so that it should not be believed."""
        return self.likeness > UNCHANGED


def randomisation(
    network: nn.Module,
    explain: Callable[[nn.Module], Tensor],
    *,
    mode: str = "cascading",
    layers: Sequence[str] = (),
    most: int = 10,
    seed: int = 0,
) -> Randomisation:
    """Explain a picture again while the network forgets what it learned.

    New weights are thrown from a normal distribution with the spread of the layer's own; biases and norms are
    shuffled. So only what was learned is lost, and signals keep their size. (The paper draws them as at the
    beginning of training; for rectified networks the difference is little more than a scale.)

    Args:
        network: stays as it is; copies are changed.
        explain: network -> (H, W) map of the same picture and the same answer.
        mode: "cascading": each stage keeps the thrown weights of those before it; "independent": it does not.
        layers: names of modules with weights, from the input to the answer; empty: all.
        most: stages; where there are more layers, neighbours are thrown together.
        seed: of the weights.

    Raises:
        OcellusError: an unknown mode, or no layer with weights. Exit code 2.
    """
    if mode not in MODES:
        raise OcellusError(f"mode is {mode!r}; it is {' or '.join(MODES)}", exit_code=2)
    names = list(layers) or weighted_layers(network)
    if not names or most < 1:
        raise OcellusError(
            f"{len(names)} layers with weights, {most} stages: one or more are needed", exit_code=2
        )
    groups = [tuple(part.tolist()) for part in np.array_split(np.array(names, object), min(most, len(names)))]
    before = explain(network)
    changed = copy.deepcopy(network)
    stages = []
    for number, group in enumerate(reversed(groups)):
        if mode == "independent":
            changed = copy.deepcopy(network)
        for attempt in range(TRIES):
            throw_weights(changed, group, seed=seed + number + 1000 * attempt)
            after = explain(changed)
            if not (empty := float(after.amax()) == float(after.amin())):
                break
        thrown = sum(map(len, groups[len(groups) - number - 1 :])) if mode == "cascading" else len(group)
        share = thrown / len(names)
        stages.append(Stage(layers=group, share=share, likeness=alike(before, after), empty=empty))
    return Randomisation(mode=mode, stages=tuple(stages))


def weighted_layers(network: nn.Module) -> list[str]:
    """The modules that hold weights of two dimensions or more themselves, in the order they were built."""
    return [
        name
        for name, module in network.named_modules()
        if any(weight.ndim > 1 for weight in module.parameters(recurse=False))
    ]


def throw_weights(network: nn.Module, layers: Sequence[str], *, seed: int = 0) -> None:
    """Replace the weights of some layers, in place.

    Args:
        network: is changed.
        layers: names of its modules; a module's own parameters are replaced, not those of modules in it.
        seed: of the throw.
    """
    generator = torch.Generator().manual_seed(seed)
    known = dict(network.named_modules())
    with torch.no_grad():
        for name in layers:
            for weight in known[name].parameters(recurse=False):
                if weight.ndim > 1:
                    spread = (
                        weight.float().std().cpu()
                        if weight.numel() > 1
                        else weight.float().abs().mean().cpu()
                    )
                    thrown = torch.randn(weight.shape, generator=generator) * spread
                else:
                    shuffled = torch.randperm(weight.numel(), generator=generator)
                    thrown = weight.flatten().cpu()[shuffled].reshape(weight.shape)
                weight.copy_(thrown)


def alike(first: Tensor, second: Tensor) -> Likeness:
    """How alike two (H, W) maps are. Two without any contrast are alike; one with and one without are not."""
    one, other = (values.detach().double().cpu().numpy() for values in (first, second))
    size = min(7, *one.shape)
    window = size if size % 2 else size - 1
    parts = [np.abs(values) / (np.abs(values).max() or 1) for values in (one, other)]
    flat = [float(np.ptp(values)) == 0 for values in parts]
    if window >= 3 and not any(flat):
        similarity: Any = structural_similarity
        structure = float(np.nan_to_num(similarity(*parts, data_range=1.0, win_size=window)))
    else:
        structure = float(all(flat))
    return Likeness(
        rank=_rank(one, other), rank_of_magnitudes=_rank(np.abs(one), np.abs(other)), structure=structure
    )


def _rank(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    flat = [float(np.ptp(values)) == 0 or not np.isfinite(values).all() for values in (one, other)]
    if any(flat):
        return float(all(flat))
    found = float(stats.spearmanr(one.ravel(), other.ravel()).statistic)
    return found if isfinite(found) else 0.0
