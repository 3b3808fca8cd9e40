"""Features in a plane, by scikit-learn's t-SNE: van der Maaten 2008."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ocellus.data.feature_database import FeatureDatabase, Rows
from ocellus.errors import OcellusError
from ocellus.explain.tsne.config import Config
from ocellus.values import Embedding

METRICS = {"cosine": "cosine", "l2": "euclidean"}
PERPLEXITY = 30.0  # section 3: "robust to changes in the perplexity, and typical values are between 5 and 50"
FEWEST = 3
LEAST_ITERATIONS = 250  # the first quarter of a thousand exaggerates distances; nothing is settled before


def explain(rows: FeatureDatabase | Rows, *, config: Config | None = None) -> Embedding:
    """Pictures in a plane, those with like features near each other.

    The plane begins with the two main directions of the features, and not at random, so that it keeps more of
    how the groups lie to each other (Kobak 2019, Nature Communications 10, 5416).

    Args:
        rows: a database, or rows of one's own.
        config: the method's settings.

    Raises:
        OcellusError: fewer than three pictures, or all alike; a setting that makes no sense (exit code 2); no
            scikit-learn.
    """
    config = Config() if config is None else config
    if isinstance(rows, FeatureDatabase):
        rows = rows.rows()
    features = np.asarray(rows.features, np.float32)
    perplexity = perplexity_of(len(features), config)
    if config.metric not in METRICS:
        raise OcellusError(f"metric is {config.metric!r}; it is {' or '.join(METRICS)}", exit_code=2)
    if config.iterations < LEAST_ITERATIONS:
        message = f"{config.iterations} iterations are too few: give {LEAST_ITERATIONS} or more"
        raise OcellusError(message, exit_code=2)
    if config.seed < 0:
        raise OcellusError(f"the seed is {config.seed}; it is 0 or more", exit_code=2)
    if (features == features[0]).all():
        raise OcellusError(f"all {len(features)} pictures have the same features: there is nothing to see")
    points, divergence = _plane(features, perplexity, config)
    return Embedding(
        points=torch.from_numpy(points.astype(np.float32)),
        paths=tuple(rows.paths),
        labels=tuple(rows.labels),
        divergence=divergence,
    )


def perplexity_of(count: int, config: Config) -> float:
    """The perplexity for so many pictures.

    Raises:
        OcellusError: too few pictures, or a perplexity that is not between 1 and their number.
    """
    if count < FEWEST:
        message = f"{count} picture{'s' if count != 1 else ''} cannot be laid out in a plane"
        raise OcellusError(f"{message}: give {FEWEST} or more")
    if config.perplexity == 0:
        return max(1.0, min(PERPLEXITY, (count - 1) / 3))
    if not 1 <= config.perplexity < count:
        message = f"perplexity {config.perplexity:g} makes no sense for {count} pictures"
        raise OcellusError(f"{message}: give a number from 1 to below {count}", exit_code=2)
    return config.perplexity


def _plane(
    features: NDArray[np.float32], perplexity: float, config: Config
) -> tuple[NDArray[np.float32], float]:
    """(N, 2) points and the divergence that is left.

    Raises:
        OcellusError: scikit-learn is not installed. Exit code 2.
    """
    try:
        manifold: Any = import_module("sklearn.manifold")
        threads: Any = import_module("threadpoolctl")  # comes with scikit-learn
    except ImportError:
        message = "scikit-learn is not installed: pip install 'ocellus[explain]'"
        raise OcellusError(message, exit_code=2) from None
    tsne = manifold.TSNE(
        n_components=2,
        perplexity=perplexity,
        metric=METRICS[config.metric],
        max_iter=config.iterations,
        init="pca",
        learning_rate="auto",
        random_state=config.seed,
    )
    # In one thread: several add up their shares in the order in which they are ready, and after some hundred
    # steps the plane would be another one each time, and on each machine.
    with warnings.catch_warnings(), threads.threadpool_limits(1):
        warnings.simplefilter("ignore", RuntimeWarning)  # of parallel threads that it counts for itself
        points = tsne.fit_transform(features)
    return points, float(tsne.kl_divergence_)
