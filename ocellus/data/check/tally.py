"""What there is in a data set, counted while its annotations pass by once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ocellus.data.check.objects import extent_of, over_edge
from ocellus.data.dataset import Annotation, Record

SIDES = (0, 8, 16, 32, 64, 128, 256, 512)
FAR = 0.05  # share of the picture's longer side by which a box that was read wrongly reaches over the edge


@dataclass
class Tally:
    """Counts over a data set.

    Args:
        labels: objects of each label, by split; crowd regions are not among them.
        crowds: crowd regions, by split.
        sides: objects by the lower end of their octave in SIDES.
        boxes: how many boxes were annotated.
        far: how many of them reach far over the picture's edge.
        empty: pictures without annotations, with their split.
        beyond: what the labels of no class were written as, "class 4".
    """

    labels: dict[str, Counter[int]] = field(default_factory=dict)
    crowds: Counter[str] = field(default_factory=Counter)
    sides: Counter[int] = field(default_factory=Counter)
    boxes: int = 0
    far: int = 0
    empty: list[tuple[str, Record]] = field(default_factory=list)
    beyond: set[str] = field(default_factory=set)

    def add(
        self, split: str, record: Record, annotations: Sequence[Annotation], size: tuple[int, int] | None
    ) -> None:
        """Count the annotations of one picture of (H, W)."""
        labels = self.labels.setdefault(split, Counter())
        for annotation in annotations:
            self.beyond |= {one.value for one in annotation.findings if one.kind == "label-unknown"}
            if annotation.box is not None and size is not None:
                self.boxes += 1
                self.far += over_edge(annotation.box, size) > FAR * max(size)
            if annotation.crowd:
                self.crowds[split] += 1
                continue
            labels[annotation.label] += 1
            box = extent_of(annotation, size)
            if box is not None:
                area = max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
                self.sides[max((side for side in SIDES if side <= area**0.5), default=0)] += 1
        if record.label is not None:
            labels[record.label] += 1
        elif not annotations and size is not None:
            self.empty.append((split, record))

    def objects(self, names: Sequence[str], splits: Sequence[str]) -> dict[str, dict[str, int]]:
        """Objects of each class, by split."""
        return {
            split: {name: self.labels.get(split, Counter())[label] for label, name in enumerate(names)}
            for split in splits
        }

    def object_sides(self) -> dict[str, int]:
        """Objects by the octave of their side: {"8-16": 3, ...}."""
        tops = (*SIDES[1:], None)
        pairs = zip(SIDES, tops, strict=True)
        return {f"{low}-{high}" if high else f"{low}+": self.sides[low] for low, high in pairs}
