"""Mask R-CNN end to end, ours against torchvision's model with the same weights, in turn.

    python -m benchmarks.mask_rcnn --what predict --depth 50 --size 800 --precision bf16
    python -m benchmarks.mask_rcnn --what step --depth 18 --size 256 --precision 32

Prediction: one photograph of SIZE x 1.36 SIZE (a square at 256), from uint8 pixels to masks at its size; the
weights are seeded, and adjusted so that there are about 100 detections. Step: forward, loss, backward, SGD;
a batch of 2 with 8 objects each (at 256: 4 with 40). Norms are frozen, as in torchvision's published models,
and every layer is trained; at 256 they are live, and anchors begin at 8 pixels. The peer runs as it comes:
eager, float32, NCHW. Both sample and keep the same numbers of proposals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import MaskRCNN as Peer
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from benchmarks.timing import compare
from ocellus.data import crops
from ocellus.data.examples import Batch
from ocellus.data.target import Target
from ocellus.labels import LabelMap
from ocellus.nn.fuse import fuse
from ocellus.see.mask_rcnn.config import Train
from ocellus.see.mask_rcnn.convert import import_state
from ocellus.see.mask_rcnn.inference import predict
from ocellus.see.mask_rcnn.recipe import Recipe
from ocellus.training.settings import Fit
from ocellus.values import Masks, Picture

CLASSES = 80


def photograph(height: int, width: int) -> Picture:
    """A photograph of a launch pad, (height, width) pixels."""
    pixels = torch.from_numpy(data.rocket()).permute(2, 0, 1)[None].float()
    resized = F.interpolate(pixels, size=(height, width), mode="bilinear")[0]
    return Picture(pixels=resized.round().to(torch.uint8))


def make_peer(depth: int, size: int, anchors: tuple[int, ...]) -> Any:
    """Torchvision's model."""
    norm = nn.BatchNorm2d if size <= 256 else FrozenBatchNorm2d
    backbone = resnet_fpn_backbone(
        backbone_name=f"resnet{depth}", weights=None, norm_layer=norm, trainable_layers=5
    )
    generator = AnchorGenerator(tuple((side,) for side in anchors), ((0.5, 1.0, 2.0),) * 5)
    return Peer(
        backbone, CLASSES + 1, rpn_anchor_generator=generator, min_size=size, max_size=1333,
        rpn_pre_nms_top_n_train=1000, rpn_post_nms_top_n_train=1000,
    )  # fmt: skip


def calm(model: Any, image: Tensor) -> None:
    """Gives fresh weights norms that fit a picture, and class scores that differ from region to region."""

    def measure(norm: Any, inputs: tuple[Tensor]) -> None:
        norm.running_mean.copy_(inputs[0].mean(dim=(0, 2, 3)))
        norm.running_var.copy_(inputs[0].var(dim=(0, 2, 3)))

    norms = [part for part in model.modules() if isinstance(part, (FrozenBatchNorm2d, nn.BatchNorm2d))]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    seen: list[Tensor] = []
    score = model.roi_heads.box_predictor.cls_score
    hooks.append(score.register_forward_pre_hook(lambda _, given: seen.append(given[0])))
    model.eval()
    with torch.no_grad():
        model([image])
        logits = score(seen[0])
        scale = 2.5 / logits.std(dim=0)
        score.weight *= scale[:, None]
        score.bias.copy_((score.bias - logits.mean(dim=0)) * scale)
    for hook in hooks:
        hook.remove()


