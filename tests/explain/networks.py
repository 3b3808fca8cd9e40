"""Networks to try methods on: torchvision's, SqueezeNet with real weights, and one written six ways."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 20
LAYERS = {"resnet18": "layer4", "vgg11": "features.18", "squeezenet1_0": "features.12"}
SIZE = 72


@cache
def random_network(name: str) -> nn.Module:
    """A torchvision network of seeded weights, whose ReLUs do not work in place: captum cannot have that."""
    torch.manual_seed(1)
    if name == "vgg11":  # its published classifier alone has 120 million weights
        with torch.device("meta"):
            network = torchvision.models.vgg11()
        network.classifier = nn.Sequential(nn.Linear(25088, 32), nn.ReLU(), nn.Linear(32, CLASSES))
        network.to_empty(device="cpu")
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.1)
    else:
        network = getattr(torchvision.models, name)(num_classes=CLASSES)
    return plain_relus(network.eval())


def plain_relus(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network


def image(size: int = SIZE, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def relative(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value."""
    assert ours.shape == theirs.shape, f"{tuple(ours.shape)} and {tuple(theirs.shape)}"
    assert theirs.abs().max() > 0
    return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())


@cache
def squeezenet(shared: Path) -> nn.Module:
    """SqueezeNet 1.0 with the weights of its authors; it takes what `photograph` gives."""
    network = torchvision.models.squeezenet1_0()
    state = torch.load(shared / "data" / "weights" / "squeezenet1_0.pt", weights_only=True)
    network.load_state_dict(state)
    return plain_relus(network.eval())


def photograph(shared: Path, name: str) -> Tensor:
    """(1, 3, 227, 227) BGR, 0..255 less its mean."""
    with Image.open(shared / "data" / "imagenet" / "images" / name) as file:
        picture = file.convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BILINEAR)
    left, top = ((side - 227) // 2 for side in picture.size)
    pixels = np.array(picture.crop((left, top, left + 227, top + 227)))[:, :, ::-1].astype(np.float32)
    return torch.from_numpy(pixels - np.float32([104, 117, 123])).permute(2, 0, 1)[None].contiguous()


class Written(nn.Module):
    """One and the same network; its ReLUs are written in the way that is asked for."""

    WAYS = ("modules", "in place", "functional", "reused", "statement", "clamp")

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        torch.manual_seed(0)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 8), (8, 12), (12, 12)))
        self.norm = nn.BatchNorm2d(12)
        self.last = nn.Linear(12, 5)
        count = {"modules": 4, "in place": 4, "reused": 1}.get(way, 0)
        self.relus = nn.ModuleList(nn.ReLU(inplace=way != "modules") for _ in range(count))

    def rectified(self, values: Tensor, index: int) -> Tensor:
        if self.way in ("modules", "in place"):
            return self.relus[index](values)
        if self.way == "reused":
            return self.relus[0](values)
        if self.way == "functional":
            return F.relu(values)
        if self.way == "clamp":
            return torch.clamp(values, min=0)
        values.relu_()
        return values

    def forward(self, images: Tensor) -> Tensor:
        maps = self.rectified(self.convs[0](images), 0)
        maps = F.max_pool2d(maps, 2)
        maps = self.rectified(self.norm(self.convs[1](maps)), 1)
        maps = self.rectified(maps + self.convs[2](maps), 2)
        return self.last(maps.mean(dim=(2, 3)))


class Breaking(nn.Module):
    """Changes itself in every way, and then raises."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("kept", torch.zeros(2))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += 1
        self.kept = torch.ones(3)
        self.conv.weight.grad = torch.ones_like(self.conv.weight)
        self.conv.train()
        self.conv(images)
        raise RuntimeError("the network is broken")
