"""`ocellus explain inside`: a picture for each inner tensor by its name, low level to high level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocellus.data.images import read_picture, to_picture, write_picture
from ocellus.draw.tensors import draw_bars, draw_channels, draw_maps, draw_table
from ocellus.errors import OcellusError
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.inside_detector import detector_parts
from ocellus.jobs.model import Model
from ocellus.jobs.why import told
from ocellus.nn.hooks import find_layer, tensors_in, untouched
from ocellus.nn.inside import Inner, chosen_depth, inner_tensors
from ocellus.nn.subject import Subject, is_two_stage, run
from ocellus.report.inside import Part, Tile, write_inside
from ocellus.values import Picture

MOST = 40
"""Tensors that are shown where nobody says how many."""

CLASSES = 24
"""Classes whose maps are shown."""


def inside(
    model: Explainable | Model | nn.Module | str | Path,
    picture: Picture | str | Path,
    *,
    out: str | Path | None = None,
    layers: Sequence[str] = (),
    depth: int = 0,
    device: str = "auto",
) -> list[Part]:
    """What a network makes of a picture, step by step.

    Args:
        model: what `ocellus.explain` takes.
        picture: or its file.
        out: folder for the page and a PNG of each tensor; None: nothing is written.
        layers: names of modules; empty: all, down to a depth.
        depth: levels of modules that are shown; 0: as many as give `MOST` tensors or fewer.
        device: where a network that is read here runs.

    Raises:
        OcellusError: no such model, picture or layer; `out` holds something.
    """
    ready = explainable(model, device=device)
    for name in layers:
        find_layer(ready.network, name)
    folder = Path(out) if out is not None else None
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OcellusError(f"{folder} is there already: give a new or empty folder with --out", exit_code=2)
    if not isinstance(picture, Picture):
        picture = read_picture(picture, channels=ready.channels)
    with told(picture):
        parts = parts_of(ready, ready.subject(picture), layers=tuple(layers), depth=depth)
    if folder is not None:
        tiles = [tile for part in parts for tile in part.tiles]
        for number, tile in enumerate(tiles, 1):
            stem = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in tile.name)
            write_picture(tile.picture, folder / f"{number:03d}-{stem[:80]}.png")
        name = Path(picture.path or "picture").name
        write_inside(folder / "inside.html", parts, model=ready.source, name=name, about=ready.about)
    return parts


def parts_of(
    ready: Explainable, subject: Subject, *, layers: tuple[str, ...] = (), depth: int = 0
) -> list[Part]:
    """The drawn tensors of one picture.

    Args:
        ready: the network; left as it was.
        subject: the picture.
        layers: names of modules; empty: all.
        depth: levels of modules; 0: `MOST` decides.
    """
    outputs: list[Any] = []
    network = ready.network
    with untouched(network), torch.no_grad():
        found = inner_tensors(network, lambda: outputs.append(run(network, subject)), names=layers)
        two_stage = is_two_stage(network)
        if two_stage and not layers:  # these have parts of their own
            found = [one for one in found if not one.name.startswith(("pyramid", "proposer"))]
        least = depth or chosen_depth(found, MOST)
        shown = found if layers else [one for one in found if one.depth <= least]
        special = detector_parts(network, subject, outputs[0], ready.names) if two_stage else []
        answers = [] if two_stage else _answers(outputs[0], ready.names)
    maps = [one for one in shown if one.channels is not None]
    others = [one for one in shown if one.channels is None]
    return [
        Part(title="Picture", about="What the network is given.", tiles=tuple(_given(subject))),
        Part(
            title="Features",
            about="What its modules put out, in the order of their work. On the left how strongly all "
            "channels respond at each place, on the right those that vary most; where a channel has a sign, "
            "red is positive and blue negative.",
            tiles=tuple(_feature(one) for one in maps),
        ),
        *special,
        Part(
            title="Vectors and regions",
            about="What has no place in the picture: a row for each region, a column for each number; of "
            "regions with places, how strongly each responds.",
            tiles=tuple(_other(one) for one in others),
        ),
        Part(title="Answer", about="What it puts out.", tiles=tuple(answers)),
    ]


def _given(subject: Subject) -> list[Tile]:
    images = subject.images[0].float().cpu()
    shape = "x".join(map(str, subject.images.shape))
    if len(images) != 3:
        return [Tile(name="input", picture=draw_maps(images), shape=shape)]
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return [Tile(name="input", picture=to_picture(pixels.permute(1, 2, 0).numpy()), shape=shape)]


def _feature(one: Inner) -> Tile:
    assert one.strength is not None and one.channels is not None
    which = f"channels {', '.join(map(str, one.which))}"
    return Tile(
        name=_name(one),
        picture=draw_channels(one.strength[0], one.channels),
        shape="x".join(map(str, one.shape)),
        note=f"{one.kind}, {one.low:.3g} to {one.high:.3g}; {which}",
    )


def _other(one: Inner) -> Tile:
    if one.strength is not None:
        picture = draw_maps(one.strength, columns=6)
    else:
        assert one.table is not None
        picture = draw_table(one.table)
    shape = "x".join(map(str, one.shape))
    return Tile(
        name=_name(one), picture=picture, shape=shape, note=f"{one.kind}, {one.low:.3g} to {one.high:.3g}"
    )


def _name(one: Inner) -> str:
    return f"{one.name}, call {one.call}" if one.call > 1 else one.name


def _answers(output: Any, names: tuple[str, ...]) -> list[Tile]:
    """What the network puts out, tensor by tensor."""
    fields = list(getattr(output, "_fields", output.keys() if isinstance(output, dict) else ()))
    tensors = list(tensors_in(output))
    tiles: list[Tile] = []
    for index, tensor in enumerate(tensors):
        name = (
            str(fields[index])
            if len(fields) == len(tensors)
            else "output"
            if len(tensors) == 1
            else f"output {index}"
        )
        tiles += _answer(name, tensor.float().cpu(), names)
    return tiles


def _answer(name: str, tensor: Tensor, names: tuple[str, ...]) -> list[Tile]:
    shape = "x".join(map(str, tensor.shape))
    if tensor.ndim == 2 and tensor.shape[1] > 1:
        shares, order = tensor[0].softmax(dim=0).topk(min(10, tensor.shape[1]))
        rows = [
            (_class(label, names), share)
            for label, share in zip(order.tolist(), shares.tolist(), strict=True)
        ]
        return [Tile(name=f"{name}: probabilities", picture=draw_bars(rows), shape=shape)]
    if tensor.ndim == 4 and tensor.shape[1] > 1:
        shares = tensor[0].softmax(dim=0)
        best = shares.mean(dim=(1, 2)).topk(min(CLASSES, len(shares)))
        return [
            Tile(
                name=f"{name}: {_class(label, names)}",
                picture=draw_maps(shares[label][None], limit=1.0),
                shape=shape,
                note=f"{100 * share:.1f} % of the picture, by probability",
            )
            for label, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
    if tensor.ndim == 4:
        return [Tile(name=name, picture=draw_maps(tensor[0]), shape=shape)]
    if not tensor.numel():
        return []
    flat = tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.flatten(1)
    return [Tile(name=name, picture=draw_table(flat[:24, :256]), shape=shape)]


def _class(label: int, names: tuple[str, ...]) -> str:
    return names[label] if label < len(names) else f"class {label}"
