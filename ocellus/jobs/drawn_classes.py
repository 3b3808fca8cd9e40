"""Runs a system that is given the name of a class: a sheet for each class, and its pictures one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from ocellus.data.images import write_picture
from ocellus.errors import OcellusError
from ocellus.jobs.found_pictures import sheet
from ocellus.jobs.kinds import kind_of
from ocellus.jobs.model import Model
from ocellus.jobs.run import Found, Sink
from ocellus.values import Picture

ALL = "all"
"""In place of names: every class."""


def chosen(ready: Model, names: Sequence[str]) -> list[str]:
    """The classes that names stand for, in their order.

    Raises:
        OcellusError: the model does not know one. Exit code 2.
    """
    known = ready.header.labels
    wanted: list[str] = []
    for name in names:
        if name == ALL and ALL not in known:
            wanted += known or (ALL,)
        elif name in known:
            wanted.append(name)
        else:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            some = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
            raise OcellusError(
                f"{ready.source} draws no {name!r}: {hint}it draws {some}; give names of these, or {ALL}",
                exit_code=2,
            )
    return list(dict.fromkeys(wanted))


def drawn(ready: Model, names: Sequence[str], *, sink: Sink | None, options: Any) -> Iterator[Found]:
    """A `Found` for each class; its value is the sheet.

    Raises:
        OcellusError: the folder cannot be written.
    """
    kind = kind_of(ready.header.system)
    if sink:
        sink.ending, sink.text = ".png", ready.about()
    with sink or nullcontext():
        for name in names:
            start = time.perf_counter()
            made: tuple[Picture, ...] = ready(name, options=options)
            together = sheet(made)
            found = Found(
                picture=name,
                value=together,
                size=made[0].size,
                text=f"{len(made)} of {made[0].size[1]}x{made[0].size[0]}",
                facts={"count": len(made)},
                seconds=time.perf_counter() - start,
            )
            if sink:
                files = [written(one, sink, f"{name}-{number:03d}") for number, one in enumerate(made)]
                named = replace(found, facts={**found.facts, "files": files})
                found = sink.write(replace(together, path=name), named, kind=kind)
            yield found


def written(picture: Picture, sink: Sink, stem: str) -> str:
    """Write one picture; the name of its file."""
    path = sink.folder / sink.free_name(stem.replace("/", "-"), ending=sink.ending)
    write_picture(picture, path, text=sink.text)
    return str(path)
