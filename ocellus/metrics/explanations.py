"""How far an explanation can be believed: what happens to the answer without the pixels that it names.

**Insertion and deletion** (Petsiuk 2018, arXiv:1806.07421, section 4.2) take the map at its word: pixels are
removed from the picture, the most important first, and the answer should fall at once; or they are put into
an empty picture, and the answer should rise at once. What stands for "removed" matters, a grey area is
something too, so that there are several baselines. Nothing but the network is asked, no human opinion.

The network comes as a function, so that anything can be measured. Whether a map lies on the object is in
`ocellus.metrics.pointing`, whether it depends on what was learned in `ocellus.metrics.randomisation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ocellus.errors import OcellusError

Scores = Callable[[Tensor], Tensor]
"""(B, C, h, w) pictures -> (B,) answers."""

BASELINES = ("blur", "mean")
BLUR = 0.05
"""Standard deviation of the blurred baseline, as a share of the picture's longer side; what is recognised at
all is recognised by finer things."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """The answer while pixels are changed, the most important first.

    Args:
        shares: rising from 0 to 1, the share of the pixels that is changed.
        values: the answer at each.
        empty: the answer to the baseline alone.
        whole: the answer to the whole picture.
    """

    shares: tuple[float, ...]
    values: tuple[float, ...]
    empty: float
    whole: float

    @property
    def area(self) -> float:
        """Under the curve, by trapezoids: the mean answer. Its unit is the answer's."""
        return float(np.trapezoid(self.values, self.shares))

    def relative(self) -> Curve:
        """The curve with 0 for the baseline's answer and 1 for the whole picture's.

        Answers without bounds (logits) can be compared between pictures only so. Where the two are the same,
        the values are nan: removing the whole picture changed nothing.
        """
        span = self.whole - self.empty
        scale = 1 / span if abs(span) > 1e-6 * max(abs(self.whole), abs(self.empty), 1e-6) else float("nan")
        values = tuple((value - self.empty) * scale for value in self.values)
        return Curve(shares=self.shares, values=values, empty=0.0, whole=1.0)


def deletion(
    scores: Scores,
    image: Tensor,
    values: Tensor,
    *,
    baseline: str | Tensor = "mean",
    steps: int = 32,
    batch: int = 8,
    seed: int = 0,
) -> Curve:
    """The answer as a picture loses its pixels, the most important first. A good map's curve falls at once.

    Args:
        scores: (B, C, h, w) -> (B,), for B up to `batch`; a probability where the answer is a class.
        image: (1, C, h, w) or (C, h, w).
        values: (h', w') the map, at most as large as the picture; what lies below and to the right of it is
            padding and is not touched. Equal values come in an order thrown by `seed`.
        baseline: what is put in place of a pixel: "blur", "mean" (the picture's color), a number as text, or
            (1, C, h, w).
        steps: points of the curve but the first; they lie closer where few pixels are changed.
        batch: pictures that are asked about together.
        seed: of the order among equal values.

    Raises:
        OcellusError: an unknown baseline, or a map larger than the picture. Exit code 2.
    """
    image = image if image.ndim == 4 else image[None]
    empty = baseline_of(image, baseline, size=_size(values))
    return _curve(scores, (image, empty), values, steps=steps, batch=batch, seed=seed)


def insertion(
    scores: Scores,
    image: Tensor,
    values: Tensor,
    *,
    baseline: str | Tensor = "blur",
    steps: int = 32,
    batch: int = 8,
    seed: int = 0,
) -> Curve:
    """The answer as an empty picture gets its pixels, the most important first. A good map's rises at once.

    Args:
        scores: as for `deletion`, and so are the others.
        image: (1, C, h, w) or (C, h, w).
        values: (h', w').
        baseline: what is there before.
        steps: points of the curve but the first.
        batch: pictures that are asked about together.
        seed: of the order among equal values.

    Raises:
        OcellusError: an unknown baseline, or a map larger than the picture. Exit code 2.
    """
    image = image if image.ndim == 4 else image[None]
    empty = baseline_of(image, baseline, size=_size(values))
    found = _curve(scores, (empty, image), values, steps=steps, batch=batch, seed=seed)
    return Curve(shares=found.shares, values=found.values, empty=found.whole, whole=found.empty)


