"""Exact nearest rows, fast: a scan in bfloat16 with a bound on its error, then float64 on what may be near.

A scan of all rows takes as long as the memory needs to deliver them, and in bfloat16 they are half as long.
What that costs in precision is known for each row, because each row's own rounding error is measured when the
copy is made. With z a row (less a constant, see below), h its copy, p the query and g the query's copy,

    |z·p - h·g| <= |z - h| |p| + |h| |p - g|                      (Cauchy and Schwarz, twice)

to which the rounding of the sum is added: float32 sums, and an answer rounded to bfloat16. So each row's
distance lies in a known interval. The K-th smallest upper end is a distance that K rows do not exceed: a row
whose lower end lies above it is not among the K nearest. The others, a few in practice, are measured in
float64. Nothing is missed, whatever the numbers are; where many rows are equally far, more are measured, that
is all. That the arithmetic keeps to the bound is not believed but looked at: when the copy is made and again
on every row that is measured. Where it ever does not, all rows are measured.

The rows are shifted by about their mean, which changes no distance: features behind a ReLU point the same
way, and what they share is taken off, so that errors are relative to how far they lie apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.explain.neighbours.faiss_index import FaissIndex

METRICS = ("cosine", "l2")
BLOCK = 512
"""Rows that are copied or measured together: few enough to stay in the processor's cache."""

SAMPLE = 4096
"""Rows that the shift is the mean of. Any shift gives the same answers."""

OUTPUT_ERROR = {torch.bfloat16: 2.0**-8, torch.float32: 2.0**-23}
"""Of the sum, relative, when it is put out: twice what rounding to nearest can cost."""

SUM_ERROR = 2.0**-23
"""Of each of the D additions in float32, relative to the largest that the sum could be: twice as much too."""

PROBES, PROBED = 3, 1024
"""Rows from which the bound is looked at when the copy is made, and on how many rows."""

Floats = NDArray[Any]


class Found(NamedTuple):
    """The nearest rows, the nearest first."""

    rows: NDArray[np.int64]  # (K,)
    distances: NDArray[np.float64]  # (K,)
    measured: int  # rows that were measured in float64; 0: faiss


