"""Filters, activation maps, maximal patches and class ascent of a model: looked at, drawn and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import nn

from ocellus import catalog
from ocellus.data.images import is_picture, read_picture, write_picture
from ocellus.data.sources import resolve
from ocellus.draw.units import draw_activations, draw_ascents, draw_filters, draw_patches
from ocellus.errors import OcellusError
from ocellus.jobs.answers import answers_of, score_of
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.model import Model
from ocellus.jobs.run import Broken
from ocellus.jobs.settings import checked
from ocellus.jobs.why import told
from ocellus.nn.subject import Subject
from ocellus.values import Activations, Ascent, Filters, Patches, Picture

Given = Explainable | Model | nn.Module | str | Path
Options = Mapping[str, Any]
Say = Callable[[str], None]
SIDE = 224
"""Pixels of the grey picture that a network is asked with where none is given."""


def filters(
    model: Given,
    *,
    picture: Picture | str | Path | None = None,
    layer: str = "",
    out: str | Path | None = None,
    options: Options | None = None,
) -> Filters:
    """A layer's filters.

    Args:
        model: what `ocellus.explain` takes.
        picture: of a size that the network takes; None: a grey one.
        layer: its name; "": the first with weights.
        out: new folder for filters.png, .npz and .json; None: nothing is written.
        options: fields of the method's Config.

    Raises:
        OcellusError: no such model, layer or setting; a layer without filters.
    """
    config, method = _method("filters", options)
    ready = explainable(model)
    shown = _read(picture, ready) if picture is not None else _grey(ready)
    with told(shown):
        found: Filters = method(ready.network, _seen(ready, shown), layer=layer or None, config=config)
    _write(out, "filters", found, lambda: draw_filters(found))
    return found


def activations(
    model: Given,
    picture: Picture | str | Path,
    *,
    target: str = "top",
    layer: str = "",
    out: str | Path | None = None,
    options: Options | None = None,
) -> Activations:
    """The maps of a layer's units for one picture, and what silencing some of them does.

    Args:
        model: what `ocellus.explain` takes.
        picture: or its file.
        target: the answer that masking is to change, as `ocellus.explain` takes it.
        layer: its name; "": the last that has maps.
        out: new folder for activations.png, .npz and .json; None: nothing is written.
        options: fields of the method's Config.

    Raises:
        OcellusError: no such model, picture, layer, unit, target or setting.
    """
    config, method = _method("activations", options)
    ready = explainable(model)
    shown = _read(picture, ready)
    with told(shown):
        subject = ready.subject(shown)
        score = None
        if config.mask or config.keep or config.effects:
            score = score_of(target, ready, answers_of(ready, subject))
        found: Activations = method(
            ready.network, subject, layer=layer or None, score=score, names=ready.names, config=config
        )
    _write(out, "activations", found, lambda: draw_activations(found))
    return found


def max_patches(
    model: Given,
    source: str | Path | Sequence[str | Path],
    *,
    layer: str = "",
    out: str | Path | None = None,
    options: Options | None = None,
    say: Say = lambda line: None,
) -> Patches:
    """The strongest patches of a layer's units over the pictures of a folder.

    Args:
        model: what `ocellus.explain` takes.
        source: a folder, pattern or picture, or several; videos are passed over.
        layer: its name; "": the last that has maps.
        out: new folder for max_patches.png, .npz and .json; None: nothing is written.
        options: fields of the method's Config.
        say: is told of pictures that cannot be read.

    Raises:
        OcellusError: no such model, picture, layer, unit or setting; an empty folder.
    """
    config, method = _method("max_patches", options)
    ready = explainable(model)
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    files = [one for entry in sources for one in resolve(str(entry)) if isinstance(one, Path)]
    pictures = [path for path in files if is_picture(path)]
    if not pictures:
        where = ", ".join(map(str, sources)) or "no source"
        raise OcellusError(f"{where} holds no picture; name a folder of pictures or a pattern", exit_code=2)
    broken = Broken(say)

    def view(picture: Picture) -> Subject:
        with told(picture):
            return ready.subject(picture)

    with told(_grey(ready)):
        found: Patches = method(
            ready.network, pictures, layer=layer or None, view=view, passed_over=broken.add, config=config
        )
    broken.tell()
    _write(out, "max_patches", found, lambda: draw_patches(found))
    return found


def class_ascent(
    model: Given,
    targets: Sequence[str],
    *,
    picture: Picture | str | Path | None = None,
    seeds: Sequence[int] = (0,),
    out: str | Path | None = None,
    options: Options | None = None,
    say: Callable[[Ascent], None] = lambda ascent: None,
) -> list[Ascent]:
    """Pictures that the network takes for classes.

    Args:
        model: what `ocellus.explain` takes.
        targets: "class:tabby" or "tabby", "unit:layer4,12" and so on; each is climbed.
        picture: where the climb begins; None: grey.
        seeds: each is climbed from.
        out: new folder for a PNG and .npz each, class_ascent.png with all and class_ascent.json; None:
            nothing is written.
        options: fields of the method's Config.
        say: is given each as it is ready.

    Raises:
        OcellusError: no such model, picture, class or setting; a network that is no classifier.
    """
    config, method = _method("class_ascent", options)
    ready = explainable(model)
    if not targets:
        near = f", as --target class:{ready.names[0]}" if ready.names else ", as --target class:0"
        raise OcellusError(f"no class was given to climb to: name one{near}", exit_code=2)
    folder = _fresh(out)
    if picture is not None and config.size:
        message = "size is for climbs that begin with grey: leave it out, or the picture"
        raise OcellusError(message, exit_code=2)
    shown = _read(picture, ready) if picture is not None else _grey(ready)
    found: list[Ascent] = []
    with told(shown):
        subject = _seen(ready, shown, whole=picture is not None)
        answers = answers_of(ready, subject)
        scores = [score_of(_climbable(target), ready, answers) for target in targets]
        for score in scores:
            for seed in seeds:
                own = replace(config, seed=seed)
                one: Ascent = method(ready.network, subject, score=score, names=ready.names, config=own)
                found.append(one)
                say(one)
                if folder is not None:
                    stem = "".join(letter if letter.isalnum() else "-" for letter in one.target)
                    write_picture(one.picture, folder / f"{stem}-{seed}.png")
                    one.save(folder / f"{stem}-{seed}.npz")
    if folder is not None:
        write_picture(draw_ascents(found), folder / "class_ascent.png")
        text = json.dumps([one.to_dict() for one in found], ensure_ascii=False, indent=1)
        (folder / "class_ascent.json").write_text(text + "\n", encoding="utf-8")
    return found


def _method(name: str, options: Options | None) -> tuple[Any, Callable[..., Any]]:
    """A method's settings and its function."""
    system = catalog.system(f"explain/{name}")
    config = system.Config()
    kinds = get_type_hints(type(config))
    known = {entry.name for entry in fields(config)}
    for setting, value in dict(options or {}).items():
        if setting not in known:
            have = ", ".join(sorted(known))
            raise OcellusError(f"{name} has no setting {setting!r}: there is {have}", exit_code=2)
        config = replace(config, **{setting: checked(setting, value, kinds[setting])})
    return config, system.explain


