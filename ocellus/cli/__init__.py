"""The command line: a dictionary from a command's name to the function that does it, imported when called."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from ocellus.errors import OcellusError

COMMANDS = {
    "list": ("ocellus.cli.list_systems:main", "the systems there are, and what each is for"),
    "info": ("ocellus.cli.info:main", "what a system or a weights file is; --layers: its shapes and sizes"),
    "check": ("ocellus.cli.check:main", "look a data set over before it costs a training"),
    "train": ("ocellus.cli.train:main", "train a system on a data set; --resume goes on where a run stopped"),
    "evaluate": ("ocellus.cli.evaluate:main", "measure a model on a data set, with a report"),
    "run": ("ocellus.cli.run:main", "use a model on pictures, folders, videos or a camera"),
    "explain": ("ocellus.cli.explain:main", "why a network said so: heat maps by one method or several"),
    "compare": ("ocellus.cli.compare:main", "several runs side by side: settings, metrics, pictures"),
    "convert": ("ocellus.cli.convert:main", "write a data set in another format"),
    "import": ("ocellus.cli.import_weights:main", "turn a public checkpoint into a weights file"),
    "portrait": (
        "ocellus.cli.portrait:main",
        "cut people out, blur what is behind them, or put them elsewhere",
    ),
    "organs": ("ocellus.cli.organs:main", "lungs and heart of chest X-rays, measured; not a medical device"),
    "driving": ("ocellus.cli.driving:main", "a video of the road in the colors of its classes"),
    "restyle": ("ocellus.cli.restyle:main", "paint one picture in the style of another, slowly, untrained"),
    "demo": ("ocellus.cli.demo:main", "train on synthetic scenes, then look at real photographs"),
}


def usage() -> str:
    """The text of `ocellus --help`."""
    rows = "\n".join(f"  {name:<10}{what}" for name, (_, what) in COMMANDS.items())
    return (
        "usage: ocellus COMMAND ...\n\n"
        "A simple eye: one command to train, measure and use networks that see, explain and imagine.\n\n"
        f"{rows}\n\n"
        "`ocellus COMMAND --help` tells the rest. First steps: ocellus demo; ocellus check FOLDER;\n"
        "ocellus train see/mask_rcnn FOLDER; ocellus run see/mask_rcnn photo.jpg"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 the data or a model is at fault, 2 wrong usage, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"ocellus {version('ocellus')}")
        return 0
    # torch then maps its large tensors in huge pages (Linux): convolutions take a fifth less time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = remark  # type: ignore[assignment]  # it has only what it needs
            code = called(arguments[0], arguments[1:])
        sys.stdout.flush()
    except OcellusError as error:
        tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output, `head` for one, has left
        sys.stderr.close()
        return 0
    except OSError as error:  # of the disk or the network, where no part of ours expected one
        tell(f"{error.filename or 'the output'}: {error.strerror or error}; check the disk and its rights")
        forget_output()
        return 1
    return code


def called(name: str, rest: list[str]) -> int:
    """The exit code of a command.

    Raises:
        OcellusError: no such command, with exit code 2, or what the command says.
    """
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(COMMANDS)}"
        raise OcellusError(f"there is no command {name!r}: {hint}", exit_code=2)
    module, function = COMMANDS[name][0].split(":")
    code: int = getattr(import_module(module), function)(rest)
    return code


def tell(line: str) -> None:
    """One line on standard error; of several processes that torchrun started it says which one speaks."""
    rank = os.environ.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in os.environ else "0"
    print(f"ocellus{f' (process {rank})' if rank != '0' else ''}: {line}", file=sys.stderr)


def remark(message: Warning | str, *_: object) -> None:
    """A warning as a line, without the place in the code that Python adds."""
    tell(str(message))


def forget_output() -> None:
    """Where standard output cannot be written, Python shall not try again when it ends."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
