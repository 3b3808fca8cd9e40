"""Why a network said so: heat maps of pictures and videos, by one method or several, as files and a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from torch import nn

from ocellus.data.images import read_picture
from ocellus.data.sources import pictures
from ocellus.errors import OcellusError
from ocellus.jobs.explain_files import Files
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.explaining import methods_of
from ocellus.jobs.model import Model
from ocellus.jobs.run import Broken
from ocellus.jobs.why import Box, Question, Why, reason, told
from ocellus.nn.hooks import LayerInfo, layers
from ocellus.nn.spatial_layer import last_spatial_layer
from ocellus.values import Picture


def explain(
    methods: str | Sequence[str],
    model: Explainable | Model | nn.Module | str | Path,
    source: Picture | str | Path | Sequence[str],
    *,
    target: str = "top",
    layer: str = "",
    out: str | Path | None = None,
    measure: bool = False,
    truth: Sequence[Box] = (),
    options: Mapping[str, Any] | None = None,
    names: tuple[str, ...] = (),
    preparation: Mapping[str, Any] | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Why]:
    """Why a network said so, picture by picture, as they are read.

        for why in ocellus.explain("gradcam,occlusion", "model.safetensors", "cat.jpg"):
            why.heatmaps["gradcam"].box(0.2)

    Args:
        methods: "gradcam", "gradcam,occlusion" or "all".
        model: what `ocellus.load` takes; "torchvision:resnet50=FILE" or "timm:NAME=FILE"; a Model; a module.
        source: a picture, folder, pattern, video, camera number, "-" for a list on stdin; or several; or a
            Picture.
        target: "class:tabby", "box:0", "mask:0", "keypoint:0,3", "region:x1,y1,x2,y2:road", "verdict",
            "like:other.jpg", "unit:layer4,12"; "top": what the network answers first, in each picture.
        layer: a layer's name for methods that look at one; "": the last one that has maps.
        out: folder for overlays, values and the page; None: nothing is written.
        measure: insertion and deletion curves, and of the first picture the check with thrown weights.
        truth: boxes of the object in the picture, to see whether the maps lie on it.
        options: fields of the methods' Config.
        names: class names, where the model does not know them.
        preparation: fields of `ocellus.jobs.preparation.Preparation` for networks of others.
        device: where a network that is read here runs.
        say: is told of pictures and methods that are passed over.

    Returns:
        An iterator: one `Why` a picture, when it is asked for; after the last the page is written.

    Raises:
        OcellusError: no such method, model, source, target or layer; `out` holds something.
    """
    chosen = methods_of(methods, options)
    broken = Broken(say)
    ready = explainable(model, device=device, names=names, preparation=dict(preparation or {}))
    if isinstance(source, Picture):
        sources, stream = [], iter([source])
    else:
        sources = [str(source)] if isinstance(source, (str, Path)) else [str(entry) for entry in source]
        stream = pictures(
            sources, broken=broken.add, read=lambda path: read_picture(path, channels=ready.channels)
        )
    files = Files(Path(out), sources, model=ready.source, about=ready.about) if out is not None else None
    question = Question(
        methods=tuple(chosen), target=target, layer=layer, measure=measure, truth=tuple(truth)
    )
    return _reasons(ready, stream, question, files=files, broken=broken, say=say)


def layers_of(ready: Explainable, picture: Picture | None) -> tuple[list[LayerInfo], str]:
    """All layers of a network, and the one that is looked at when none is named; "" without a picture.

    Args:
        ready: the network; left as it was.
        picture: to run it on, to see shapes.
    """
    if picture is None:
        return layers(ready.network), ""
    subject = ready.subject(picture)
    with told(picture):
        found = layers(ready.network, subject.images)
        try:
            return found, last_spatial_layer(ready.network, subject)
        except OcellusError:
            return found, ""


def _reasons(
    ready: Explainable,
    stream: Iterator[Picture],
    question: Question,
    *,
    files: Files | None,
    broken: Broken,
    say: Callable[[str], None],
) -> Iterator[Why]:
    """What `explain` returns.

    Raises:
        OcellusError: no picture could be explained, or the files cannot be written.
    """
    first = next(stream, None)  # before a folder is made
    if first is None:
        raise broken.error()
    seen = False
    with files or nullcontext():
        for picture in chain([first], stream):
            try:
                why = reason(ready, picture, question, check=not seen, say=say)
            except OcellusError as error:
                if error.exit_code == 2:
                    raise
                broken.add(error)
                if files is not None:
                    files.skip(picture, [method.name for method in question.methods], "nothing")
                continue
            broken.tell()
            seen = True
            if files is not None:
                why = replace(why, files=files.write(why.explained))
                files.note(why.to_dict())
            yield why
        if not seen:
            raise broken.error()
        broken.tell()
