"""The decoder's first convolution of U-Net: parts convolved and summed, against copying them together.

    python -m benchmarks.unet_join [--threads 1]

"side by side" is two maps at full resolution (the published network); "skip and low" a map and one of half
the resolution, "tight frame" that and three Haar bands, which the peer enlarges first. Channels-last; the
largest relative difference of the outputs is printed beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import compare
from ocellus.nn.framelets import Part, convolved, upsampled

KINDS = ("side by side", "skip and low", "tight frame")
SIZES = ((16, 128), (32, 128), (64, 64), (128, 32))


def parts_of(kind: str, channels: int, side: int) -> tuple[Part, ...]:
    """Random parts that a decoder gets."""

    def features(times: int, length: int) -> Tensor:
        made = torch.randn(2, times * channels, length, length).to(memory_format=torch.channels_last)
        return made.requires_grad_()

    skip, low = Part(features(1, side)), Part(features(1, side // 2), 0)
    if kind == "side by side":
        return skip, Part(features(1, side))
    return (skip, low) if kind == "skip and low" else (skip, low, Part(features(3, side // 2), 1, 3))


def main() -> None:
    """Time both at several sizes, for inference and training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    for kind in KINDS:
        for channels, side in SIZES:
            parts = parts_of(kind, channels, side)
            weight = torch.randn(channels, sum(part.features.shape[1] for part in parts), 3, 3) * 0.01
            weight = weight.to(memory_format=torch.channels_last).requires_grad_()

            def ours(parts: tuple[Part, ...] = parts, weight: Tensor = weight) -> Tensor:
                return convolved(parts, weight, None, padding=1)

            def peer(parts: tuple[Part, ...] = parts, weight: Tensor = weight) -> Tensor:
                return F.conv2d(torch.cat([upsampled(part) for part in parts], dim=1), weight, padding=1)

            for reduced in (False, True):
                for training in (False, True):

                    def run(
                        call: Callable[[], Tensor], reduced: bool = reduced, training: bool = training
                    ) -> Tensor:
                        with (
                            torch.set_grad_enabled(training),
                            torch.autocast("cpu", torch.bfloat16, enabled=reduced),
                        ):
                            answer = call()
                            if training:
                                answer.sum().backward()
                            return answer.detach()

                    ratio = compare(lambda: run(ours), lambda: run(peer), turns=5, warm_up=1)
                    error = (run(ours) - run(peer)).abs().max() / run(peer).abs().max()
                    what = f"{'bf16' if reduced else 'fp32'} {'training' if training else 'inference'}"
                    print(
                        f"{kind:12} {channels:3} x {side:3}² {what:14} {ratio}   differ by {float(error):.1e}"
                    )


if __name__ == "__main__":
    main()
