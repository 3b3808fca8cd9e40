"""t-SNE: groups stay together, the divergence is the paper's, one seed gives one plane."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ocellus.data.feature_database import Rows
from ocellus.draw.embedding import draw_embedding
from ocellus.errors import OcellusError
from ocellus.explain import tsne
from ocellus.values import Embedding, Picture
from ocellus.values.html import color

GROUPS, EACH = 4, 15


def groups() -> Rows:
    """Four groups in 50 dimensions, each around a direction of its own."""
    dice = np.random.default_rng(0)
    centres = np.repeat(dice.standard_normal((GROUPS, 50)), EACH, axis=0)
    features = (centres + 0.2 * dice.standard_normal(centres.shape)).astype(np.float32)
    names = [f"{row}.png" for row in range(len(features))]
    return Rows(features, names, [f"group {row // EACH}" for row in range(len(features))])


@pytest.fixture(scope="module")
def plane() -> Embedding:
    return tsne.explain(groups(), config=tsne.Config(metric="l2", perplexity=8, iterations=500))


def test_groups_stay_together(plane: Embedding) -> None:
    distances = torch.cdist(plane.points, plane.points) + 1e9 * torch.eye(len(plane))
    nearest = distances.topk(5, largest=False).indices
    labels = np.array(plane.labels)
    assert (labels[nearest.numpy()] == labels[:, None]).all()
    assert plane.names == tuple(f"group {number}" for number in range(GROUPS))


def paper_divergence(features: np.ndarray, points: np.ndarray, perplexity: float) -> float:
    """Kullback and Leibler's of the paper's p_ij and q_ij, each width found by halving (its section 2)."""
    squares = np.square(features[:, None] - features[None]).sum(axis=2)
    count = len(features)
    conditional = np.zeros((count, count))
    for row in range(count):
        others = np.arange(count) != row
        low, high = 1e-6, 1e6
        for _ in range(200):
            width = np.sqrt(low * high)
            shares = np.exp(-(squares[row, others] - squares[row, others].min()) * width)
            shares /= shares.sum()
            entropy = -(shares * np.log2(np.maximum(shares, 1e-300))).sum()
            low, high = (width, high) if 2**entropy > perplexity else (low, width)
        conditional[row, others] = shares
    p = (conditional + conditional.T) / (2 * count)
    q = 1 / (1 + np.square(points[:, None] - points[None]).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 1e-12
    return float((p[some] * np.log(p[some] / q[some])).sum())


def test_the_divergence_is_the_papers(plane: Embedding) -> None:
    features = groups().features.astype(np.float64)
    own = paper_divergence(features, plane.points.numpy().astype(np.float64), 8)
    assert plane.divergence == pytest.approx(own, rel=0.05)  # scikit-learn sums over near neighbours only
    spread = np.random.default_rng(1).permutation(plane.points.numpy())
    assert paper_divergence(features, spread, 8) > 2 * own


def test_one_seed_one_plane() -> None:
    rows = Rows(*(part[::2] for part in groups()))
    first, again = (tsne.explain(rows, config=tsne.Config(iterations=250, seed=3)) for _ in range(2))
    assert torch.equal(first.points, again.points) and first.divergence == again.divergence


def test_one_thread_so_that_the_plane_is_the_same_on_all_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_info, threadpool_limits

    counts: list[int] = []
    real = TSNE.fit_transform

    def fit(self: TSNE, features: np.ndarray) -> np.ndarray:
        counts.extend(pool["num_threads"] for pool in threadpool_info())
        return real(self, features)

    monkeypatch.setattr(TSNE, "fit_transform", fit)
    with threadpool_limits(2):
        tsne.explain(Rows(*(part[::4] for part in groups())), config=tsne.Config(iterations=250))
    assert counts and set(counts) == {1}


def test_what_cannot_be_laid_out_is_refused() -> None:
    rows = groups()
    some = lambda count: Rows(*(part[:count] for part in rows))  # noqa: E731
    for given, config, wanted in (
        (some(0), {}, "0 pictures cannot be laid out .* give 3 or more"),
        (some(1), {}, "1 picture cannot"),
        (some(2), {}, "2 pictures cannot"),
        (rows, {"perplexity": 60.0}, "perplexity 60 makes no sense for 60 pictures"),
        (rows, {"perplexity": 0.5}, "from 1 to below 60"),
        (rows, {"metric": "dot"}, "cosine or l2"),
        (rows, {"iterations": 10}, "10 iterations are too few"),
        (rows, {"seed": -1}, "seed is -1"),
        (rows._replace(features=np.ones_like(rows.features)), {}, "all 60 pictures have the same"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            tsne.explain(given, config=tsne.Config(**config))


def test_three_pictures_are_enough() -> None:
    rows = groups()
    found = tsne.explain(Rows(*(part[:45:15] for part in rows)), config=tsne.Config(iterations=250))
    assert found.points.isfinite().all() and len(found) == 3


def test_missing_scikit_learn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(OcellusError, match=r"pip install 'ocellus\[explain\]'"):
        tsne.explain(groups())


def test_it_is_drawn_with_points_pictures_and_a_legend(plane: Embedding) -> None:
    small = Picture(pixels=torch.zeros(3, 20, 30, dtype=torch.uint8))
    asked: list[str] = []

    def thumbnail(path: str) -> Picture | None:
        asked.append(path)
        return small if len(asked) > 1 else None  # the first is not there any more

    drawn = draw_embedding(plane, thumbnail, side=300, small=30).pixels
    assert drawn.shape[2] == 300 and drawn.shape[1] > 300  # the legend is below
    alone = draw_embedding(plane, side=300).pixels
    black = (drawn == 0).all(dim=0).sum()
    assert black == (len(asked) - 1) * 30 * 20 and len(asked) > GROUPS
    assert not (alone == 0).all(dim=0).any()
    for group in range(GROUPS):
        paint = torch.tensor(color(group), dtype=torch.uint8)[:, None, None]
        points = (alone[:, :300] == paint).all(dim=0)
        assert points.sum() > 20
        legend = (alone[:, 300:] == paint).all(dim=0)
        assert legend.any()
    # The group's points are where its rows are, not elsewhere: its middle is of its color's side.
    rows, columns = torch.nonzero((alone[:, :300] == torch.tensor(color(0))[:, None, None]).all(dim=0)).T
    low, high = plane.points.amin(dim=0), plane.points.amax(dim=0)
    middle = (plane.points[:EACH].mean(dim=0) - (low + high) / 2) / (high - low).max()
    found = torch.stack([columns.float().mean(), rows.float().mean()]) / 300 - 0.5
    assert float((found - middle * found.norm() / middle.norm()).norm()) < 0.1


def test_it_is_saved(plane: Embedding, tmp_path: Path) -> None:
    plane.save(tmp_path / "deep" / "tsne.npz")
    with np.load(tmp_path / "deep" / "tsne.npz") as arrays:
        assert np.array_equal(arrays["points"], plane.points.numpy())
        assert arrays["paths"].tolist() == list(plane.paths)
        assert arrays["labels"].tolist() == list(plane.labels)
