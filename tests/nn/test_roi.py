"""RoIAlign against torchvision's CPU operator, hand-computed cases, and the pyramid."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import ops
from torchvision.ops.poolers import LevelMapper

from ocellus.nn import roi_taps
from ocellus.nn.roi import assign_levels, multiscale_roi_align, roi_align, roi_pool


def random_boxes(
    count: int, *, batch: int, reach: float, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(R, 5) boxes of all sizes, partly outside a map of `reach` pixels, in no order."""
    generator = torch.Generator().manual_seed(seed)
    corners = (torch.rand(count, 2, generator=generator) * 1.6 - 0.3) * reach
    sides = reach * torch.rand(count, 2, generator=generator) ** 3 * 1.5
    pictures = torch.randint(0, batch, (count, 1), generator=generator).float()
    return torch.cat([pictures, corners, corners + sides], 1).to(dtype)


def both(features: Tensor, boxes: Tensor, **options: object) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ours and torchvision's output, and the gradients of both."""
    ours, peer = features.clone().requires_grad_(), features.clone().requires_grad_()
    found, wanted = roi_align(ours, boxes, **options), ops.roi_align(peer, boxes, **options)  # type: ignore[arg-type]
    gradient = torch.randn(wanted.shape, dtype=wanted.dtype, generator=torch.Generator().manual_seed(1))
    found.backward(gradient)
    wanted.backward(gradient)
    assert ours.grad is not None and peer.grad is not None
    return found.detach(), wanted.detach(), ours.grad, peer.grad


@pytest.mark.parametrize(
    ("ratio", "aligned", "channels_last"), itertools.product((0, 1, 2, 3), (False, True), (False, True))
)
def test_equals_torchvision(ratio: int, aligned: bool, channels_last: bool) -> None:
    features = torch.randn(2, 40, 37, 50)
    if channels_last:
        features = features.contiguous(memory_format=torch.channels_last)
    boxes = random_boxes(80, batch=2, reach=180)
    found, wanted, gradient, wanted_gradient = both(
        features, boxes, output_size=(7, 5), spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned
    )
    assert (found - wanted).abs().max() <= 1e-5
    assert (gradient - wanted_gradient).abs().max() <= 1e-5
    assert wanted.abs().max() > 1 and (wanted[:, 0, 0, 0] == 0).any()  # inside and outside were both seen


coordinates = st.floats(-40, 120, width=32)


@settings(max_examples=150, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 1), coordinates, coordinates, coordinates, coordinates), max_size=6
    ),
    ratio=st.integers(0, 3),
    aligned=st.booleans(),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    scale=st.sampled_from((1.0, 0.5, 0.25, 1 / 16)),
)
def test_any_box(
    boxes: list[tuple[float, ...]],
    ratio: int,
    aligned: bool,
    size: tuple[int, int],
    shape: tuple[int, int],
    scale: float,
) -> None:
    given_boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
    if ratio == 0 and aligned:  # torchvision's operator breaks on a negative number of samples
        given_boxes[:, 3:] = torch.maximum(given_boxes[:, 1:3], given_boxes[:, 3:])
    features = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    found, wanted, gradient, wanted_gradient = both(
        features, given_boxes, output_size=size, spatial_scale=scale, sampling_ratio=ratio, aligned=aligned
    )
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=0, atol=1e-5)


def test_by_hand() -> None:
    ramp = torch.arange(12.0).reshape(1, 1, 3, 4)  # value 4 * y + x
    box = torch.tensor([[0, 0.0, 0.0, 2.0, 2.0]])
    found = roi_align(ramp, box, output_size=2, spatial_scale=1.0, sampling_ratio=1)
    assert torch.allclose(found.flatten(), torch.tensor([2.5, 3.5, 6.5, 7.5]))  # at 0.5 and 1.5
    shifted = roi_align(ramp, box, output_size=2, spatial_scale=1.0, sampling_ratio=1, aligned=True)
    assert torch.allclose(shifted.flatten(), torch.tensor([0.0, 1.0, 4.0, 5.0]))


def test_boxes_without_sense_give_zeros() -> None:
    features = torch.ones(1, 2, 8, 8)
    nan, inf = float("nan"), float("inf")
    boxes = torch.tensor(
        [[0, nan, 0, 4, 4], [0, 0, 0, nan, 4], [0, 6, 6, 2, 2], [0, 90, 90, 99, 99], [0, 0, 0, 4, inf]]
    )
    for aligned, ratio in itertools.product((False, True), (0, 2)):
        found = roi_align(
            features, boxes, output_size=2, spatial_scale=1.0, sampling_ratio=ratio, aligned=aligned
        )
        assert torch.isfinite(found).all()
        assert (found[[0, 1, 3]] == 0).all()


