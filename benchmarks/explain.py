"""Explanations against captum's, in turn: `python -m benchmarks.explain [--what gradcam] [--turns N]`.

Setting: torchvision's ResNet of the given depth with random weights, 224 x 224, class 281.

Grad-CAM: of `layer4`, before its ReLU, batch 1 and 16. The peers are captum's LayerGradCam, pytorch-grad-cam
where it is installed (`pip install grad-cam`; that it enlarges the maps is timed with it), and the bare work:
one forward pass under `no_grad` up to the layer, the rest of it with gradients, and `torch.autograd.grad`
with respect to the layer's output; nothing is combined, nothing put back. Theirs run in float32 and NCHW, as
they come; "bare, channels last" is the bare work in the layout that ours gives the picture.

Occlusion: a window of 32 at every 16 pixels, filled with 0. captum runs one covered picture at a time, which
is its default, and, where --peer-batch is above 1, that many.

bf16: ours alone has weights in bfloat16 and channels-last; the error is against float32, relative to the
largest value. Drops of occlusion are differences of two scores, so that rounding weighs more there.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from importlib.util import find_spec

import torch
import torchvision
from captum.attr import LayerGradCam, Occlusion
from torch import Tensor, nn

from benchmarks.timing import compare
from ocellus.explain import occlusion
from ocellus.explain.gradcam.method import gradcam_maps
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import class_score
from ocellus.nn.subject import subject_of

SIZE, TARGET, WINDOW, STRIDE = 224, 281, 32, 16


def our_gradcam(network: nn.Module, images: Tensor) -> Tensor:
    """(B, 7, 7)."""
    with untouched(network):
        maps, _ = gradcam_maps(network, subject_of(network, images), class_score(TARGET), layer="layer4")
    return maps


def their_gradcam(network: nn.Module, images: Tensor) -> Tensor:
    return LayerGradCam(network, network.layer4).attribute(images, target=TARGET)[:, 0].detach()


def cam_of_theirs(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """pytorch-grad-cam's, its hooks set once."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = GradCAM(model=network, target_layers=[network.layer4])
    return lambda images: torch.from_numpy(
        cam(images, targets=[ClassifierOutputTarget(TARGET)] * len(images))
    )


def bare(network: nn.Module, images: Tensor) -> Tensor:
    """The least that any Grad-CAM computes."""
    with torch.no_grad():
        maps = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        maps = network.layer4(network.layer3(network.layer2(network.layer1(maps))))
    maps.requires_grad_()
    logits = network.fc(network.avgpool(maps).flatten(1))
    return torch.autograd.grad(logits[:, TARGET].sum(), maps)[0]


def our_occlusion(network: nn.Module, images: Tensor, batch: int) -> Tensor:
    config = occlusion.Config(window=WINDOW, stride=STRIDE, fills=("0",), batch=batch)
    return occlusion.explain(network, images, score=TARGET, config=config).values


def their_occlusion(network: nn.Module, images: Tensor, batch: int) -> Tensor:
    found = Occlusion(network).attribute(
        images,
        (3, WINDOW, WINDOW),
        strides=(3, STRIDE, STRIDE),
        target=TARGET,
        perturbations_per_eval=batch,
    )
    return found[0, 0]


def show(
    title: str, ours: Callable[[], Tensor], peer: Callable[[], Tensor], *, turns: int, same: bool = True
) -> None:
    error = ""
    if same:
        one, other = ours().float(), peer().float()
        error = f"   error {float((one - other).abs().max() / other.abs().max()):.1e}"
    print(f"{title:52s} {compare(ours, peer, turns=turns)}{error}", flush=True)


def time_gradcam(network: nn.Module, small: nn.Module, batches: list[int], turns: int) -> None:
    for batch in batches:
        images = torch.rand(batch, 3, SIZE, SIZE)
        last = images.contiguous(memory_format=torch.channels_last)
        name = f"Grad-CAM, batch {batch:2d}"
        peer = lambda images=images: their_gradcam(network, images)  # noqa: E731
        show(f"{name}, fp32 / captum", lambda x=images: our_gradcam(network, x), peer, turns=turns)
        show(
            f"{name}, bf16 channels-last / captum fp32",
            lambda x=images: our_gradcam(small, x),
            peer,
            turns=turns,
        )
        if find_spec("pytorch_grad_cam"):
            other = copy.deepcopy(network)  # hooks stay on it
            cam = cam_of_theirs(other)
            for kind, ours in (("fp32", network), ("bf16 channels-last", small)):
                show(
                    f"{name}, {kind} / pytorch-grad-cam fp32",
                    lambda x=images, ours=ours: our_gradcam(ours, x),
                    lambda x=images, cam=cam: cam(x),
                    turns=turns,
                    same=False,
                )
        for layout, given in (("NCHW", images), ("channels last", last)):
            show(
                f"{name}, fp32 / bare forward and backward, {layout}",
                lambda x=images: our_gradcam(network, x),
                lambda x=given: bare(network, x),
                turns=turns,
                same=False,
            )


def time_occlusion(network: nn.Module, small: nn.Module, batch: int, peer_batch: int, turns: int) -> None:
    images = torch.rand(1, 3, SIZE, SIZE)
    for theirs in sorted({1, peer_batch}):
        peer = lambda theirs=theirs: their_occlusion(network, images, theirs)  # noqa: E731
        name = f"occlusion, batch {batch}"
        show(
            f"{name}, fp32 / captum, batch {theirs}",
            lambda: our_occlusion(network, images, batch),
            peer,
            turns=turns,
        )
        show(
            f"{name}, bf16 channels-last / captum fp32, batch {theirs}",
            lambda: our_occlusion(small, images, batch),
            peer,
            turns=turns,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", choices=["gradcam", "occlusion", "both"], default="both")
    parser.add_argument("--depth", type=int, choices=[18, 34, 50, 101], default=50)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16], help="of Grad-CAM")
    parser.add_argument("--batch", type=int, default=8, help="covered pictures together, of occlusion")
    parser.add_argument("--peer-batch", type=int, default=1, help="the same of captum's")
    parser.add_argument("--turns", type=int, default=9, help="pairs of runs that count")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    network = getattr(torchvision.models, f"resnet{chosen.depth}")().eval()
    small = copy.deepcopy(network).to(torch.bfloat16).to(memory_format=torch.channels_last)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; ours / peer; above 1: ours is faster"
    )
    if chosen.what != "occlusion":
        time_gradcam(network, small, chosen.batches, chosen.turns)
    if chosen.what != "gradcam":
        time_occlusion(network, small, chosen.batch, chosen.peer_batch, max(chosen.turns // 3, 1))


if __name__ == "__main__":
    main()
