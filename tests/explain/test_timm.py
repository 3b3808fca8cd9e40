"""Every method that gives heat maps, on networks of timm with weights from a file of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ocellus
from ocellus.errors import OcellusError
from ocellus.jobs.explaining import heat_methods
from ocellus.values import Picture

timm = pytest.importorskip("timm")
PICTURE = Picture(
    pixels=torch.randint(0, 256, (3, 60, 80), generator=torch.Generator().manual_seed(0)).byte()
)
SMALL = {"short_side": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of two networks, random."""
    root = tmp_path_factory.mktemp("timm")
    torch.manual_seed(0)
    for name in ("resnet10t", "mobilenetv3_small_050"):
        network = timm.create_model(name, pretrained=False, num_classes=7)
        torch.save(network.state_dict(), root / f"{name}.pth")
    return root


@pytest.mark.parametrize("method", heat_methods())
def test_a_method_explains(folder: Path, method: str) -> None:
    model = f"timm:resnet10t={folder / 'resnet10t.pth'}"
    options = {"window": 40, "stride": 40} if method == "occlusion" else None
    (why,) = ocellus.explain(method, model, PICTURE, options=options, preparation=SMALL)
    heat = why.heatmaps[method]
    assert heat.size == PICTURE.size and heat.values.isfinite().all() and heat.values.abs().sum() > 0
    assert heat.target.startswith("class ") and heat.layer in ("", "layer4")


def test_a_norm_with_its_activation_inside_is_the_default_layer(folder: Path) -> None:
    model = f"timm:mobilenetv3_small_050={folder / 'mobilenetv3_small_050.pth'}"
    (why,) = ocellus.explain("gradcam", model, PICTURE, preparation=SMALL)
    assert why.heatmaps["gradcam"].layer == "blocks" and why.heatmaps["gradcam"].values.sum() > 0
    with pytest.raises(OcellusError, match="CAM needs one that ends in global average pooling"):
        next(ocellus.explain("cam", model, PICTURE, preparation=SMALL))