@pytest.mark.parametrize("aligned", [False, True])
def test_box_far_larger_than_the_map(aligned: bool) -> None:
    features = torch.randn(1, 2, 9, 11)
    boxes = torch.tensor([[0, -3000.0, -2000, 4000, 3000]])
    options = {"output_size": 3, "spatial_scale": 1.0, "sampling_ratio": 0, "aligned": aligned}
    found, wanted, gradient, wanted_gradient = both(features, boxes, **options)
    assert wanted.any() and (found - wanted).abs().max() <= 1e-6
    assert (gradient - wanted_gradient).abs().max() <= 1e-6


@pytest.mark.parametrize("batch", [0, 2])
def test_no_boxes(batch: int) -> None:
    features = torch.randn(batch, 3, 8, 8, requires_grad=True)
    found = roi_align(features, torch.zeros(0, 5), output_size=7, spatial_scale=1.0)
    assert found.shape == (0, 3, 7, 7)
    found.sum().backward()
    assert features.grad is not None and features.grad.shape == features.shape and not features.grad.any()


@pytest.mark.parametrize("ratio", [0, 2])
def test_gradcheck(ratio: int) -> None:
    features = torch.randn(2, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    boxes = random_boxes(5, batch=2, reach=6, dtype=torch.float64)

    def call(given_features: Tensor) -> Tensor:
        return roi_align(given_features, boxes, output_size=3, spatial_scale=1.0, sampling_ratio=ratio)

    assert torch.autograd.gradcheck(call, (features,))


def test_boxes_get_no_gradient() -> None:
    boxes = random_boxes(3, batch=1, reach=8).requires_grad_()
    features = torch.randn(1, 2, 8, 8, requires_grad=True)
    roi_align(features, boxes, output_size=2, spatial_scale=1.0).sum().backward()
    assert boxes.grad is None


@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 2**-6), (torch.float16, 2**-9)])
def test_narrow_types(dtype: torch.dtype, error: float) -> None:
    features = torch.randn(1, 4, 20, 20).to(dtype)
    boxes = random_boxes(30, batch=1, reach=20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = roi_align(features, boxes, output_size=7, spatial_scale=1.0)
    assert found.dtype == dtype
    wanted = ops.roi_align(features.float(), boxes, 7, 1.0, 2)
    assert (found.float() - wanted).abs().max() <= error * features.abs().max().float()


def test_double_features_with_float_boxes() -> None:
    features, boxes = torch.randn(1, 2, 9, 9, dtype=torch.float64), random_boxes(9, batch=1, reach=9)
    found = roi_align(features, boxes, output_size=3, spatial_scale=1.0)
    assert found.dtype == torch.float64
    assert torch.allclose(found, ops.roi_align(features, boxes.double(), 3, 1.0, 2), atol=1e-12)


def test_result_is_channels_last() -> None:
    found = roi_align(
        torch.randn(1, 8, 9, 9), random_boxes(4, batch=1, reach=9), output_size=7, spatial_scale=1.0
    )
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("ratio", [0, 2])
def test_portions_change_nothing(ratio: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, boxes = torch.randn(2, 3, 30, 30), random_boxes(40, batch=2, reach=30)
    options = {"output_size": 4, "spatial_scale": 1.0, "sampling_ratio": ratio}
    before = both(features, boxes, **options)
    monkeypatch.setattr(roi_taps, "WHOLE", 500)
    monkeypatch.setattr(roi_taps, "PORTION", 500)
    after = both(features, boxes, **options)
    assert torch.equal(before[0], after[0]) and torch.allclose(before[2], after[2], atol=1e-6)


def pyramid(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(2, 4, 256 // stride, 320 // stride, dtype=dtype) for stride in (4, 8, 16, 32)]


@pytest.mark.parametrize("ratio", [0, 2])
def test_pyramid_equals_torchvision(ratio: int) -> None:
    features = pyramid()
    boxes = random_boxes(60, batch=2, reach=300)
    boxes[:4, 1:] = torch.tensor([[10, 10, 10 + side, 10 + side] for side in (56.0, 112.0, 224.0, 448.0)])
    pooler = ops.MultiScaleRoIAlign(["0", "1", "2", "3"], 7, ratio)
    ours = [feature.clone().requires_grad_() for feature in features]
    peer = [feature.clone().requires_grad_() for feature in features]
    order = boxes[:, 0].argsort(stable=True)
    boxes = boxes[order]
    found = multiscale_roi_align(ours, boxes, strides=(4, 8, 16, 32), output_size=7, sampling_ratio=ratio)
    split = [boxes[boxes[:, 0] == picture, 1:] for picture in (0, 1)]
    wanted = pooler({str(i): feature for i, feature in enumerate(peer)}, split, [(256, 320)] * 2)
    assert (found - wanted).abs().max() <= 1e-5
    gradient = torch.randn_like(wanted)
    found.backward(gradient)
    wanted.backward(gradient)
    for a, b in zip(ours, peer, strict=True):
        assert a.grad is not None and b.grad is not None
        assert (a.grad - b.grad).abs().max() <= 1e-5
    levels = assign_levels(boxes[:, 1:], strides=(4, 8, 16, 32))
    assert levels.unique().tolist() == [0, 1, 2, 3]
    assert torch.equal(levels, LevelMapper(2, 5)([boxes[:, 1:]]))


def test_pyramid_in_every_way() -> None:
    features, boxes, strides = pyramid(), random_boxes(30, batch=2, reach=300), (4, 8, 16, 32)
    assert multiscale_roi_align(features, boxes[:0], strides=strides, output_size=7).shape == (0, 4, 7, 7)
    levels = assign_levels(boxes[:, 1:], strides=strides)
    pooled = multiscale_roi_align(features, boxes, strides=strides, output_size=3, pooling="pool")
    for index, level in enumerate(levels.tolist()):
        wanted = ops.roi_pool(features[level], boxes[index : index + 1], 3, 1 / strides[level])
        assert torch.equal(pooled[index : index + 1], wanted)
    bfloat = [feature.bfloat16() for feature in features]
    assert multiscale_roi_align(bfloat, boxes, strides=strides, output_size=3).dtype == torch.bfloat16
    assert roi_pool(bfloat[0], boxes, output_size=3, spatial_scale=0.25).dtype == torch.bfloat16


def test_levels_of_boxes_without_area() -> None:
    boxes = torch.tensor([[5.0, 5, 5, 5], [5, 5, 4, 9], [0, 0, 1e9, 1e9]])
    assert assign_levels(boxes, strides=(4, 8, 16, 32)).tolist() == [0, 0, 3]


def test_compiles_and_exports() -> None:
    features, boxes = torch.randn(1, 3, 16, 16, requires_grad=True), random_boxes(5, batch=1, reach=16)

    class Pool(torch.nn.Module):
        def forward(self, given_features: Tensor, given_boxes: Tensor) -> Tensor:
            return roi_align(given_features, given_boxes, output_size=3, spatial_scale=1.0)

    wanted = Pool()(features, boxes)
    compiled = torch.compile(Pool(), backend="aot_eager", fullgraph=True)
    found = compiled(features, boxes)
    assert torch.equal(found, wanted)
    assert torch.allclose(
        torch.autograd.grad(found.sum(), features)[0],
        torch.autograd.grad(wanted.sum(), features)[0],
        atol=1e-6,
    )
    exported = torch.export.export(Pool(), (features.detach(), boxes))
    assert "torchvision.roi_align" in str(exported.graph)
    assert torch.allclose(exported.module()(features.detach(), boxes), wanted, atol=1e-5)


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_pyramid_exports_for_any_number_of_boxes(pooling: str) -> None:
    class Pool(torch.nn.Module):
        def forward(self, fine: Tensor, coarse: Tensor, boxes: Tensor) -> Tensor:
            return multiscale_roi_align([fine, coarse], boxes, strides=(4, 8), output_size=7, pooling=pooling)

    maps = torch.randn(1, 4, 32, 32), torch.randn(1, 4, 16, 16)
    boxes = random_boxes(6, batch=1, reach=120)
    exported = torch.export.export(
        Pool(), (*maps, boxes[:3]), dynamic_shapes=(None, None, {0: torch.export.Dim.DYNAMIC})
    )
    for count in (0, 1, 6):
        assert torch.allclose(
            exported.module()(*maps, boxes[:count]), Pool()(*maps, boxes[:count]), atol=1e-5
        )
