"""One climb: a picture that goes where an answer rises, kept smooth on its way."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.explain.class_ascent.config import Config
from ocellus.nn.class_scores import logits_in
from ocellus.nn.relu_rules import relu_rule
from ocellus.nn.subject import Score, Subject, run
from ocellus.values import Ascent, Picture

CHECK = 4
"""Steps between two looks at the picture in 8 bits."""
NAN = float("nan")


class Climb:
    """The picture while it climbs.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: where the climb begins.
        asked: the answer, settled.
        config: the method's settings.
    """

    def __init__(self, network: nn.Module, subject: Subject, asked: Score, config: Config) -> None:
        self.network, self.subject, self.asked, self.config = network, subject, asked, config
        self.dice = torch.Generator().manual_seed(config.seed)
        begun = subject.images.detach()
        noise = torch.randn(begun.shape, generator=self.dice).to(begun) * config.noise
        self.pixels = (begun + noise).clamp(0, 1).requires_grad_()
        self.history: list[float] = []
        self.start = self.look()[1]

    def go(self) -> None:
        """Climb until the network is sure, or the steps are used up."""
        config = self.config
        ascent = torch.optim.Adam([self.pixels], lr=config.rate, maximize=True)
        for step in range(config.steps):
            late = step >= config.steps / 2
            by_share = config.objective == "probability" or (config.objective == "auto" and late)
            self.pixels.grad = self._slope(by_share=by_share)
            ascent.step()
            with torch.no_grad():
                if config.blur and step % config.blur_every == 0 and step < 0.75 * config.steps:
                    self.pixels.copy_(blurred(self.pixels, config.blur))
                self.pixels.clamp_(0, 1)
            done = step + 1
            if done >= config.least and done % CHECK == 0 and self.look()[1] > config.sure:
                break

    def look(self) -> tuple[float, float, int, float]:
        """What the network says of the picture in 8 bits.

        Returns:
            Score, probability, the class that it answers first and its probability; nan and -1 where the
            answer is not a class of a classifier.
        """
        with torch.no_grad():
            subject = self.subject._replace(images=(self.pixels * 255).round() / 255)
            logits = self._logits(subject)
            if logits is None:
                return float(self.asked.ask(self.network, subject).values[0]), NAN, -1, NAN
            label, shares = self._label(), logits.softmax(dim=0)
            best = int(shares.argmax())
            return float(logits[label]), float(shares[label]), best, float(shares[best])

    def ascent(self, names: tuple[str, ...]) -> Ascent:
        """What the climb led to.

        Args:
            names: class names, where known.
        """
        score, probability, best, share = self.look()
        pixels = (self.pixels.detach()[0].float() * 255).round().to(torch.uint8).cpu()
        shown = pixels if len(pixels) == 3 else pixels[:1].expand(3, -1, -1).contiguous()
        picture = Picture(pixels=shown, channels=None if len(pixels) == 3 else pixels.float() / 255)
        name = "" if best < 0 else names[best] if best < len(names) else f"class {best}"
        return Ascent(
            picture=picture, target=self.asked.text, score=score, probability=probability,
            wanted=self.config.sure, start=self.start, steps=len(self.history), seed=self.config.seed,
            history=torch.tensor(self.history), first=(name, share),
        )  # fmt: skip

    def _label(self) -> int:
        assert self.asked.labels is not None
        return int(self.asked.labels[0])

    def _logits(self, subject: Subject) -> Tensor | None:
        """(K,) logits of a classifier, where the answer is one of its classes."""
        if self.asked.labels is None:
            return None
        logits = logits_in(run(self.network, subject)).float()
        return logits[0] if logits.ndim == 2 and logits.shape[1] > 1 else None

    def _slope(self, *, by_share: bool) -> Tensor:
        """(1, C, h, w) the direction in which the picture goes: the answer's gradient, less the norms'.

        The gradient is brought to a mean square of 1, so that the norms weigh the same whatever the size of a
        network's scores.
        """
        rise = self._rise(by_share=by_share)
        rise = rise / rise.square().mean().sqrt().clamp(min=1e-20)
        pixels = self.pixels.detach()
        return rise - 2 * self.config.decay * (pixels - 0.5) - self.config.variation * roughness(pixels)

    def _rise(self, *, by_share: bool) -> Tensor:
        """(1, C, h, w) the answer's gradient, of the picture shifted by a few pixels."""
        reach = self.config.jitter
        down, right = torch.randint(-reach, reach + 1, (2,), generator=self.dice).tolist()
        shifted = self.pixels.detach().roll((down, right), (2, 3)).requires_grad_()
        subject = self.subject._replace(images=shifted)
        value, noted = self._value(subject, by_share=by_share)
        self.history.append(noted)
        (gradient,) = torch.autograd.grad(value, shifted)
        if not gradient.any():  # all rectifiers on the way are shut: go through them all the same
            with relu_rule("deconvnet"):
                value, _ = self._value(subject, by_share=False)
            (gradient,) = torch.autograd.grad(value, shifted)
        return gradient.roll((-down, -right), (2, 3))

    def _value(self, subject: Subject, *, by_share: bool) -> tuple[Tensor, float]:
        """What is climbed, and what is noted of it: the probability where there is one."""
        logits = self._logits(subject)
        if logits is None:
            value = self.asked.ask(self.network, subject).values[0]
            return value, float(value.detach())
        shares = logits.log_softmax(dim=0)[self._label()]
        return shares if by_share else logits[self._label()], float(shares.detach().exp())


def roughness(pixels: Tensor) -> Tensor:
    """The gradient of half the sum of the squared differences of neighbours.

    Args:
        pixels: (B, C, h, w).
    """
    pull = torch.zeros_like(pixels)
    for dim in (2, 3):
        steps, length = pixels.diff(dim=dim), pixels.shape[dim]
        pull.narrow(dim, 1, length - 1).add_(steps)
        pull.narrow(dim, 0, length - 1).sub_(steps)
    return pull


def blurred(pixels: Tensor, deviation: float) -> Tensor:
    """(B, C, h, w) pixels behind a Gaussian of so many pixels; the border is repeated."""
    reach = max(1, round(3 * deviation))
    places = torch.arange(-reach, reach + 1).to(pixels)
    weights = torch.exp(-places.square() / (2 * deviation**2))
    weights = weights / weights.sum()
    channels = pixels.shape[1]
    wide = F.pad(pixels, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(wide, weights.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, weights[:, None].expand(channels, 1, -1, 1), groups=channels)