def _read(picture: Picture | str | Path, ready: Explainable) -> Picture:
    return picture if isinstance(picture, Picture) else read_picture(picture, channels=ready.channels)


def _climbable(target: str) -> str:
    """A target as `score_of` takes it; a bare word is a class.

    Raises:
        OcellusError: one that is of a certain picture.
    """
    kind = target.partition(":")[0]
    if kind in ("box", "mask", "keypoint", "region", "like", "top"):
        message = f"--target {target} asks of a certain picture, and class_ascent makes one"
        raise OcellusError(f"{message}: give class:NAME, unit:LAYER,CHANNEL or verdict", exit_code=2)
    return target if kind in ("class", "unit", "verdict") else f"class:{target}"


def _grey(ready: Explainable) -> Picture:
    """A grey picture of as many channels as the network takes."""
    pixels = torch.full((3, SIDE, SIDE), 128, dtype=torch.uint8)
    own = None if ready.channels == 3 else torch.full((ready.channels, SIDE, SIDE), 0.5)
    return Picture(pixels=pixels, channels=own)


def _seen(ready: Explainable, picture: Picture, *, whole: bool = False) -> Subject:
    """A picture as the network sees it; of classifiers that look at the middle, the middle.

    Args:
        ready: the network.
        picture: of any size.
        whole: all of it.
    """
    config = getattr(ready.network, "config", None)
    crop = int(getattr(config, "crop", 0) or 0)
    subject = ready.subject(picture)
    if whole or not crop:
        return subject
    images = subject.images[:, :, :crop, :crop]
    size = (images.shape[2], images.shape[3])
    return Subject(images, size, size, subject.preprocess)


def _fresh(out: str | Path | None) -> Path | None:
    """A folder to write to, made.

    Raises:
        OcellusError: it holds something, or cannot be made.
    """
    if out is None:
        return None
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OcellusError(f"{folder} is there already: give a new or empty folder with --out", exit_code=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OcellusError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _write(out: str | Path | None, name: str, value: Any, draw: Callable[[], Picture]) -> None:
    """The drawing, the values and the facts."""
    folder = _fresh(out)
    if folder is None:
        return
    write_picture(draw(), folder / f"{name}.png")
    value.save(folder / f"{name}.npz")
    text = json.dumps(value.to_dict(), ensure_ascii=False, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