def targets(
    count: int, objects: int, height: int, width: int
) -> tuple[list[Target], list[dict[str, Tensor]]]:
    """Ellipses in random boxes: ours and torchvision's form of the same."""
    ours, theirs = [], []
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    for _ in range(count):
        low, high = (0.05, 0.12) if objects > 20 else (0.1, 0.5)
        side = (low + (high - low) * torch.rand(objects, 2)) * min(height, width)
        corner = torch.rand(objects, 2) * (torch.tensor([width, height]) - side)
        boxes = torch.cat([corner, corner + side], dim=1)
        centre = corner + side / 2
        dense = torch.stack(
            [
                ((x - c[0]) * 2 / s[0]) ** 2 + ((y - c[1]) * 2 / s[1]) ** 2 < 1
                for c, s in zip(centre, side, strict=True)
            ]
        )
        labels = torch.randint(0, CLASSES, (objects,))
        crowd = torch.zeros(objects, dtype=torch.bool)
        ours.append(Target(boxes, labels, crowd, crops.from_masks(Masks.from_dense(dense))))
        theirs.append({"boxes": boxes, "labels": labels + 1, "masks": dense.to(torch.uint8)})
    return ours, theirs


def precision(name: str) -> AbstractContextManager[Any]:
    """bf16 by autocast, or nothing."""
    return torch.autocast("cpu", torch.bfloat16) if name == "bf16" else nullcontext()


def prediction(
    model: Any, run: Recipe, picture: Picture, kind: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One picture to its instances, ours and torchvision's."""
    network = fuse(run.network)
    model.eval()

    def ours() -> Any:
        with torch.inference_mode(), precision(kind):
            return predict(network, picture)

    def peer() -> Any:
        with torch.inference_mode():
            return model([picture.floats()])[0]

    found, wanted = ours(), peer()
    print(
        f"{len(found)} detections, the peer {len(wanted['boxes'])}; of {len(found.labels.unique())} classes"
    )
    return ours, peer


def training(
    model: Any, run: Recipe, size: tuple[int, int], kind: str
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One step of training, ours and torchvision's."""
    height, width = size
    count, objects = (4, 40) if height <= 256 else (2, 8)
    mine, theirs = targets(count, objects, height, width)
    image = photograph(height, width).floats()
    images = torch.stack([image] * count)
    batch = Batch(images, torch.tensor([size] * count), tuple(mine), ("",) * count)
    run.train(), model.train()
    optimizers = [torch.optim.SGD(part.parameters(), lr=1e-6, momentum=0.9) for part in (run.network, model)]

    def ours() -> float:
        optimizers[0].zero_grad()
        with precision(kind):
            loss = run.training_step(batch, 0)["loss"]
        loss.backward()
        optimizers[0].step()
        return float(loss.detach())

    def peer() -> float:
        optimizers[1].zero_grad()
        loss = sum(model(list(images), [dict(one) for one in theirs]).values())
        loss.backward()
        optimizers[1].step()
        return float(loss.detach())

    print(f"loss {ours():.3f}, the peer {peer():.3f} (they sample by chance)")
    return ours, peer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", choices=["predict", "step"], default="predict")
    parser.add_argument("--depth", type=int, choices=[18, 34, 50, 101], default=50)
    parser.add_argument("--size", type=int, default=800, help="short side in pixels")
    parser.add_argument("--precision", choices=["32", "bf16"], default="32", help="of ours")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    small = options.size <= 256
    size = (options.size, options.size if small else round(options.size * 1.36 / 32) * 32)
    anchors = (8, 16, 32, 64, 128) if small else (32, 64, 128, 256, 512)
    model = make_peer(options.depth, options.size, anchors)
    picture = photograph(*size)
    calm(model, picture.floats())
    adjust = {"short_side": options.size, "anchor_sizes": tuple(float(side) for side in anchors)}
    norm = "batch" if small else "frozen"
    config, state, labels = import_state(model.state_dict(), adjust=adjust | {"norm": norm, "norm_eps": 1e-5})
    run = Recipe(config, Train(box_smoothness=1 / 9), Fit(), LabelMap(tuple(labels)))
    run.network.load_state_dict(state, strict=False)
    pair = (
        prediction(model, run, picture, options.precision)
        if options.what == "predict"
        else training(model, run, size, options.precision)
    )
    title = f"{options.what} R{options.depth} {size[0]}x{size[1]} {options.precision}"
    print(f"{title}, {torch.get_num_threads()} threads: {compare(*pair, turns=options.turns)}")


if __name__ == "__main__":
    main()
