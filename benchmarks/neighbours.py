"""Exact neighbours, ours against numpy and faiss, in turn: `python -m benchmarks.neighbours [--rows N]`.

Setting: rows of normal random numbers, which is the hard case: no row is much nearer than another. A query is
one row of numbers, the ten nearest are asked for, by cosine and by Euclidean distance. Ten queries in a row
of each side, in turn; every query is another one.

- ours: `Nearest`, a scan in bfloat16 with a bound on its error, then float64 on what may be near;
- numpy: `features @ query` in float32 and `argpartition`, on rows of length 1, or with their squares added;
- faiss: its Flat index, exact but for float32; only where it is installed.

Recall is the share of the ten nearest in float64 that are among the ten that were found.

The append is of 1,000 rows to a database on the disk, flushed; the folder is --folder, else a temporary one.
Two threads by default. On a machine that does other work the times are those of that machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.timing import seconds
from ocellus.data.feature_database import Space, create_database
from ocellus.explain.neighbours.search import Nearest, scaled

COUNT = 10
BLOCK, IDLE = 10, 3
"""Queries in a row of each side, and those before them that are not timed: the threads of numpy's library go
on waiting busily, on cores that torch's need, for a while after its last work."""
Floats = NDArray[np.float32]
Search = Callable[[Floats], NDArray[np.int64]]


def ours(features: Floats, metric: str) -> Search:
    find = Nearest(features, metric=metric)
    return lambda query: find(query, COUNT).rows


def by_numpy(features: Floats, metric: str) -> Search:
    rows = scaled(features).astype(np.float32) if metric == "cosine" else features
    squares = np.square(rows).sum(axis=1)

    def search(query: Floats) -> NDArray[np.int64]:
        far = -(rows @ query) if metric == "cosine" else squares - 2 * (rows @ query)
        near = np.argpartition(far, COUNT)[:COUNT]
        return near[np.argsort(far[near])]

    return search


def by_faiss(features: Floats, metric: str) -> Search:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    rows = scaled(features).astype(np.float32) if metric == "cosine" else features
    index = (faiss.IndexFlatIP if metric == "cosine" else faiss.IndexFlatL2)(rows.shape[1])
    index.add(rows)
    return lambda query: index.search(query[None], COUNT)[1][0]


def truth(features: Floats, queries: Floats, metric: str) -> list[set[int]]:
    """The nearest in float64, plainly."""
    found = []
    for query in queries.astype(np.float64):
        far = np.empty(len(features))
        for start in range(0, len(features), 4096):
            rows = features[start : start + 4096].astype(np.float64)
            if metric == "cosine":
                far[start : start + 4096] = -(rows @ query) / np.linalg.norm(rows, axis=1)
            else:
                far[start : start + 4096] = np.square(rows - query).sum(axis=1)
        found.append(set(np.argsort(far)[:COUNT].tolist()))
    return found


def time_queries(features: Floats, queries: Floats) -> None:
    kinds = {"ours": ours, "numpy": by_numpy} | ({"faiss Flat": by_faiss} if find_spec("faiss") else {})
    for metric in ("cosine", "l2"):
        wanted = truth(features, queries, metric)
        made: dict[str, Search] = {}
        for name, make in kinds.items():
            start = seconds(lambda: made.update({name: make(features, metric)}))  # noqa: B023
            print(f"{metric:7s}{name:11s} made in {start:6.2f} s", flush=True)
        times: dict[str, list[float]] = {name: [] for name in made}
        hits = dict.fromkeys(made, 0)
        for first in range(0, len(queries), BLOCK):  # in turn, so that other work slows all alike
            for name, search in made.items():
                for query in queries[-IDLE:]:
                    search(query)
                for query, best in zip(
                    queries[first : first + BLOCK], wanted[first : first + BLOCK], strict=True
                ):
                    start = time.perf_counter()
                    found = search(query)
                    times[name].append(time.perf_counter() - start)
                    hits[name] += len(best & set(found.tolist()))
        for name, own in times.items():
            ordered = sorted(own)
            recall = hits[name] / (COUNT * len(queries))
            print(
                f"{metric:7s}{name:11s} median {1e3 * statistics.median(own):7.2f} ms   "
                f"lowest {1e3 * ordered[0]:7.2f}   highest {1e3 * ordered[-1]:7.2f}   recall {recall:.4f}",
                flush=True,
            )


def time_appends(features: Floats, folder: Path, *, turns: int, batch: int) -> None:
    space = Space(network="none", fingerprint="0" * 16, layer="none", dimension=features.shape[1])
    database = create_database(folder, space)
    names = [f"/photographs/{row:08d}.jpg" for row in range(len(features))]
    whole = seconds(lambda: database.append(features, names))
    more = [f"/more/{row:08d}.jpg" for row in range(batch)]
    times = [seconds(lambda: database.append(features[:batch], more)) for _ in range(turns)]
    opened = seconds(lambda: type(database)(folder).paths)
    print(f"stored {len(features)} rows in {whole:.2f} s; opened again, with paths, in {opened:.2f} s")
    print(
        f"append of {batch}: median {statistics.median(times):.3f} s, highest {max(times):.3f} s; "
        f"{len(database)} rows now"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5, help="appends that are timed")
    parser.add_argument("--folder", default="", help="where the database is made (default: temporary)")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    dice = np.random.default_rng(0)
    features = dice.standard_normal((chosen.rows, chosen.dimension), dtype=np.float32)
    queries = dice.standard_normal((chosen.queries, chosen.dimension), dtype=np.float32)
    print(f"torch {torch.__version__}, {chosen.threads} threads; {chosen.rows} x {chosen.dimension}")
    time_queries(features, queries)
    with tempfile.TemporaryDirectory(dir=chosen.folder or None) as folder:
        time_appends(features, Path(folder) / "stored", turns=chosen.turns, batch=min(1000, chosen.rows))


if __name__ == "__main__":
    main()
