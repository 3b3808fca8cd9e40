"""How figures are named, explained, rounded and compared on a page."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

KINDS = {"mask": "Mask", "box": "Box", "keypoint": "Keypoint"}
"""What average precision is measured on, the most telling first."""

GLOSSES = {
    "AP": "average precision, mean over overlaps from 0.50 to 0.95",
    "AP50": "average precision where half an overlap is enough",
    "AP75": "average precision where three quarters must overlap",
    "AP/small": "average precision of small objects, under 32² pixels",
    "AP/medium": "average precision of medium objects, 32² to 96² pixels",
    "AP/large": "average precision of large objects, over 96² pixels",
    "AR/1": "share of the objects found with one answer a class and picture",
    "AR/10": "share of the objects found with ten answers",
    "AR/20": "share of the objects found with twenty answers",
    "AR/100": "share of the objects found with a hundred answers",
    "AR50": "share of the objects found where half an overlap is enough",
    "AR75": "share of the objects found where three quarters must overlap",
    "AR/small": "share of the small objects that are found",
    "AR/medium": "share of the medium objects that are found",
    "AR/large": "share of the large objects that are found",
}
"""What the common figures say, in a phrase."""

PIXEL_GLOSSES = {
    "mIoU": "intersection over union of each class's pixels, mean over the classes, the background too",
    "pixel_accuracy": "share of the pixels that have the right class",
    "mean_accuracy": "share of each class that is found, mean over the classes",
    "frequency_weighted_IoU": "intersection over union, each class by its share of the pixels",
    "Dice": "twice the intersection over the sum of both, of the pixels of all pictures together; mean over "
    "the classes, the background too",
    "boundary_IoU": "intersection over union of the pixels near the classes' borders",
    "Rand": "whether the same pixels lie together in cells as in the truth, at the threshold that is best on "
    "these very pictures",
    "Rand/threshold": "that threshold",
    "Rand/split": "how far true cells are whole",
    "Rand/merge": "how far what was found holds one cell only",
    "Rand/at 0.5": "the Rand score at the threshold 0.5",
    "pixel_error": "share of the pixels on the wrong side of 0.5",
    "pixel_error/best F": "1 less the F1 score of the cells' pixels, at the threshold best on these pictures",
}
"""What the figures of classes of pixels say; the most telling first."""

LABEL_GLOSSES = {
    "top1": "share of the pictures whose class is the likeliest",
    "top5": "share of the pictures whose class is among the five likeliest",
    "precision": "share of what is taken for a class that is of it, mean over the classes",
    "F1": "harmonic mean of that and of the share that is found, mean over the classes",
    "calibration_error": "how far the probabilities are from how often they are right",
    "log_loss": "mean of the negative logarithm of the true class's probability",
}
"""What the figures of classes of whole pictures say; the most telling first."""

PICTURE_GLOSSES = {
    "kid": "kernel distance between the features of what is made and of real pictures; lower is better",
    "swd": "sliced Wasserstein distance of what is made from real pictures; lower is better",
    "sliced_wasserstein": "distance of the patches of what is made from real ones; lower is better",
    "psnr": "peak signal-to-noise ratio against the truth, in decibels",
    "gain": "decibels by which it is better than bicubic enlargement",
    "ssim": "structural similarity to the truth, at most 1",
    "ms_ssim": "the same over several scales",
    "lpips": "perceptual distance from the truth; lower is better",
    "perceptual": "distance from the truth in a network's features; lower is better",
    "l1": "mean absolute difference from the truth, of 1; lower is better",
    "cycle": "mean absolute error after there and back, of 1; lower is better",
    "top1": "share of what is made that a judge takes for the class it was made for",
    "diversity": "mean distance between what is made, as a multiple of that between real pictures",
    "diversity_error": "how far the diversity of the worst class is from that of real pictures",
    "copies": "share of what is made that is nearly the same as something else made",
    "sharpness_ratio": "strength of edges, as a multiple of that of real pictures",
    "total": "loss of content, style and smoothness together; lower is better",
    "content": "distance from the picture's content features; lower is better",
    "style": "distance from the style's Gram matrices; lower is better",
    "variation": "unevenness between neighbouring pixels",
    "stability": "change of what is made for a small change of the picture; lower is better",
    "flicker": "change between frames beyond the motion in them; lower is better",
    "pictures": "pictures that were measured",
}
"""What the figures of pictures that are made say; the most telling first."""

ACRONYMS = ("kid", "fid", "swd", "psnr", "ssim", "ms_ssim", "lpips")
"""Figures that are written in capitals."""

OF_CLASSES = ("IoU", "Dice", "boundary_IoU", "recall", "precision", "F1")
"""Figures of pixels or pictures that there are of each class, "IoU/road"."""

HEADLINES = (
    *("mask/AP50", "mask/AP", "box/AP50", "box/AP", "keypoint/AP50", "keypoint/AP"),
    *("mIoU", "pixel_accuracy", "Dice", "boundary_IoU"),
    *("top1", "top5", "F1", "calibration_error"),
    *(
        "kid",
        "swd",
        "sliced_wasserstein",
        "psnr",
        "ssim",
        "gain",
        "cycle",
        "diversity",
        "perceptual",
        "total",
    ),
)
"""Figures worth a tile, the most telling first."""

LOWER_IS_BETTER = (
    *("loss", "error", "seconds", "time", "memory", "missed", "false"),
    *("kid", "swd", "wasserstein", "lpips", "perceptual", "cycle", "copies"),
)


def title(name: str) -> str:
    """A metric's name for a reader: "mask/AP/small" is "Mask AP small", "loss/rpn_box" is "rpn box"."""
    kind, _, rest = name.partition("/")
    if kind in KINDS and rest:
        return f"{KINDS[kind]} {rest.replace('/', ' ')}"
    if kind in ACRONYMS:
        return f"{kind.upper()} {rest}".strip().replace("_", "-")
    return (rest if kind in ("loss", "losses") and rest else name).replace("_", " ")


