"""A run's weights as a file to ship: half precision, with licence, data and notes, and measured as shipped.

    python -m benchmarks.ship runs/camvid-fcn8s ../shared/data/camvid ocellus/zoo/fcn-camvid.safetensors \\
        --licence "CC BY-NC 4.0 training data: not for commercial use" --notes "Road scenes ..."

The figures in the file are those of the rounded weights, on the split "val" of the data.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from math import isfinite
from pathlib import Path

import ocellus
from ocellus import weights
from ocellus.errors import OcellusError
from ocellus.jobs.model import find

MOST = 8_000_000
"""Bytes of a file that is shipped, at most."""


def main() -> None:
    """Write the file, measure it, and write it again with what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a run's folder, or its best.safetensors")
    parser.add_argument("data", help="what it is measured on; none: the run's own figures are kept")
    parser.add_argument("out", type=Path)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--notes", required=True, help="what a user should know before trusting it")
    arguments = parser.parse_args()
    network, header = weights.load(find(arguments.model))
    header = replace(header, licence=arguments.licence, notes=arguments.notes)
    weights.save(arguments.out, network, header, half=True)
    if arguments.out.stat().st_size > MOST:
        raise OcellusError(f"{arguments.out} has {arguments.out.stat().st_size} bytes, more than {MOST}")
    if arguments.data == "none":  # a style: what measures it is not in the file
        print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, figures of the run")
        return
    found = ocellus.evaluate(str(arguments.out), arguments.data).metrics
    kept = {name: round(value, 4) for name, value in found.items() if isfinite(value)}
    weights.save(arguments.out, network, replace(header, metrics=kept), half=True)
    was = {name: round(header.metrics[name], 4) for name in kept if name in header.metrics}
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")
    for name, value in kept.items():
        print(f"  {name:<32}{value:.4f}   before rounding {was.get(name, float('nan')):.4f}")


if __name__ == "__main__":
    main()
