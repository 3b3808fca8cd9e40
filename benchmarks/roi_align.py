"""RoIAlign on the CPU, ours against torchvision's operator: `python -m benchmarks.roi_align [--turns N]`.

Setting: float32, C = 256, 512 boxes of one 800 x 1088 picture with sides log-uniform from 20 to 400 pixels,
2 x 2 samples a bin, on one map of stride 4 (200 x 272) or on a pyramid of strides 4 to 32. Both are given the
same features. From channels last, torchvision makes its NCHW copy itself; from NCHW, ours includes the
conversion to channels last. The gradient comes in the layout of each one's own output.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops import roi_align as torchvision_roi_align

from benchmarks.timing import compare
from ocellus.nn.roi import multiscale_roi_align, roi_align

HEIGHT, WIDTH, CHANNELS, BOXES = 800, 1088, 256, 512
STRIDES = (4, 8, 16, 32)
Pool = Callable[[Sequence[Tensor]], Tensor]


def make_boxes() -> Tensor:
    """(R, 5) boxes of one picture."""
    sides = 20 * 20 ** torch.rand(BOXES, 2)
    corners = torch.rand(BOXES, 2) * (torch.tensor([WIDTH, HEIGHT]) - sides)
    return torch.cat([torch.zeros(BOXES, 1), corners, corners + sides], 1)


def methods(boxes: Tensor, size: int, levels: int) -> tuple[Pool, Pool]:
    """Ours and torchvision's, on one map or on the pyramid."""
    if levels == 1:
        options = {"output_size": size, "spatial_scale": 1 / STRIDES[0], "sampling_ratio": 2}
        return (lambda maps: roi_align(maps[0], boxes, **options)), (
            lambda maps: torchvision_roi_align(maps[0], boxes, **options)
        )
    names = [str(stride) for stride in STRIDES]
    pooler = MultiScaleRoIAlign(names, size, 2)
    ours = partial(multiscale_roi_align, boxes=boxes, strides=STRIDES, output_size=size, sampling_ratio=2)
    return ours, lambda maps: pooler(dict(zip(names, maps, strict=True)), [boxes[:, 1:]], [(HEIGHT, WIDTH)])


def forward(pool: Pool, maps: Sequence[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [pool(maps)]


def both_ways(pool: Pool, maps: Sequence[Tensor], gradient: Tensor) -> list[Tensor]:
    """The output and the gradient of each map."""
    leaves = [level.detach().requires_grad_() for level in maps]
    output = pool(leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves, gradient)]


def report(
    title: str, ours: Callable[[], list[Tensor]], peer: Callable[[], list[Tensor]], turns: int
) -> None:
    error = max(float((a - b).abs().max()) for a, b in zip(ours(), peer(), strict=True))
    print(f"{title} {compare(ours, peer, turns=turns)}   largest error {error:.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="pairs of runs that count")
    turns = parser.parse_args().turns
    torch.manual_seed(0)
    boxes = make_boxes()
    pyramid = [torch.randn(1, CHANNELS, HEIGHT // stride, WIDTH // stride) for stride in STRIDES]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; against torchvision")
    for size in (7, 14):
        gradient = torch.randn(BOXES, CHANNELS, size, size)
        own = gradient.contiguous(memory_format=torch.channels_last)
        for name, levels in (("map", 1), ("pyramid", len(STRIDES))):
            ours, peer = methods(boxes, size, levels)
            for layout, memory in (("channels last", torch.channels_last), ("NCHW", torch.contiguous_format)):
                maps = [level.contiguous(memory_format=memory) for level in pyramid[:levels]]
                title = f"{size:2d} x {size:<2d} {name:7s} {layout:13s}"
                report(f"{title} forward ", partial(forward, ours, maps), partial(forward, peer, maps), turns)
                report(
                    f"{title} + backward",
                    partial(both_ways, ours, maps, own),
                    partial(both_ways, peer, maps, gradient),
                    turns,
                )


if __name__ == "__main__":
    main()
