"""What a two-stage detector makes between its features and its answer: pyramid, proposals, regions, bins."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ocellus.draw.tensors import draw_bars, draw_boxes, draw_channels, draw_maps, draw_points
from ocellus.nn.inside import summed_up
from ocellus.nn.ragged import batch_rois
from ocellus.nn.roi import assign_levels
from ocellus.nn.roi_points import roi_points
from ocellus.nn.subject import Subject, features_of, padded_sizes
from ocellus.report.inside import Part, Tile
from ocellus.values import Picture

BOX_BINS, MASK_BINS = 7, 14
"""Bins that regions are pooled to for the box and the mask branch (arXiv:1703.06870, figure 4)."""

POOLED_LEVELS = 4
"""P2 to P5: P6 is for anchors alone (arXiv:1612.03144, section 4.1)."""

OBJECTS, PROPOSALS = 3, 150


def detector_parts(network: nn.Module, subject: Subject, raw: Any, names: tuple[str, ...]) -> list[Part]:
    """Between the features and the answer.

    Args:
        network: two-stage, in the state that `ocellus.nn.hooks.untouched` puts it in, without gradients.
        subject: the one picture.
        raw: what the network put out for it.
        names: class names.
    """
    features = features_of(network, subject)
    sizes = padded_sizes(subject)
    if sizes is None:
        sizes = torch.tensor([subject.images.shape[2:]], device=subject.images.device)
    proposals = network.propose(features, sizes)  # type: ignore[operator]
    pixels = (subject.images[0, :3].float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    given = Picture(pixels=pixels)
    boxes = raw.boxes[0][raw.valid[0]][:OBJECTS]
    labels = raw.labels[0][raw.valid[0]][:OBJECTS].tolist()
    found = [f"box {i}: {names[label] if label < len(names) else label}" for i, label in enumerate(labels)]
    return [
        Part(
            title="Pyramid",
            about="Features of one meaning at several resolutions: small objects are looked for in P2, large "
            "ones in P5 and P6.",
            tiles=tuple(_level(index, level) for index, level in enumerate(features)),
        ),
        Part(
            title="Proposals",
            about="Where an object may be, whatever it is: for each cell of each level its best anchor, and "
            "the boxes that are left of all.",
            tiles=tuple(_proposals(given, features, proposals)),
        ),
        Part(
            title="RoI grid points",
            about="Each box is cut into bins, and features are sampled at these points, between cells where "
            "they fall there, rounded nowhere.",
            tiles=tuple(_points(network, given, features, boxes, found)),
        ),
        Part(
            title="Class scores",
            about="The features of each box, scored again.",
            tiles=tuple(_scores(network, features, boxes, found, names)),
        ),
        Part(
            title="Mask bins",
            about="For each box one small mask of probabilities, which is enlarged to the box.",
            tiles=tuple(_masks(raw, found)),
        ),
    ]


def _level(index: int, level: Tensor) -> Tile:
    one = summed_up(level, f"P{index + 2}", "pyramid", 1, 1)
    shape = "x".join(map(str, one.shape))
    if one.strength is None or one.channels is None:
        return Tile(name=one.name, picture=draw_maps(level[0, :16].float().cpu(), columns=8), shape=shape)
    note = f"{one.low:.3g} to {one.high:.3g}"
    return Tile(name=one.name, picture=draw_channels(one.strength[0], one.channels), shape=shape, note=note)


def _proposals(given: Picture, features: list[Tensor], proposals: Any) -> list[Tile]:
    cells = [level.shape[2] * level.shape[3] for level in features]
    anchors = proposals.logits.shape[1] // sum(cells)
    levels = torch.split(proposals.logits[0].float().cpu(), [count * anchors for count in cells])
    tiles = []
    for index, (logits, level) in enumerate(zip(levels, features, strict=True)):
        shares = logits.reshape(*level.shape[2:], anchors).sigmoid().amax(dim=2)
        note = f"the best of {anchors} anchors: {float(shares.amin()):.2g} to {float(shares.amax()):.2g}"
        shape = "x".join(map(str, shares.shape))
        picture = draw_maps(shares[None], limit=1.0)
        tiles.append(Tile(name=f"objectness at P{index + 2}", picture=picture, shape=shape, note=note))
    kept = proposals.valid[0]
    boxes, shares = (part[0][kept][:PROPOSALS].float().cpu() for part in (proposals.boxes, proposals.scores))
    drawn = draw_boxes(given, boxes, shares.sigmoid())
    note = f"the best {len(boxes)} of {int(kept.sum())}; the lighter, the surer"
    tiles.append(Tile(name="proposals", picture=drawn, shape=f"{int(kept.sum())}x4", note=note))
    return tiles


def _points(
    network: nn.Module, given: Picture, features: list[Tensor], boxes: Tensor, found: list[str]
) -> list[Tile]:
    strides = [round(given.size[0] / level.shape[2]) for level in features[:POOLED_LEVELS]]
    ratio = int(getattr(getattr(network, "config", None), "sampling_ratio", 2))
    bins = [BOX_BINS] + ([MASK_BINS] if getattr(network, "mask", None) is not None else [])
    tiles = []
    for name, box in zip(found, boxes.float().cpu(), strict=True):
        level = int(assign_levels(box[None], strides=strides)[0])
        for count in bins:
            points = roi_points(box, output_size=count, stride=strides[level], sampling_ratio=ratio)
            each = points.shape[2] * points.shape[3]
            tiles.append(
                Tile(
                    name=name,
                    picture=draw_points(given, box, points),
                    shape=f"{count}x{count} bins",
                    note=f"{each} points a bin, on P{level + 2} (a cell is {strides[level]} pixels)",
                )
            )
    return tiles


def _scores(
    network: nn.Module, features: list[Tensor], boxes: Tensor, found: list[str], names: tuple[str, ...]
) -> list[Tile]:
    if not len(boxes):
        return []
    logits, _ = network.heads(features, batch_rois([boxes]))  # type: ignore[operator]
    shares = logits.float().softmax(dim=1).cpu()
    count = shares.shape[1] - 1
    own = [names[label] if label < len(names) else f"class {label}" for label in range(count)]
    last = bool(getattr(getattr(network, "config", None), "background_last", False))
    words = [*own, "background"] if last else ["background", *own]
    tiles = []
    for name, row in zip(found, shares, strict=True):
        best = row.topk(min(8, len(row)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        picture = draw_bars([(words[index], share) for index, share in pairs])
        tiles.append(Tile(name=name, picture=picture, shape=f"{len(row)} classes"))
    return tiles


def _masks(raw: Any, found: list[str]) -> list[Tile]:
    if raw.masks is None:
        return []
    kept = raw.masks[0][raw.valid[0]][: len(found)].float().sigmoid().cpu()
    shape = "x".join(map(str, kept.shape[1:]))
    return [
        Tile(name=name, picture=draw_maps(mask[None], limit=1.0), shape=shape)
        for name, mask in zip(found, kept, strict=True)
    ]
