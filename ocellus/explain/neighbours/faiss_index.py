"""Nearest rows by faiss, for those who have more rows than a scan is quick enough for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocellus.errors import OcellusError

SPARE = 4
"""faiss compares in float32: this many times as many rows are taken from it and measured again."""


class FaissIndex:
    """An index of faiss over rows.

    Args:
        features: (N, D) float32; copied into the index.
        metric: "cosine" or "l2".
        index: as `faiss.index_factory` takes it: "Flat", "HNSW32", "IVF256,Flat".

    Raises:
        OcellusError: faiss is not installed, or makes no such index. Exit code 2.
    """

    def __init__(self, features: NDArray[np.float32], *, metric: str, index: str) -> None:
        try:
            faiss: Any = import_module("faiss")
        except ImportError:
            message = "faiss is not installed: pip install 'ocellus[index]', or leave the index out"
            raise OcellusError(message, exit_code=2) from None
        self.angles = metric == "cosine"
        rows = np.array(features, np.float32)  # a copy: it is scaled in place
        if self.angles:
            faiss.normalize_L2(rows)
        try:
            self.index = faiss.index_factory(rows.shape[1], index)
            self.index.train(rows)
            self.index.add(rows)
        except (RuntimeError, AssertionError) as error:
            line = str(error).strip().splitlines()[-1][:160]
            message = f"faiss makes no index {index!r} of {len(rows)} rows of {rows.shape[1]} numbers"
            raise OcellusError(f"{message} ({line}): try Flat or HNSW32", exit_code=2) from None
        self.normalize = faiss.normalize_L2

    def __call__(self, query: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Rows that are near a query, more than `count`; fewer where the index finds fewer.

        Args:
            query: (D,) numbers.
            count: how many are wanted.
        """
        row = np.array(query[None], np.float32)
        if self.angles:
            self.normalize(row)
        _, rows = self.index.search(row, min(SPARE * count, self.index.ntotal))
        found: NDArray[np.int64] = rows[0][rows[0] >= 0].astype(np.int64)
        return found