class Nearest:
    """Finds the nearest of many rows, exactly.

    Args:
        features: (N, D) float32, in memory or mapped; kept, not copied.
        metric: "cosine" or "l2". A row of zeros has a cosine of 0 with everything.
        index: "": ours, exact; else what faiss's index_factory takes.
        half: scan in bfloat16; None: where the processor multiplies it in hardware, else in float32.

    Raises:
        OcellusError: no such metric (exit code 2), no rows, or no faiss.
    """

    def __init__(
        self, features: Floats, *, metric: str = "cosine", index: str = "", half: bool | None = None
    ) -> None:
        if metric not in METRICS:
            raise OcellusError(f"metric is {metric!r}; it is {' or '.join(METRICS)}", exit_code=2)
        if features.ndim != 2 or not len(features):
            raise OcellusError("the database is empty: store pictures first, then ask for neighbours")
        self.features, self.metric = features, metric
        self.faiss = FaissIndex(features, metric=metric, index=index) if index else None
        self.trusted = True
        if self.faiss is None:
            self._copy(torch.bfloat16 if (_has_bfloat16() if half is None else half) else torch.float32)
            self._probe()

    def __len__(self) -> int:
        return len(self.features)

    @property
    def exact(self) -> bool:
        """Whether no nearer row can be missed. faiss's Flat misses none either, but for its float32."""
        return self.faiss is None

    def __call__(self, query: Floats, count: int) -> Found:
        """The rows nearest to a query; of equally near ones those that were stored first.

        Args:
            query: (D,) finite numbers.
            count: how many; fewer come where there are fewer.

        Raises:
            OcellusError: the query has another length, or is not finite; count is below 1. Exit code 2.
        """
        query = np.asarray(query, np.float64)
        if query.shape != self.features.shape[1:]:
            message = f"the query has the shape {query.shape}, rows have {self.features.shape[1]} numbers"
            raise OcellusError(f"{message}: give features of the same network and layer", exit_code=2)
        if not np.isfinite(query).all():
            raise OcellusError("the query's features are not finite (nan or inf)", exit_code=2)
        if count < 1:
            raise OcellusError(f"{count} neighbours were asked for; give 1 or more", exit_code=2)
        count = min(count, len(self))
        if self.faiss is not None:
            rows = self.faiss(query, count)
            return self._best(rows, self._measured(rows, query), count, 0)
        if self.trusted:
            low, high = (part.numpy() for part in self._interval(query))
            limit = np.partition(high, count - 1)[count - 1]
            rows = np.flatnonzero(~(low > limit))  # what overflowed, nan, is measured too
            squares = self._measured(rows, query)
            if self._kept(squares, low[rows], high[rows]):
                return self._best(rows, squares, count, len(rows))
            self.trusted = False
        every = np.arange(len(self))
        return self._best(every, self._measured(every, query), count, len(self))

    def _copy(self, kind: torch.dtype) -> None:
        """The shifted rows in a short form, and how wrong each is."""
        count, dimension = self.features.shape
        step = max(1, count // SAMPLE)
        self.shift = np.zeros(dimension)
        self.shift = self._shifted(np.asarray(self.features[::step], np.float64)).mean(axis=0)
        self.short = torch.empty(count, dimension, dtype=kind)
        self.square, self.doubt = torch.empty(count), torch.empty(3, count)
        for start in range(0, count, BLOCK):
            rows = np.asarray(self.features[start : start + BLOCK], np.float64)
            exact = torch.from_numpy(self._shifted(rows))
            short = exact.to(kind)
            self.short[start : start + BLOCK] = short
            part = slice(start, start + len(rows))
            self.square[part] = (exact.square().sum(dim=1) + torch.from_numpy(self._undirected(rows))).float()
            error, length = (exact - short.double()).norm(dim=1), short.double().norm(dim=1)
            self.doubt[:, part] = torch.stack([error.float(), length.float(), self.square[part]])

    def _interval(self, query: Floats) -> tuple[Tensor, Tensor]:
        """Between which each row's squared distance from a (D,) query lies, (N,) float32 each."""
        exact = self._shifted(query[None])[0]
        nothing = float(self._undirected(query[None])[0])
        short = torch.from_numpy(exact).to(self.short.dtype)
        size, lost = (float(np.linalg.norm(part)) for part in (exact, exact - short.double().numpy()))
        product = torch.mv(self.short, short).float()
        # How wrong the product can be for each row's error and length, and these lines for its square: they,
        # too, are done in float32, hence the 1.0001.
        rounding = (len(query) + 8) * SUM_ERROR * (size + lost)
        shares = torch.tensor([[2.0002 * size, 2.0002 * (lost + rounding), 1e-6]])
        wrong = (shares @ self.doubt)[0]
        wrong.add_(product.abs(), alpha=2.0002 * OUTPUT_ERROR[self.short.dtype])
        wrong += 1e-6 * size * size + 1e-30
        middle = torch.sub(self.square, product, alpha=2).add_(size * size + nothing)
        return middle - wrong, middle + wrong

    def _probe(self) -> None:
        """See that the scan keeps to its bound on this machine."""
        rows = np.arange(min(len(self), PROBED))
        for probe in range(0, len(self), max(1, len(self) // PROBES)):
            query = np.asarray(self.features[probe], np.float64)
            low, high = (part.numpy()[: len(rows)] for part in self._interval(query))
            self.trusted = self.trusted and self._kept(self._measured(rows, query), low, high)

    def _shifted(self, rows: Floats) -> Floats:
        """(n, D) float64 as they are compared: of length 1 where angles count, and shifted."""
        return self._scaled(rows) - self.shift

    def _scaled(self, rows: Floats) -> Floats:
        if self.metric == "l2":
            return rows
        return scaled(rows)

    def _undirected(self, rows: Floats) -> Floats:
        """(n,) what is to be added for (n, D) rows of zeros, so that their cosine with everything is 0."""
        if self.metric == "l2":
            return np.zeros(len(rows))
        return np.asarray(~rows.any(axis=1), np.float64)

    def _measured(self, rows: NDArray[np.int64], query: Floats) -> NDArray[np.float64]:
        """(n,) float64 squared distances of rows from a query, of length 1 both where angles count."""
        own = self._scaled(query[None])
        found = np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            part = np.asarray(self.features[rows[start : start + BLOCK]], np.float64)
            squares = np.square(self._scaled(part) - own).sum(axis=1)
            found[start : start + BLOCK] = squares + self._undirected(part)
        found += self._undirected(query[None])
        return found

    def _best(
        self, rows: NDArray[np.int64], squares: NDArray[np.float64], count: int, measured: int
    ) -> Found:
        order = np.lexsort((rows, squares))[:count]
        nearest = squares[order]
        # Of two rows of length 1: |a - b|^2 = 2 - 2 cos.
        return Found(rows[order], nearest / 2 if self.metric == "cosine" else np.sqrt(nearest), measured)

    @staticmethod
    def _kept(squares: NDArray[np.float64], low: Floats, high: Floats) -> bool:
        """Whether all squared distances lie where they should."""
        return bool(((squares >= low) & (squares <= high)).all())


def scaled(rows: Floats) -> Floats:
    """(n, D) float64 rows, each divided by its length; rows of zeros stay."""
    largest = np.abs(rows).max(axis=1, keepdims=True)  # so that no square overflows or vanishes
    rows = rows / np.where(largest > 0, largest, 1)
    length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return rows / np.where(length > 0, length, 1)


def _has_bfloat16() -> bool:
    read = getattr(torch.cpu, "get_capabilities", dict)  # not in the oldest torch that Ocellus runs on
    capabilities: dict[str, Any] = read()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
