"""`ocellus import SYSTEM FILE`: a public checkpoint as a weights file of ours; nothing in it is run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_type_hints

from ocellus import catalog
from ocellus.errors import OcellusError


def main(argv: list[str]) -> int:
    """Read a public checkpoint safely, check that it fits, and write it as a weights file."""
    parser = argparse.ArgumentParser(
        prog="ocellus import", description="A public checkpoint as a weights file."
    )
    parser.add_argument("system", help="the system it is for: see/mask_rcnn")
    parser.add_argument("file", help="the checkpoint: .pth, .pt, .pkl of detectron2, or .safetensors")
    parser.add_argument(
        "--also",
        default="",
        help="a second file of the same model: the generator of the way back (imagine/cyclegan)",
    )
    parser.add_argument("--out", default="", help="the weights file (beside the checkpoint, .safetensors)")
    parser.add_argument(
        "--names", default="", help="a text file of class names, one a line, where they are not COCO's"
    )
    parser.add_argument("--licence", default="not stated", help="under which the weights were published")
    parser.add_argument("--data", default="not stated", help="what they were trained on")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the network that the file cannot tell; may be given again",
    )
    arguments = parser.parse_args(argv)
    system = catalog.system(arguments.system)
    if not hasattr(system, "import_state"):
        raise OcellusError(
            f"{arguments.system} has no public checkpoints that could be imported", exit_code=2
        )
    from ocellus import weights
    from ocellus.foreign import read_foreign

    source = Path(arguments.file)
    refuse_our_own(source)
    out = Path(arguments.out) if arguments.out else source.with_suffix(".safetensors")
    if out.exists():
        raise OcellusError(f"{out} is there already: name another file with --out", exit_code=2)
    names = read_names(Path(arguments.names)) if arguments.names else ()
    adjust = settings(arguments.set, system.Config)
    found = read_foreign(source)
    if arguments.also:
        found |= {f"also.{name}": tensor for name, tensor in read_foreign(arguments.also).items()}
    config, state, labels = system.import_state(found, names=names, adjust=adjust)
    network = system.build(config)
    weights.load_state(network, state, source=str(source))
    header = weights.describe(
        arguments.system,
        config,
        labels=labels.names,
        licence=arguments.licence,
        data=arguments.data,
        notes=f"imported from {source.name}",
    )
    weights.save(out, network, header)
    print(f"{out}: {arguments.system}, {len(labels)} classes, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def refuse_our_own(path: Path) -> None:
    """See that a file is not a weights file of ours already.

    Raises:
        OcellusError: it is. Exit code 2.
    """
    from ocellus import weights

    try:
        system = weights.read_header(path).system
    except OcellusError:
        return
    raise OcellusError(
        f"{path} is a weights file of Ocellus already, of {system}: it can be used as it is", exit_code=2
    )


def read_names(path: Path) -> tuple[str, ...]:
    """Class names, one a line.

    Raises:
        OcellusError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8: {error}"
        raise OcellusError(f"{path} cannot be read as a list of class names: {reason}") from error
    return tuple(line.strip() for line in lines if line.strip())


def settings(words: list[str], kind: Any) -> dict[str, Any]:
    """NAME=VALUE words as fields of a Config; values are read as JSON, else as text.

    Raises:
        OcellusError: not NAME=VALUE, no such setting, or a value of another type. Exit code 2.
    """
    from ocellus.jobs.settings import read_setting

    known = get_type_hints(kind)
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise OcellusError(f"--set {word}: give NAME=VALUE of {', '.join(sorted(known))}", exit_code=2)
        found[name] = read_setting(name, text, known[name])
    return found
