"""`ocellus compare RUN RUN ...`: several runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ocellus.cli.figures import for_json
from ocellus.errors import OcellusError


def main(argv: list[str]) -> int:
    """Print a table of the runs' metrics and write a page with settings, curves and pictures side by side."""
    parser = argparse.ArgumentParser(prog="ocellus compare", description="Several runs side by side.")
    parser.add_argument("runs", nargs="+", help="folders of runs or evaluations")
    parser.add_argument("--out", default="runs/comparison.html", help="the page (runs/comparison.html)")
    parser.add_argument("--json", action="store_true", help="print settings that differ and metrics as JSON")
    arguments = parser.parse_args(argv)
    if len(arguments.runs) < 2:
        raise OcellusError("one run has nothing to be compared with: give two or more", exit_code=2)
    from ocellus.report import measures, tables
    from ocellus.report.compare import metric_rows, run_names, write_comparison
    from ocellus.report.folder import read_run

    runs = [read_run(Path(folder)) for folder in arguments.runs]
    names = run_names(runs)
    differing = tables.differing([run.settings for run in runs])
    page = write_comparison([Path(folder) for folder in arguments.runs], Path(arguments.out))
    if arguments.json:
        found = [for_json(measures.overall(run.metrics())) for run in runs]
        settings = {f"{section}.{name}": values for section, name, values in differing}
        facts = {"runs": names, "settings": settings, "metrics": dict(zip(names, found, strict=True))}
        print(json.dumps(facts | {"page": str(page)}, ensure_ascii=False))
        return 0
    for section, setting, values in differing:
        print(f"{section}.{setting}: {' | '.join(values)}")
    rows = metric_rows(runs)
    first, wide = max((len(metric) for metric, _ in rows), default=0), max(6, *map(len, names))
    print(" " * first + "".join(f"  {name:>{wide}}" for name in names))
    for metric, cells in rows:
        print(f"{metric:<{first}}" + "".join(f"  {cell.text:>{wide}}" for cell in cells))
    print(f"page {page}")
    return 0
