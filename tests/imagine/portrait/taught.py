"""Tiny networks that have learned a made-up scene by heart, within seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus import weights
from ocellus.imagine.portrait.config import TINY, Train
from ocellus.imagine.portrait.loss import losses
from ocellus.imagine.portrait.model import Portrait, build


def scene(*, height: int = 64, width: int = 96, x: float = 48, radius: float = 18) -> tuple[Tensor, Tensor]:
    """((3, H, W) uint8, (H, W) uint8): a person, an orange disc on a trunk, before bluish waves."""
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    head = torch.hypot(rows - 0.42 * height, columns - x) < radius
    trunk = ((columns - x).abs() < 0.7 * radius) & (rows > 0.42 * height)
    person = head | trunk
    waves = 30 * torch.sin(columns / 5 + rows / 9)
    back = torch.stack([60 + waves, 90 + waves, 150 + waves])
    front = torch.tensor([235.0, 140.0, 60.0])[:, None, None].expand(3, height, width)
    return torch.where(person, front, back).to(torch.uint8), person.to(torch.uint8)


def chest(*, height: int = 96, width: int = 96) -> tuple[Tensor, Tensor]:
    """((3, H, W) uint8, (H, W) uint8): dark lungs beside a bright heart; 1 left lung, 2 right lung, 3 heart.

    The patient's left lung is on the right. The heart is 32 pixels wide, the thorax 80.
    """
    labels = torch.zeros(height, width, dtype=torch.uint8)
    labels[16:80, 8:36] = 2
    labels[16:80, 60:88] = 1
    labels[40:80, 32:64] = 3
    shades = torch.tensor([120, 70, 30, 220], dtype=torch.uint8)
    return shades[labels.long()].expand(3, height, width).contiguous(), labels


def taught(scenes: list[tuple[Tensor, Tensor]], *, classes: int, steps: int = 150) -> Portrait:
    """A tiny network that has learned scenes of one size by heart."""
    torch.manual_seed(0)
    network = build(replace(TINY, classes=classes, short_side=0)).train()
    images = torch.stack([pixels for pixels, _ in scenes]).float() / 255
    maps = torch.stack([labels for _, labels in scenes]).long()
    height, width = maps.shape[1:]
    padding = (0, -width % 32, 0, -height % 32)
    images, maps = F.pad(images, padding), F.pad(maps, padding, value=255)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(losses(network(images), maps, Train(boundary=0.0)).values())).sum().backward()
        optimizer.step()
    return network.eval()


def write_taught(path: Path, network: Portrait, names: tuple[str, ...]) -> Path:
    """The network as a weights file."""
    header = weights.describe("imagine/portrait", network.config, labels=names, data="made up")
    weights.save(path, network, header)
    return path
