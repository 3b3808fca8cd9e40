"""`ocellus check DATA`: what is wrong with a data set, before it costs a training."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ocellus.data.check import Check
    from ocellus.data.dataset import Dataset, Finding

EXAMPLES = 3
MOST_CLASSES = 40
BAR = 24
PIPED_WIDTH = 120


@dataclass(frozen=True)
class Arguments:
    """Decode every picture and examine every annotation. Exit code 1: training would refuse the data set."""

    data: tyro.conf.Positional[Path]
    """The data set: a folder or an annotation file (COCO, VOC, YOLO, LabelMe, masks, classes, pictures)."""
    view: Literal["objects", "classes", "labels", "pictures", "pairs", "domains"] = "objects"
    """objects that are marked; classes of all pixels: label maps, or objects painted as such; labels of whole
    pictures: a folder for each class, a table, or drawings; pictures alone; pairs of pictures: side by side,
    or in two folders; or domains: two folders of pictures that are not paired."""
    json: bool = False
    """Print everything as JSON: all findings, not only the first of each kind."""
    workers: int = 0
    """Threads that decode pictures; 0: one for each core."""
    val_fraction: float = 0.2
    """Share of the pictures that validates where the format has no split of its own, as in train."""


def main(argv: list[str]) -> int:
    """Check a data set and print what was found; the exit code is 1 where training would refuse."""
    arguments = tyro.cli(Arguments, args=argv, prog="ocellus check")
    from ocellus.data.read import read

    dataset = read(arguments.data, val_fraction=arguments.val_fraction, view=arguments.view)
    result = examine(dataset, arguments.workers or None)
    if arguments.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    else:
        from rich.console import Console

        show(result, Console(width=None if sys.stdout.isatty() else PIPED_WIDTH))
    return 1 if result.refuses else 0


def examine(dataset: Dataset, workers: int | None) -> Check:
    """Check with a progress bar on standard error, where a person looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocellus.data.check import check

    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        maps = sum(record.label_map is not None for _, record in dataset.records())
        task = progress.add_task("", total=len({record.image for _, record in dataset.records()}) + maps)
        return check(dataset, workers=workers, each=lambda: progress.advance(task))


def show(result: Check, console: Console) -> None:
    """Print the counts, the class histogram and the findings."""
    total = sum(result.pictures.values())
    splits = ", ".join(f"{split} {count}" for split, count in result.pictures.items())
    console.print(f"[bold]{result.root}[/]  {result.format}, {total} pictures ({splits})", highlight=False)
    if result.about:
        console.print(result.about, highlight=False, markup=False)
    if result.split_rule:
        console.print(f"splits: {result.split_rule}", highlight=False, markup=False)
    if result.picture_sizes:
        console.print(sizes_line(result), highlight=False)
    if result.names:
        console.print(pixel_table(result) if result.semantic else class_table(result))
    refused = sum(finding.severity == "refuse" for finding in result.findings)
    warned = len(result.findings) - refused
    if result.findings:
        console.print(finding_table(result))
    verdict = (
        "[red bold]training refuses this data set[/]"
        if result.refuses
        else "[green bold]ready to train on[/]"
    )
    console.print(
        f"{verdict}: {refused} to mend, {warned} to know of, {result.seconds:.1f} s", highlight=False
    )


def sizes_line(result: Check) -> str:
    """The picture sizes in a line, and the objects' below it."""
    sizes = result.picture_sizes
    first = ", ".join(f"{width}x{height} ({count})" for (height, width), count in list(sizes.items())[:3])
    more = f", and {len(sizes) - 3} more" if len(sizes) > 3 else ""
    sides = ", ".join(f"{side}: {count}" for side, count in result.object_sides.items() if count)
    return f"picture sizes: {first}{more}" + (f"\nobject sides in pixels: {sides}" if sides else "")


def class_table(result: Check) -> Table:
    """Objects or pictures of each class and split, with bars; the rarest of very many are left to --json."""
    from rich.table import Table
    from rich.text import Text

    splits = list(result.objects)
    totals = {name: sum(result.objects[split][name] for split in splits) for name in result.names}
    names = sorted(result.names, key=lambda name: -totals[name])
    counted = "pictures" if result.view in ("labels", "domains") else "objects"
    table = Table("class", *splits, counted, box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    most = max(totals.values(), default=0)
    for name in names[:MOST_CLASSES]:
        counts = [str(result.objects[split][name]) for split in splits]
        table.add_row(Text(name), *counts, "█" * round(BAR * totals[name] / most) if most else "")
    if len(names) > MOST_CLASSES:
        rest = names[MOST_CLASSES:]
        counts = [str(sum(result.objects[split][name] for name in rest)) for split in splits]
        table.add_row(f"{len(rest)} more classes", *counts, "")
    if any(result.crowds.values()):
        table.add_row("(crowd regions)", *(str(result.crowds[split]) for split in splits), "")
    return table


def pixel_table(result: Check) -> Table:
    """What the values in label maps mean, and the pixels of each class and split, with bars."""
    from rich.table import Table
    from rich.text import Text

    splits = list(result.pixels)
    totals = {name: sum(result.pixels[split][name] for split in splits) for name in result.names}
    whole = {split: max(sum(result.pixels[split].values()), 1) for split in splits}
    values: dict[str, list[str]] = {}
    for value, name, _ in result.values:
        values.setdefault(name, []).append(value)
    names = sorted(result.names, key=lambda name: -totals[name])
    table = Table("class", "in the files", *splits, "pixels", box=None, pad_edge=False)
    for column in table.columns[2:-1]:
        column.justify = "right"
    most = max(totals.values(), default=0)
    for name in names[:MOST_CLASSES]:
        shares = [f"{result.pixels[split][name] / whole[split]:.2%}" for split in splits]
        bar = "█" * round(BAR * totals[name] / most) if most else ""
        table.add_row(Text(name), shortened(values.get(name, [])), *shares, bar)
    if len(names) > MOST_CLASSES:
        rest = names[MOST_CLASSES:]
        shares = [f"{sum(result.pixels[s][name] for name in rest) / whole[s]:.2%}" for s in splits]
        table.add_row(f"{len(rest)} more classes", "", *shares, "")
    for word, title in (("ignored", "(ignored)"), ("no class", "(no class)")):
        if word in values:
            counts = [f"{result.ignored[split]} px" if word == "ignored" else "" for split in splits]
            total = sum(count for _, name, count in result.values if name == word)
            table.add_row(title, shortened(values[word]), *counts, f"{total} px")
    return table


def shortened(values: list[str]) -> str:
    """The first few values of a list in a line."""
    return ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def finding_table(result: Check) -> Table:
    """One row a kind: how often, what it means, the first few places."""
    from rich.table import Table
    from rich.text import Text

    table = Table("severity", "kind", "count", "what and where", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for kind, found in result.by_kind():
        refused = found[0].severity == "refuse"
        cell = Text(found[0].message)
        for finding in found[:EXAMPLES]:
            if spot := place(finding, result.root):
                cell.append(f"\n  {spot}", style="dim")
        if len(found) > EXAMPLES:
            cell.append(f"\n  and {len(found) - EXAMPLES} more (--json lists all)", style="dim")
        table.add_row(
            Text(found[0].severity, style="red" if refused else "yellow"), kind, str(len(found)), cell
        )
    return table


def place(finding: Finding, root: Path) -> str:
    """Where a finding is, and what stands there."""
    from ocellus.data.check.report import shown

    file = "" if Path(finding.file) == root else shown(finding.file, root)
    spot = ", ".join(part for part in (file, finding.where) if part)
    return ": ".join(part for part in (spot, finding.value) if part)
