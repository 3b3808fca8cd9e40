"""How much painted videos flicker: trained with the temporal loss and without.

    python -m benchmarks.style_video runs/style runs/style-video --video ../shared/data/clips/people.mp4

For each run: the mean change from frame to frame where the source is still, over the source's own there; and
the warping error of a photograph that moves by a known motion (one pixel a frame to the right, half a pixel
down), with noise of a camera, over that of the source.
"""

from __future__ import annotations

import argparse

import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from ocellus.data.sources import pictures
from ocellus.data.views import middle
from ocellus.jobs.model import Model, load
from ocellus.metrics.flicker import flicker, warp, warping_error

ACROSS, DOWN = 1.0, 0.5
NOISE = 0.01


def painted(model: Model, frames: Tensor) -> Tensor:
    """(T, 3, H, W), each by itself."""
    with torch.no_grad(), model.autocast():
        return torch.cat([model.network(frame[None]).pictures.float() for frame in frames])


def clip(path: str, *, frames: int, side: int) -> Tensor:
    """(T, 3, h, w) the first frames of a video, with a shorter side of so many pixels."""
    found = []
    for number, picture in enumerate(pictures(path)):
        if number >= frames:
            break
        found.append(middle(picture.pixels, short_side=side, crop=0).float() / 255)
    return torch.stack(found)


def moving(*, frames: int, side: int) -> tuple[Tensor, Tensor]:
    """(T, 3, side, side) a photograph that moves, and (T - 1, 2, side, side) the motion."""
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    photograph = F.interpolate(photograph, size=(2 * side, 2 * side), mode="bilinear", antialias=True)
    flow = torch.empty(1, 2, 2 * side, 2 * side)
    found = []
    for number in range(frames):
        flow[:, 0], flow[:, 1] = -ACROSS * number, -DOWN * number
        frame, _ = warp(photograph, flow)
        found.append(frame[0, :, side // 2 : side // 2 + side, side // 2 : side // 2 + side])
    video = torch.stack(found)
    video = (video + NOISE * torch.randn(video.shape)).clamp(0, 1)
    motion = torch.tensor([-ACROSS, -DOWN])[None, :, None, None].expand(frames - 1, 2, side, side)
    return video, motion


def main() -> None:
    """Measure each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="runs, or weights of imagine/fast_style")
    parser.add_argument("--video", default="", help="a clip with parts that do not move")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    video, motion = moving(frames=arguments.frames, side=arguments.side)
    own = warping_error(video, motion)
    print(f"source: warping error {own:.4f} over {len(video)} frames of a photograph in motion")
    source = clip(arguments.video, frames=arguments.frames, side=arguments.side) if arguments.video else None
    for name in arguments.models:
        model = load(name)
        error = warping_error(painted(model, video), motion)
        print(f"{name}: warping error {error:.4f}, {error / own:.2f} x the source's")
        if source is not None:
            found = flicker(painted(model, source), source)
            print(
                f"{name}: flicker {found.change:.4f}, {found.ratio:.2f} x the source's {found.source:.4f}, "
                f"at the {100 * found.still:.0f} % of pixels that are still, {found.frames} frames"
            )


if __name__ == "__main__":
    main()
