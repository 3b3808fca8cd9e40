"""`ocellus compare RUN RUN ...`: several runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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
    page = write_comparison([Path(folder) for folder in arguments.runs], Path(arguments.out))
    if arguments.json:
        metrics = {name: measures.overall(run.metrics()) for name, run in zip(names, runs, strict=True)}
        print(json.dumps({"runs": names, "metrics": metrics, "page": str(page)}, ensure_ascii=False))
        return 0
    for section, setting, values in tables.differing([run.settings for run in runs]):
        print(f"{section}.{setting}: {' | '.join(values)}")
    wide = max(len(name) for name in names)
    for metric, cells in metric_rows(runs):
        print(f"{metric:<24}" + "  ".join(f"{cell.text:>{wide}}" for cell in cells))
    print(f"page {page}")
    return 0
