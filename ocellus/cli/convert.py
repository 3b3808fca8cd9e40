"""`ocellus convert DATA FORMAT OUT`: a data set in another format, with a word on what it cannot hold."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ocellus.errors import OcellusError

FORMATS = ("coco", "yolo", "labelme", "id_masks", "voc")


def main(argv: list[str]) -> int:
    """Read a data set, write it in another format, and say what was lost."""
    parser = argparse.ArgumentParser(prog="ocellus convert", description="A data set in another format.")
    parser.add_argument("data", help="a data set in any format that `ocellus check` reads")
    parser.add_argument("format", choices=FORMATS, help="the format to write")
    parser.add_argument("out", help="a new folder")
    parser.add_argument("--no-pictures", action="store_true", help="write the annotations alone")
    arguments = parser.parse_args(argv)
    from ocellus.data.instances import instances, pictured
    from ocellus.data.read import read
    from ocellus.values import Instances

    out = Path(arguments.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OcellusError(f"{out} is there already: give a new or empty folder", exit_code=2)
    dataset = read(arguments.data)

    def items() -> Iterator[tuple[str, Instances]]:
        for split, record in dataset.records():
            name = record.name if record.name.startswith(f"{split}/") else f"{split}/{record.name}"
            yield name, (instances if arguments.no_pictures else pictured)(record, dataset)

    if lost := sum(finding.severity == "refuse" for finding in dataset.findings):
        say = f"left out of {dataset.root}: {lost}; `ocellus check {dataset.root}` tells more"
        print(say, file=sys.stderr)
    writer = import_module(f"ocellus.data.write.{arguments.format}")
    try:
        findings = writer.write(items(), out, labels=dataset.labels, skeleton=dataset.skeleton)
    except BaseException:  # Ctrl-C too: a part of a data set would look like a whole one
        shutil.rmtree(out, ignore_errors=True)
        raise
    for finding in findings:
        print(f"{finding.severity}: {finding.file} {finding.value} {finding.message}".replace("  ", " "))
    print(f"{len(dataset)} pictures as {arguments.format} in {out}")
    return 0