def gloss(name: str) -> str:
    """What a metric says, in a phrase; empty where it is not a common one."""
    return GLOSSES.get(name.partition("/")[2], "") or gloss_of_classes(name)


def gloss_of_classes(name: str) -> str:
    """What a figure of classes of pixels or pictures says; empty where it is not a common one."""
    return PIXEL_GLOSSES.get(name, "") or LABEL_GLOSSES.get(name, "") or PICTURE_GLOSSES.get(name, "")


def number(value: float) -> str:
    """A figure with three or four digits that count; a dash where there is nothing to measure."""
    if not isfinite(value):
        return "–"
    if value == int(value) and abs(value) > 1:
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1e5 else f"{value:.4g}"


def of_class(name: str) -> tuple[str, str] | None:
    """("mask/AP", "cell") where a metric is of one class, named "mask/AP/cell"; None where it is of all.

    Of pixels: ("IoU", "road") for "IoU/road".
    """
    figure, slash, rest = name.partition("/")
    if slash and figure in OF_CLASSES:
        return figure, rest
    kind, figure, rest = (*name.split("/", 2), "", "")[:3]
    if kind not in KINDS or not rest or f"{figure}/{rest}" in GLOSSES:
        return None
    return f"{kind}/{figure}", rest.removesuffix(" (class)")


def per_class(metrics: Mapping[str, float]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Figures of each class.

    Returns:
        The columns ("mask/AP", ...), and for each class its figures by column.
    """
    rows: dict[str, dict[str, float]] = {}
    columns: dict[str, None] = {}
    for name, value in metrics.items():
        if (found := of_class(name)) is not None:
            columns[found[0]] = None
            rows.setdefault(found[1], {})[found[0]] = value
    order = {name: place for place, name in enumerate(OF_CLASSES)}
    return sorted(columns, key=lambda name: (order.get(name, 0), *_order(name))), rows


def overall(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures that are not of one class, the most telling kind first."""
    whole = {name: value for name, value in metrics.items() if of_class(name) is None}
    return dict(sorted(whole.items(), key=lambda item: _order(item[0])))


def best(name: str, values: list[float | None]) -> set[int]:
    """Which of several runs' values of a metric are the best; none where all are the same or one is known."""
    known = [value for value in values if value is not None and isfinite(value)]
    if len(known) < 2 or min(known) == max(known):
        return set()
    lower = any(word in name.lower() for word in LOWER_IS_BETTER)
    target = min(known) if lower else max(known)
    return {index for index, value in enumerate(values) if value == target}


def _order(name: str) -> tuple[int, int]:
    kind, _, rest = name.partition("/")
    kinds = list(KINDS)
    figures = list(GLOSSES)
    pixels = (*PIXEL_GLOSSES, *LABEL_GLOSSES, *OF_CLASSES, *PICTURE_GLOSSES)
    if name in pixels:
        return len(kinds), pixels.index(name)
    return (
        kinds.index(kind) if kind in kinds else len(kinds),
        figures.index(rest) if rest in figures else len(figures),
    )
