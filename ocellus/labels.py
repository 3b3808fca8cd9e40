"""Class names and skeletons are data: read from the annotations, stored in the weights, never in code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True)
class LabelMap:
    """The names of N classes; a label is an index into them, 0 to N-1. There is no background class."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"class names must differ, {repeated} occur more than once in {list(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, label: int) -> str:
        return self.names[label]

    def index(self, name: str) -> int:
        """The label of a class name.

        Raises:
            KeyError: no such class; the message lists the nearest names.
        """
        if name not in self.names:
            near = get_close_matches(name, self.names) or list(self.names[:10])
            raise KeyError(f"no class {name!r}; there is {', '.join(near)}")
        return self.names.index(name)

    def to_dict(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> LabelMap:
        return LabelMap(tuple(data["names"]))


@dataclass(frozen=True)
class Skeleton:
    """K named keypoints and how they hang together.

    Args:
        names: K keypoint names, in the order of the tensors.
        flip_pairs: pairs of keypoint indices that change places when a picture is mirrored (left and right).
        edges: pairs of keypoint indices joined by a line when drawn.
        sigmas: K per-keypoint spreads of object keypoint similarity (COCO); empty where unknown.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        for a, b in (*self.flip_pairs, *self.edges):
            if not (0 <= a < count and 0 <= b < count):
                raise ValueError(f"a skeleton of {count} keypoints has no pair ({a}, {b})")
        if self.sigmas and len(self.sigmas) != count:
            raise ValueError(f"{len(self.sigmas)} sigmas for {count} keypoints; give one each, or none")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """(K,) the keypoint that takes each place after mirroring."""
        order = list(range(len(self.names)))
        for a, b in self.flip_pairs:
            order[a], order[b] = b, a
        return tuple(order)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Skeleton:
        return Skeleton(
            names=tuple(data["names"]),
            flip_pairs=tuple((int(a), int(b)) for a, b in data.get("flip_pairs", ())),
            edges=tuple((int(a), int(b)) for a, b in data.get("edges", ())),
            sigmas=tuple(float(sigma) for sigma in data.get("sigmas", ())),
        )


LEFT_RIGHT = (("left", "right"), ("Left", "Right"), ("l_", "r_"), ("L_", "R_"), ("왼", "오른"))


def flip_pairs_from_names(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Pairs of keypoints whose names differ only in left and right ("left_eye", "right_eye")."""
    pairs = []
    for index, name in enumerate(names):
        for left, right in LEFT_RIGHT:
            if left in name and (other := name.replace(left, right)) in names:
                pairs.append((index, names.index(other)))
                break
    return tuple(pairs)


COCO_PERSON = Skeleton(
    names=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
        *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    edges=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
        *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    ),
    # The spreads published with the COCO keypoint metric, for its 17 points alone.
    sigmas=(
        *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
        *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    ),
)
