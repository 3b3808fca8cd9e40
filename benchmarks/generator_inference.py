"""Generators, ours in bf16 and channels-last against the same network as it comes, in turn.

    python -m benchmarks.generator_inference --system cyclegan      # ResNet-9 generator, 256 x 256
    python -m benchmarks.generator_inference --system srgan         # SRResNet, 64 x 64 to 256 x 256
    python -m benchmarks.generator_inference --system srgan --tiny  # whether the file runs

The peer is the published network eager in float32, NCHW, PyTorch's default. Ours is what `ocellus.load` gives
where the device multiplies bf16 in hardware: norms folded where they can be, channels-last, bf16. The error
is the largest and the mean absolute difference of the pictures in [0, 1]; weights are random, so it says what
the precision does, not how a trained network's pictures look.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
from skimage import data

from benchmarks.timing import compare
from ocellus import catalog
from ocellus.nn.fuse import fuse

SIDES = {"cyclegan": 256, "srgan": 64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--system", choices=tuple(SIDES), default="cyclegan")
    parser.add_argument("--precision", choices=("32", "bf16"), default="bf16")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    module = catalog.system(f"imagine/{arguments.system}")
    config = module.TINY if arguments.tiny else module.PAPER
    if arguments.system == "cyclegan":
        config = replace(config, ways="forward")
    torch.manual_seed(0)
    peer = module.build(config).eval()
    ours = fuse(peer)
    side = 32 if arguments.tiny else SIDES[arguments.system]
    photograph = torch.from_numpy(data.astronaut()[:side, :side].copy()).permute(2, 0, 1)[None].float() / 255
    last = photograph.to(memory_format=torch.channels_last)

    def our_call() -> torch.Tensor:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bf16"),
        ):
            made: torch.Tensor = ours(last).pictures
            return made

    def peer_call() -> torch.Tensor:
        with torch.inference_mode():
            made: torch.Tensor = peer(photograph).pictures
            return made

    difference = (our_call().float() - peer_call()).abs()
    ratio = compare(our_call, peer_call, turns=arguments.turns)
    print(f"{arguments.system}, {side}x{side}, {torch.get_num_threads()} threads, {arguments.precision}")
    print(ratio)
    print(f"error {difference.max():.4f} at most, {difference.mean():.5f} on average")


if __name__ == "__main__":
    main()
