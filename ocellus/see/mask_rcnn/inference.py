"""From pictures to instances: prepare, network, decode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.data.transforms import resized_size
from ocellus.nn.paste import paste_masks
from ocellus.see.mask_rcnn.config import Config
from ocellus.see.mask_rcnn.model import MaskRCNN, Raw
from ocellus.values import Instances, Picture

LARGE = 1 << 24  # pixels; as float32 RGB they are 200 MB
PADDING = 32  # the network's input is padded to a multiple of its coarsest stride


def predict(
    network: MaskRCNN,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
) -> Instances:
    """Finds the objects of one picture.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        names: class names, to be kept with the result.
        edges: pairs of keypoints to join when drawn, to be kept with the result.

    Returns:
        At most config.detections objects, best first, in pixels of the picture, masks at its native size.
    """
    return predict_batch(network, [picture], names=names, edges=edges)[0]


def predict_batch(
    network: MaskRCNN,
    pictures: Sequence[Picture],
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
) -> list[Instances]:
    """Finds the objects of several pictures; those that are padded to the same size run together.

    A picture's result does not depend on which others it came with, but for rounding.
    """
    prepared = [prepare(picture, network.config) for picture in pictures]
    groups: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(prepared):
        groups.setdefault(canvas((image.shape[1], image.shape[2])), []).append(index)
    results: dict[int, Instances] = {}
    training = network.training
    network.eval()
    try:
        for (height, width), members in groups.items():
            images = torch.zeros(len(members), 3, height, width)
            for row, index in enumerate(members):
                image = prepared[index]
                images[row, :, : image.shape[1], : image.shape[2]] = image
            sizes = torch.tensor([prepared[index].shape[1:] for index in members])
            device = network.mean.device
            with torch.no_grad():
                raw = network(images.to(device), sizes.to(device))
            originals = [pictures[index].size for index in members]
            found = decode(raw, sizes=sizes, originals=originals, names=names, edges=edges)
            results |= dict(zip(members, found, strict=True))
    finally:
        network.train(training)
    return [results[index] for index in range(len(pictures))]


def prepare(picture: Picture, config: Config) -> Tensor:
    """(3, h, w) float32 RGB in [0, 1] at the size the network looks at; as torchvision's detection models do.

    Of a large picture only the two rows next to each of the result's are read, which is all that bilinear
    interpolation without antialiasing looks at: 100 megapixels need no more memory than a few.
    """
    size = resized_size(picture.size, short_side=config.short_side, long_side=config.long_side)
    pixels = picture.pixels
    height, width = picture.size
    if size == picture.size:
        return pixels.float() / 255
    if height * width > LARGE:
        place = ((torch.arange(size[0], device=pixels.device) + 0.5) * (height / size[0]) - 0.5).clamp(min=0)
        low = place.long().clamp(max=height - 1)
        high = (low + 1).clamp(max=height - 1)
        first, second = pixels[:, low].float(), pixels[:, high].float()
        pixels = torch.lerp(first, second, (place - low)[:, None].expand_as(first))
    return F.interpolate((pixels.float() / 255)[None], size=size, mode="bilinear", align_corners=False)[0]


def canvas(size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) that a picture of this size is padded to."""
    return -(-size[0] // PADDING) * PADDING, -(-size[1] // PADDING) * PADDING


def decode(
    raw: Raw,
    *,
    sizes: Tensor,
    originals: Sequence[tuple[int, int]],
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
) -> list[Instances]:
    """Detections in the pixels of the pictures they were made of.

    Args:
        raw: of B pictures.
        sizes: (B, 2) height and width at which the network saw them, without padding.
        originals: (H, W) of the pictures.
        names: class names.
        edges: pairs of keypoints to join when drawn.
    """
    results = []
    for index, original in enumerate(originals):
        kept = raw.valid[index].cpu()
        boxes = raw.boxes[index].cpu()[kept]
        scale = torch.tensor(original, dtype=torch.float32) / sizes[index].cpu().to(torch.float32)
        scale = scale.flip(0)  # width, height
        scaled = boxes * scale.repeat(2)
        masks = points = None
        if raw.masks is not None:
            masks = paste_masks(raw.masks[index].cpu()[kept].float().sigmoid(), scaled, original)
        if raw.keypoints is not None:
            points = decode_keypoints(raw.keypoints[index].cpu()[kept].float(), boxes)
            points[:, :, :2] *= scale
        results.append(
            Instances(
                size=original,
                boxes=scaled,
                labels=raw.labels[index].cpu()[kept],
                scores=raw.scores[index].cpu()[kept],
                masks=masks,
                keypoints=points,
                names=names,
                edges=edges,
            )
        )
    return results


def decode_keypoints(maps: Tensor, boxes: Tensor) -> Tensor:
    """The highest place of each keypoint's map, enlarged to the pixels of its box (section 5).

    A pixel's place is its centre, index + 1/2 (Heckbert 1990), as in torchvision and detectron2.

    Args:
        maps: (N, K, m, m) logits.
        boxes: (N, 4).

    Returns:
        (N, K, 3) x, y and score: the share of the map's softmax that its highest place would have at the
        resolution of the map, at most 1.
    """
    points = maps.new_zeros(*maps.shape[:2], 3)
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    for index, (logits, box, side) in enumerate(zip(maps, boxes, sides, strict=True)):
        columns, rows = (int(length) for length in side.ceil())
        enlarged = F.interpolate(logits[None], size=(rows, columns), mode="bicubic", align_corners=False)[0]
        peak, place = enlarged.flatten(1).max(dim=1)
        cell = torch.stack([place % columns, place // columns], dim=1) + 0.5
        points[index, :, :2] = cell * (side / side.ceil()) + box[:2]
        points[index, :, 2] = (peak - logits.flatten(1).logsumexp(dim=1)).exp().clamp(max=1)
    return points