def areas(curves: Mapping[str, Curve]) -> dict[str, float]:
    """The area of each curve, and by how much insertion is above deletion, as a mean over their baselines.

    Args:
        curves: by name, "insertion/blur", "deletion/mean" and so on.
    """
    found = {name: curve.area for name, curve in curves.items()}
    kinds = {
        kind: [v for name, v in found.items() if name.split("/")[0] == kind]
        for kind in ("insertion", "deletion")
    }
    if all(kinds.values()):
        found["insertion - deletion"] = float(np.mean(kinds["insertion"]) - np.mean(kinds["deletion"]))
    return found


def baseline_of(image: Tensor, baseline: str | Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
    """A picture with nothing in it.

    Args:
        image: (B, C, h, w).
        baseline: "blur", "mean", a number as text, or (1, C, h, w) of one's own.
        size: h, w of the picture without its padding.

    Returns:
        (B, C, h, w); its padding is the picture's.

    Raises:
        OcellusError: another word. Exit code 2.
    """
    if isinstance(baseline, Tensor):
        return baseline.to(image).expand_as(image)
    rows, columns = size or (image.shape[2], image.shape[3])
    seen, empty = image[:, :, :rows, :columns], image.clone()
    if baseline == "mean":
        empty[:, :, :rows, :columns] = seen.mean(dim=(2, 3), keepdim=True)
    elif baseline == "blur":
        spread = BLUR * max(rows, columns)
        plain = seen.detach().float().cpu().numpy()
        blurred = ndimage.gaussian_filter(plain, (0, 0, spread, spread), mode="reflect")
        empty[:, :, :rows, :columns] = torch.from_numpy(blurred).to(image)
    else:
        try:
            empty[:, :, :rows, :columns] = float(baseline)
        except ValueError:
            message = f"there is no baseline {baseline!r}: take blur, mean or a number"
            raise OcellusError(message, exit_code=2) from None
    return empty


def _size(values: Tensor) -> tuple[int, int]:
    return int(values.shape[-2]), int(values.shape[-1])


def _curve(
    scores: Scores, ends: tuple[Tensor, Tensor], values: Tensor, *, steps: int, batch: int, seed: int
) -> Curve:
    """From the first end to the second; `whole` is the answer to the first, `empty` to the second."""
    first, second = ends
    (rows, columns), (height, width) = _size(values), (first.shape[2], first.shape[3])
    if rows > height or columns > width or steps < 1 or batch < 1:
        message = (
            f"a map of {(rows, columns)} for a picture of {(height, width)}, {steps} steps, batch {batch}"
        )
        raise OcellusError(f"{message}: the map is at most as large, steps and batch 1 or more", exit_code=2)
    rank = torch.full((height, width), rows * columns)  # of padding: never reached
    rank[:rows, :columns] = _ranks(values, seed).reshape(rows, columns)
    rank = rank.to(first.device)
    # Squares: where the most important pixels change, the answer changes most, and is asked for most often.
    counts = sorted({round(rows * columns * (step / steps) ** 2) for step in range(steps + 1)})
    answers: list[float] = []
    for start in range(0, len(counts), batch):
        some = torch.tensor(counts[start : start + batch], device=first.device)
        changed = rank[None, None] < some[:, None, None, None]  # (b, 1, h, w)
        with torch.no_grad():
            answers += scores(torch.where(changed, second, first)).float().reshape(-1).tolist()
    shares = tuple(count / (rows * columns) for count in counts)
    return Curve(shares=shares, values=tuple(answers), empty=answers[-1], whole=answers[0])


def _ranks(values: Tensor, seed: int) -> Tensor:
    """(h * w,) the place of each pixel, the largest value first; equal ones in a thrown order."""
    flat = values.detach().float().flatten().cpu()
    thrown = torch.randperm(len(flat), generator=torch.Generator().manual_seed(seed))
    order = thrown[flat[thrown].argsort(descending=True, stable=True)]
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks
