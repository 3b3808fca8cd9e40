"""A class for every pixel of one picture, ours against the same network in plain PyTorch, in turn.

    python -m benchmarks.segmentation --system pspnet --precision 32
    python -m benchmarks.segmentation --system unet --precision bf16

PSPNet-50 as published (150 classes, 473 x 473) and U-Net of the published width and depth with padded
convolutions (21 classes, 512 x 512; --norm none as published, or batch as most of its implementations). From
uint8 pixels to a label for every pixel; ours gives a confidence besides. Both have the same seeded weights,
norms that fit the picture, and residual branches weighted as after training rather than before. The peer is
written as the papers draw it, of torch's and torchvision's own layers (concatenations, one norm after each
convolution), and runs as it comes: eager, float32, NCHW. The PSPNet and the Unet of
segmentation-models-pytorch are other networks (an encoder without dilation and a 1x1 convolution over the
pyramid; a classifier as encoder), which the same weights do not fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet50

from benchmarks.timing import compare
from ocellus.nn.fuse import fuse
from ocellus.see import pspnet, unet
from ocellus.values import Picture

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PlainPSPNet(nn.Module):
    """PSPNet-50 (arXiv:1612.01105): enlarged averages are put beside the features and convolved with them."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        body = resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
        shrink(body, width)
        for layer, dilation in ((body.layer3, 2), (body.layer4, 4)):
            for block in layer:
                block.conv2.dilation = block.conv2.padding = (dilation, dilation)
        self.layer0 = nn.Sequential(
            *unit(3, width, 3, stride=2), *unit(width, width, 3), *unit(width, 2 * width, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # fmt: skip
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            body.layer1,
            body.layer2,
            body.layer3,
            body.layer4,
        )
        first = self.layer1[0]
        first.conv1 = nn.Conv2d(2 * width, width, 1, bias=False)
        first.downsample[0] = nn.Conv2d(2 * width, 4 * width, 1, bias=False)
        for module in body.modules():
            if hasattr(module, "bn3"):
                nn.init.constant_(module.bn3.weight, 0.2)
        last = 32 * width
        self.ppm = nn.Module()
        self.ppm.features = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), *unit(last, last // 4, 1)) for bins in (1, 2, 3, 6)
        )
        self.cls = nn.Sequential(
            *unit(2 * last, 8 * width, 3), nn.Dropout2d(0.1), nn.Conv2d(8 * width, classes, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.layer0(images)))))
        size = x.shape[2:]
        levels = [
            F.interpolate(level(x), size=size, mode="bilinear", align_corners=True)
            for level in self.ppm.features
        ]
        scores = self.cls(torch.cat([x, *levels], dim=1))
        return F.interpolate(scores, size=images.shape[2:], mode="bilinear", align_corners=True)


def unit(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    """A convolution, its norm and a ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def shrink(body: Any, width: int) -> None:
    """Gives torchvision's ResNet-50 another width, 64 is its own; for trying this file out."""
    if width == 64:
        return
    for module in list(body.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                sides = [max(count * width // 64, 1) for count in (child.in_channels, child.out_channels)]
                small = nn.Conv2d(
                    sides[0], sides[1], child.kernel_size, stride=child.stride, padding=child.padding,
                    dilation=child.dilation, bias=False,
                )  # fmt: skip
                setattr(module, name, small)
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.BatchNorm2d(child.num_features * width // 64))


class Unit(nn.Module):
    """A 3x3 convolution and its norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.conv(features))


class PlainPair(nn.Module):
    """Two convolutions with their ReLUs."""

    def __init__(self, inputs: int, outputs: int, *, norm: bool) -> None:
        super().__init__()
        make: Callable[[int, int], nn.Module] = Unit if norm else lambda a, b: nn.Conv2d(a, b, 3, padding=1)
        self.first, self.second = make(inputs, outputs), make(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(features))))


class PlainUNet(nn.Module):
    """U-Net (arXiv:1505.04597) with padded convolutions; named as ours, so that weights fit as they are."""

    def __init__(self, classes: int, width: int, *, norm: bool) -> None:
        super().__init__()
        widths = [width << level for level in range(5)]
        inputs = [3, *widths]
        self.encoders = nn.ModuleList(
            PlainPair(inputs[level], widths[level], norm=norm) for level in range(4)
        )
        self.bottom = PlainPair(widths[3], widths[4], norm=norm)
        self.decoders = nn.ModuleList(
            PlainPair(2 * widths[level], widths[level], norm=norm) for level in range(4)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(widths[level + 1], widths[level], 2, stride=2) for level in range(4)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        features, skips = images, []
        for encoder in self.encoders:
            features = encoder(features)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        features = self.bottom(features)
        for level in (3, 2, 1, 0):
            features = torch.cat([skips[level], self.ups[level](features)], dim=1)
            features = self.decoders[level](features)
        return self.head(features)


def calm(model: nn.Module, images: Tensor) -> None:
    """Gives fresh norms the statistics of a picture."""

    def measure(norm: Any, inputs: tuple[Tensor]) -> None:
        features = inputs[0]
        places = features.shape[2] * features.shape[3]
        if places < 16:  # too few to have a spread of their own
            norm.running_var.fill_(features.square().mean().clamp(min=1e-3))
        else:
            norm.running_mean.copy_(features.mean(dim=(0, 2, 3)))
            norm.running_var.copy_(features.var(dim=(0, 2, 3)).clamp(min=1e-3))

    hooks = [
        part.register_forward_pre_hook(measure)
        for part in model.modules()
        if isinstance(part, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        model.eval()(images)
    for hook in hooks:
        hook.remove()


def photograph(side: int) -> Picture:
    """A photograph of a launch pad, (side, side) pixels."""
    pixels = torch.from_numpy(data.rocket()).permute(2, 0, 1)[None].float()
    resized = F.interpolate(pixels, size=(side, side), mode="bilinear")[0]
    return Picture(pixels=resized.round().to(torch.uint8))


def networks(system: str, width: int, norm: str, images: Tensor) -> tuple[nn.Module, nn.Module, Any]:
    """Ours, the peer with the same weights, and our system's module."""
    if system == "pspnet":
        peer: nn.Module = PlainPSPNet(150, width)
        calm(peer, images)
        config, state, _ = pspnet.import_state(peer.state_dict())
        ours = pspnet.build(config)
        ours.load_state_dict(state)
        return ours, peer.eval(), pspnet
    peer = PlainUNet(21, width, norm=norm == "batch")
    calm(peer, images)
    config = replace(unet.PAPER, classes=21, width=width, valid=False, norm=norm, mean=MEAN, std=STD, tile=0)
    ours = unet.build(config)
    ours.load_state_dict(peer.state_dict())
    return ours, peer.eval(), unet


def precision(name: str) -> AbstractContextManager[Any]:
    """bf16 by autocast, or nothing."""
    return torch.autocast("cpu", torch.bfloat16) if name == "bf16" else nullcontext()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--system", choices=["pspnet", "unet"], default="pspnet")
    parser.add_argument("--size", type=int, default=0, help="side; 0: 473, or 512 of the unet (16 n)")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--norm", choices=["none", "batch"], default="batch", help="of the unet")
    parser.add_argument("--precision", choices=["32", "bf16"], default="32", help="of ours")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    side = options.size or (473 if options.system == "pspnet" else 512)
    picture = photograph(side)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    images = ((picture.floats() - mean) / std)[None]
    network, peer_network, system = networks(options.system, options.width, options.norm, images)
    fused = fuse(network)

    def ours() -> Any:
        with torch.inference_mode(), precision(options.precision):
            return system.predict(fused, picture)

    def peer() -> Tensor:
        with torch.inference_mode():
            prepared = (picture.pixels.float() / 255 - mean) / std
            return peer_network(prepared[None]).argmax(dim=1)

    with torch.inference_mode():
        wanted = peer_network(images)
        with precision(options.precision):
            found = fused(picture.floats()[None]).logits
    agree = (ours().labels == peer()[0]).float().mean().item()
    error = ((found - wanted).norm() / wanted.norm()).item()
    print(f"relative error of the logits {error:.2e}, the same label in {agree:.2%} of the pixels")
    title = f"{options.system} width {options.width} at {side} {options.precision}"
    print(f"{title}, {torch.get_num_threads()} threads: {compare(ours, peer, turns=options.turns)}")


if __name__ == "__main__":
    main()
