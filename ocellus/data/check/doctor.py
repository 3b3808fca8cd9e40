"""`check`: everything that is wrong with a data set, found before a network learns it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ocellus.data.check.alike import check_alike
from ocellus.data.check.classes import (
    check_alone,
    check_counts,
    check_ids,
    check_misread,
    check_names,
    check_splits,
)
from ocellus.data.check.files import Seen, check_file, check_twins, examine_all
from ocellus.data.check.generation import VIEWS, check_generation, described
from ocellus.data.check.maps import (
    MapTally,
    check_map_classes,
    check_map_splits,
    examine_maps,
    pixels_of,
    values_of,
)
from ocellus.data.check.objects import check_objects, check_smoothing
from ocellus.data.check.report import Check, ordered
from ocellus.data.check.tally import Tally
from ocellus.data.dataset import Annotation, Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED


def check(
    dataset: Dataset | str | Path, *, workers: int | None = None, each: Callable[[], None] | None = None
) -> Check:
    """Examine a data set: decode every picture, look at every annotation, count everything.

    Args:
        dataset: as read, or what `read` takes; what the reader found is kept among the findings.
        workers: threads that decode; None: one for each core this process may use.
        each: called after each picture, and after each label map, for a progress bar.
    """
    start = time.perf_counter()
    if not isinstance(dataset, Dataset):
        dataset = read(dataset)
    records = list(dataset.records())
    seen = examine_all((record.image for _, record in records), workers=workers or cores(), each=each)
    found = list(dataset.findings)
    tally = Tally()
    for split, record in records:
        one = seen[record.image]
        found += check_file(record, one)
        size = record.size or one.size
        annotations = annotations_of(record, found)
        found += check_objects(
            record,
            annotations,
            size,
            classes=len(dataset.labels),
            keypoints=len(dataset.skeleton) if dataset.skeleton else 0,
        )
        if dataset.format == "masks" and len(dataset.labels) == 1:
            found += check_smoothing(record, annotations)
        tally.add(split, record, annotations, size)
    same = check_twins(records, seen)
    glances = {path: one.glance for path, one in seen.items()}
    found += [*same, *check_alike(records, glances, {one.file for one in same})]
    objects = tally.objects(dataset.labels.names, tuple(dataset.splits))
    found += [*check_names(dataset), *check_ids(dataset, tally), *check_misread(dataset, tally)]
    maps = MapTally(len(dataset.labels))
    if dataset.view in VIEWS:
        found += check_generation(dataset, seen, workers=workers or cores())
    elif dataset.semantic:
        maps = examine_maps(dataset, seen, workers=workers or cores(), each=each)
        found += [*maps.findings, *check_map_classes(dataset, maps), *check_map_splits(dataset, maps)]
    else:
        found += [*check_counts(dataset, objects), *check_splits(dataset, tally)]
        found += check_alone(dataset, objects)
    return Check(
        root=dataset.root,
        format=dataset.format,
        split_rule=dataset.split_rule,
        names=dataset.labels.names,
        view=dataset.view,
        about=described(dataset, [record for _, record in records]),
        findings=ordered(found),
        pictures={split: len(pictures) for split, pictures in dataset.splits.items()},
        objects=objects,
        crowds={split: tally.crowds[split] for split in dataset.splits},
        picture_sizes=count_sizes(records, seen),
        object_sides=tally.object_sides(),
        seconds=time.perf_counter() - start,
        pixels=pixels_of(dataset, maps),
        ignored={split: int(pixels[IGNORED]) for split, pixels in maps.pixels.items()},
        values=values_of(dataset, maps),
    )


def annotations_of(record: Record, found: list[Finding]) -> tuple[Annotation, ...]:
    """The annotations of a picture, read once; none, and a finding more, where their file cannot be read."""
    try:
        return tuple(
            iter(record.annotations)
        )  # without iter, tuple asks for the length, which may read them too
    except OcellusError as error:
        found.append(finding("file-unreadable", record.source or record.image, detail=str(error)))
        return ()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_sizes(records: Sequence[tuple[str, Record]], seen: dict[Path, Seen]) -> dict[tuple[int, int], int]:
    """Pictures of each (H, W), the most frequent first."""
    sizes = (seen[record.image].size for _, record in records)
    return dict(Counter(size for size in sizes if size is not None).most_common())
