"""`ocellus info NAME`: what a system or a weights file is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.jobs.shipped import find_shipped


def main(argv: list[str]) -> int:
    """Print what is known of a system or a weights file; with --layers, of each module."""
    parser = argparse.ArgumentParser(prog="ocellus info", description="What a system or a weights file is.")
    parser.add_argument(
        "name", help="a system (see/mask_rcnn), a weights file, a run folder, or shipped weights (unet-lungs)"
    )
    parser.add_argument(
        "--layers", action="store_true", help="every module's output, parameters, multiply-adds"
    )
    parser.add_argument("--preset", default="", help="of a system: the preset to show (its first)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=None,
        metavar=("H", "W"),
        help="height and width of the picture for --layers (the network's own)",
    )
    parser.add_argument("--depth", type=int, default=0, help="levels of modules that --layers shows (0: all)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    arguments = parser.parse_args(argv)
    path = Path(arguments.name)
    if path.is_dir() and (path / "best.safetensors").is_file():
        path = path / "best.safetensors"
    config: Any = None
    if path.is_dir() and arguments.name not in [card.name for card in catalog.cards()]:
        raise OcellusError(f"{path} is a folder without best.safetensors: give a run's, a file or a system")
    if ("/" not in arguments.name or ":" in arguments.name) and not path.exists():
        path = find_shipped(arguments.name) or path
    if path.is_file() or path.suffix:
        header = weights.read_header(path)
        facts: dict[str, Any] = asdict(header) | {"file": str(path), "bytes": path.stat().st_size}
        config = header.settings() if arguments.layers else None
    else:
        facts, config = system_facts(arguments.name, arguments.preset)
    if arguments.layers:
        facts["layers"] = layers(facts, config, arguments.size)
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return 0
    show(facts, depth=arguments.depth)
    return 0


def system_facts(name: str, preset: str) -> tuple[dict[str, Any], Any]:
    """A system's card and presets, and the network settings of one of them.

    Raises:
        OcellusError: no such system or preset. Exit code 2.
    """
    system = catalog.system(name)
    presets = system.PRESETS
    if preset and preset not in presets:
        raise OcellusError(f"{name} has no preset {preset!r}; there is {', '.join(presets)}", exit_code=2)
    chosen = preset or next(iter(presets))
    config = presets[chosen][0]
    facts = asdict(catalog.card(name)) | {
        "presets": list(presets),
        "preset": chosen,
        "config": asdict(config),
    }
    return facts, config


def layers(facts: dict[str, Any], config: Any, size: list[int] | None) -> list[dict[str, Any]]:
    """The rows of --layers, for an input of the network's own size where none is given.

    Raises:
        OcellusError: a size without a pixel, or of what takes no picture. Exit code 2.
    """
    if size and min(size) < 1:
        raise OcellusError(f"--size {size[0]} {size[1]} makes no sense: give H and W in pixels", exit_code=2)
    import torch

    from ocellus.nn.summary import summarize

    name = facts.get("system", facts.get("name"))
    system, card = catalog.system(str(name)), catalog.card(str(name))
    network = getattr(system, f"build_{facts['part']}" if facts.get("part") else "build")(config)
    if card.verb == "generate" and not facts.get("part"):
        if size and card.takes != "picture":
            raise OcellusError(f"{name} takes no picture: leave --size out", exit_code=2)
        inputs = system.example(config)
        if size:
            inputs = tuple(torch.zeros(*entry.shape[:2], *size) for entry in inputs)
        facts["input"] = [list(entry.shape) for entry in inputs]
        return [asdict(layer) for layer in summarize(network, *inputs)]
    side = getattr(config, "short_side", 0)
    height, width = size or (side or 480, side or 640)
    height, width = (side + -side % 32 for side in (height, width))
    facts["input"] = [1, 3, height, width]
    return [asdict(layer) for layer in summarize(network, torch.zeros(1, 3, height, width))]


def show(facts: dict[str, Any], *, depth: int) -> None:
    """Print facts as lines, layers as a table."""
    for key, value in facts.items():
        if key == "layers":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name} {plain(entry)}" for name, entry in value.items())
        elif isinstance(value, (list, tuple)):
            value = plain(value)
        if value not in ("", None):
            print(f"{key:<14}{value}")
    rows = [row for row in facts.get("layers", []) if not depth or row["name"].count(".") < depth]
    if rows:
        wide = max(len(row["name"]) for row in rows)
        shape = min(48, max(len(row["output"]) for row in rows))
        print(f"\n{'module':<{wide}}  {'output':<{shape}}  {'parameters':>12}  {'multiply-adds':>15}")
    for row in rows:
        output = row["output"] if len(row["output"]) <= shape else row["output"][: shape - 1] + "…"
        numbers = f"{row['parameters']:>12,}  {row['multiply_adds']:>15,}"
        print(f"{row['name'] or '(all)':<{wide}}  {output:<{shape}}  {numbers}")


def plain(value: Any) -> str:
    """A setting or figure as a person writes it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(entry) for entry in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
