"""Write scikit-learn's 1,797 digits as a data set: `python -m benchmarks.digits OUT [--side 28]`.

A file of drawings for each class, 0.npz to 9.npz, as QuickDraw's; a fifth is for validation. Then, say,

    ocellus train explain/scouter OUT --preset thumbnails --channels 1 --flip 0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ocellus.data.synthetic import write_digits


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", help="folder; is made")
    parser.add_argument(
        "--side", type=int, default=28, help="pixels that they are enlarged to; 8: as they are"
    )
    arguments = parser.parse_args()
    dataset = write_digits(Path(arguments.out), side=arguments.side)
    counts = ", ".join(f"{len(records)} for {split}" for split, records in dataset.splits.items())
    print(f"{arguments.out}: {len(dataset.labels)} classes, {counts}")


if __name__ == "__main__":
    main()
