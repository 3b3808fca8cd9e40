"""Classifiers made fully convolutional give their own answers at the training size, and maps beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG, mobilenet_v2, resnet18, squeezenet1_0

from ocellus.errors import OcellusError
from ocellus.nn.convolutionalize import as_convolution, convolutionalize


def tiny_vgg() -> VGG:
    """torchvision's VGG, its layers of few channels."""
    parts: list[nn.Module] = []
    inputs = 3
    for outputs in (4, 6, 8, 8, 8):
        parts += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2)]
        inputs = outputs
    with torch.device("meta"):
        model = VGG(nn.Sequential(), num_classes=5)
    model.features = nn.Sequential(*parts)
    model.classifier = nn.Sequential(
        nn.Linear(8 * 49, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 16), nn.ReLU(True), nn.Dropout(),
        nn.Linear(16, 5),
    )  # fmt: skip
    return model.eval()


def same(classifier: nn.Module, dense: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        wanted, found = classifier.eval()(images), dense(images)
    torch.testing.assert_close(found.mean(dim=(2, 3)), wanted, rtol=1e-4, atol=1e-5)
    assert wanted.std() > 1e-3  # not all the same
    return found


def test_one_linear_layer_by_hand() -> None:
    """y = Σ w x + b at each of two places."""
    linear = nn.Linear(4, 1)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        linear.bias.fill_(0.5)
    conv = as_convolution(linear, (2, 2))
    found = conv(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])[None, None])
    # rows (1, 0), (0, 1): 1 + 4 + 0.5; rows (0, 2), (1, 0): 2 * 2 + 3 + 0.5
    assert found.flatten().tolist() == [5.5, 7.5]


def test_vgg() -> None:
    torch.manual_seed(0)
    classifier = tiny_vgg()
    dense = convolutionalize(classifier)
    images = torch.randn(2, 3, 224, 224)
    assert tuple(same(classifier, dense, images).shape) == (2, 5, 1, 1)
    assert dense.get_submodule("classifier.0").weight.shape == (32, 8, 7, 7)
    larger = torch.randn(1, 3, 288, 352)
    with torch.no_grad():
        found = dense(larger)
        shifted = dense(larger[:, :, 32:256, 64:288])
    assert tuple(found.shape) == (1, 5, 3, 5)
    # Away from the padding of its convolutions each place is the classifier's answer for its own window.
    assert (found[0, :, 1, 2] - shifted[0, :, 0, 0]).abs().max() < 0.2 * found.std()
    assert isinstance(classifier.classifier[0], nn.Linear)  # it is left as it was


@pytest.mark.parametrize("make", [resnet18, mobilenet_v2])
def test_global_average_pooling(make: object) -> None:
    torch.manual_seed(0)
    classifier = make(weights=None, num_classes=7)  # type: ignore[operator]
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.3)
    nn.init.normal_(next(p for p in reversed(list(classifier.parameters())) if p.ndim == 1), std=0.5)
    dense = convolutionalize(classifier, size=(96, 96))
    for size in ((96, 96), (96, 128)):  # mean and linear layer change places: equal at every size
        found = same(classifier, dense, torch.randn(2, 3, *size))
        assert tuple(found.shape) == (2, 7, size[0] // 32, size[1] // 32)


def test_squeezenet(shared: Path) -> None:
    """Real weights; its scores are a convolution already, and then a ReLU."""
    classifier = squeezenet1_0()
    path = shared / "data" / "weights" / "squeezenet1_0.pt"
    classifier.load_state_dict(torch.load(path, weights_only=True))
    found = same(classifier, convolutionalize(classifier), torch.rand(1, 3, 227, 227) * 200 - 100)
    assert found.shape[1] == 1000 and found.shape[2] > 1


def test_several_layers_after_the_mean() -> None:
    """A mean and a ReLU may not change places: the mean is taken over windows as large as in training."""
    torch.manual_seed(0)
    classifier = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip
    classifier[4].running_mean.normal_()
    dense = convolutionalize(classifier, size=(32, 32))
    assert tuple(same(classifier, dense, torch.randn(2, 3, 32, 32)).shape) == (2, 3, 1, 1)
    assert tuple(dense(torch.randn(2, 3, 40, 36)).shape) == (2, 3, 3, 2)


class Plain(nn.Module):
    """Flattens by view, as older classifiers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)
        self.fc1 = nn.Linear(4 * 9, 10)
        self.fc2 = nn.Linear(10, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.conv(images))
        return self.fc2(F.relu(self.fc1(features.view(features.size(0), -1))))


def test_view_without_pooling() -> None:
    torch.manual_seed(0)
    classifier = Plain()
    dense = convolutionalize(classifier, size=(7, 7), channels=1)
    assert tuple(same(classifier, dense, torch.randn(3, 1, 7, 7)).shape) == (3, 2, 1, 1)
    assert tuple(dense(torch.randn(1, 1, 11, 9)).shape) == (1, 2, 3, 2)


def test_refused() -> None:
    with pytest.raises(OcellusError, match="nowhere flattens"):
        convolutionalize(nn.Conv2d(3, 2, 1))
    with pytest.raises(OcellusError, match="give the size at which"):
        convolutionalize(tiny_vgg(), size=(160, 160))
    with pytest.raises(OcellusError, match="only linear layers"):
        convolutionalize(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.LayerNorm(4)), size=(2, 2))
