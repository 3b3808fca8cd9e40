"""How long `ocellus check` takes on 1,000 photographs of 640x480: python -m benchmarks.check

The pictures are made in a temporary folder, from a photograph that scikit-image ships, turned, shifted and
grained so that no two are alike, with a COCO file of seven boxes each. The peer decodes each JPEG in full
with Pillow in one thread, as a plain loop over the files would.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from ocellus.data.check import check
from ocellus.data.check.doctor import cores
from ocellus.data.read import read


def make(folder: Path, *, count: int, width: int, height: int) -> None:
    """Write `count` JPEGs of quality 90 and their annotations."""
    base = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((width, height)), np.int16)
    chance = np.random.default_rng(0)
    images, annotations = [], []
    (folder / "images").mkdir()
    for number in range(count):
        pixels = np.roll(base, (7 * number % height, 13 * number % width), (0, 1))
        grain = chance.integers(-12, 13, (height, width, 1), np.int16)
        name = f"{number:04}.jpg"
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(
            folder / "images" / name, quality=90
        )
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for x, y in chance.integers(0, (width - 64, height - 64), (7, 2)).tolist():
            box = [x, y, 40 + number % 20, 50]
            entry = {
                "id": len(annotations),
                "image_id": number,
                "category_id": 1 + x % 3,
                "bbox": box,
                "iscrowd": 0,
            }
            annotations.append(entry | {"area": box[2] * box[3]})
    categories = [{"id": number, "name": name} for number, name in enumerate(("cat", "dog", "bird"), 1)]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    (folder / "annotations.json").write_text(text)


def plain_loop(folder: Path) -> float:
    """Seconds to decode every picture with Pillow, one after the other."""
    start = time.perf_counter()
    for path in sorted((folder / "images").iterdir()):
        with Image.open(path) as image:
            image.load()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, count=arguments.count, width=640, height=480)
        ours, peer = [], []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            result = check(read(folder))
            ours.append(time.perf_counter() - start)
            peer.append(plain_loop(folder))
        assert not result.refuses
        megabytes = sum(path.stat().st_size for path in (folder / "images").iterdir()) / 1e6
    ratios = sorted(b / a for a, b in zip(ours, peer, strict=True))
    print(
        f"{arguments.count} JPEGs of 640x480, {megabytes:.0f} MB, {cores()} cores, {arguments.repeats} times"
    )
    print(f"read and check      {min(ours):.2f} to {max(ours):.2f} s")
    print(f"decode, plain loop  {min(peer):.2f} to {max(peer):.2f} s")
    print(f"ratio               {ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
