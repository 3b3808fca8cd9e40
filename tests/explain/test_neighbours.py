"""Nearest neighbours: exact on every kind of rows, with scikit-learn and float64 as oracles."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ocellus.data.feature_database import Rows, create_database
from ocellus.errors import OcellusError
from ocellus.explain import neighbours
from ocellus.explain.neighbours.method import neighbours_of, probe_picture, search_of, space_of
from ocellus.explain.neighbours.search import Nearest
from ocellus.nn.features import fingerprint, layer_features
from ocellus.nn.subject import subject_of
from ocellus.values import Picture
from tests.explain.networks import Written, image, random_network

DICE = np.random.default_rng(0)


def kinds_of_rows() -> dict[str, NDArray[np.float32]]:
    """Rows that searches are known to stumble over."""
    one = DICE.standard_normal((1, 40))
    rows = {
        "in all directions": DICE.standard_normal((3000, 40)),
        "behind a ReLU": np.maximum(DICE.standard_normal((3000, 40)) + 0.5, 0),
        "nearly the same": one + 1e-4 * DICE.standard_normal((3000, 40)),
        "the same": np.repeat(one, 300, axis=0),
        "in clumps": np.repeat(DICE.standard_normal((30, 40)), 100, axis=0)
        + 1e-3 * DICE.standard_normal((3000, 40)),
        "far from 0": DICE.standard_normal((3000, 40)) + 1000,
        "huge": 1e17 * DICE.standard_normal((500, 40)),
        "beyond what float32 squares": 1e30 * DICE.standard_normal((500, 40)),
        "tiny": 1e-30 * DICE.standard_normal((500, 40)),
        "of all lengths": DICE.standard_normal((3000, 40)) * 10 ** DICE.uniform(-6, 6, (3000, 1)),
        "with zeros": DICE.standard_normal((300, 40)) * (DICE.random((300, 1)) < 0.5),
        "one": one,
    }
    return {name: values.astype(np.float32) for name, values in rows.items()}


ROWS = kinds_of_rows()


def oracle(rows: NDArray[np.float32], query: NDArray[np.float32], metric: str) -> NDArray[np.float64]:
    """All distances in float64, written down plainly."""
    if metric == "l2":
        return np.array([math.dist(row, query) for row in rows.astype(np.float64)])
    length = [math.hypot(*row) for row in rows.astype(np.float64)]
    size = math.hypot(*query.astype(np.float64))
    dots = [math.fsum(row.astype(np.float64) * query.astype(np.float64)) for row in rows]
    return np.array([1 - (d / (n * size) if n * size else 0.0) for d, n in zip(dots, length, strict=True)])


@pytest.mark.parametrize("half", [True, False], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("name", ROWS)
def test_none_is_missed(name: str, metric: str, half: bool) -> None:
    rows = ROWS[name]
    find = Nearest(rows, metric=metric, half=half)
    count = min(10, len(rows))
    for query in (rows[len(rows) // 2], rows[0] + 0.1 * abs(rows).mean() * DICE.standard_normal(40)):
        query = query.astype(np.float32)
        wanted = oracle(rows, query, metric)
        found = find(query, count)
        assert len(set(found.rows.tolist())) == count
        scale = 1.0 if metric == "cosine" else float(abs(rows).max())
        np.testing.assert_allclose(found.distances, np.sort(wanted)[:count], rtol=1e-9, atol=1e-12 * scale)
        np.testing.assert_allclose(found.distances, wanted[found.rows], rtol=1e-9, atol=1e-12 * scale)
        assert (np.diff(found.distances) >= 0).all()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_the_same_as_scikit_learn(metric: str) -> None:
    rows = ROWS["behind a ReLU"].astype(np.float64)
    kind = {"cosine": "cosine", "l2": "euclidean"}[metric]
    distances, wanted = NearestNeighbors(metric=kind, algorithm="brute").fit(rows).kneighbors(rows[:50], 10)
    find = Nearest(ROWS["behind a ReLU"], metric=metric)
    for number in range(50):
        found = find(ROWS["behind a ReLU"][number], 10)
        assert found.rows.tolist() == wanted[number].tolist()
        np.testing.assert_allclose(found.distances[1:], distances[number][1:], rtol=1e-6)
        assert found.distances[0] < 1e-12  # scikit-learn says up to 1e-8 of a row and itself


def test_few_rows_are_measured_and_the_bound_holds() -> None:
    """That the scan is of use, and that it is never wrong by more than it says."""
    rows = DICE.standard_normal((20000, 128)).astype(np.float32)
    for metric in ("cosine", "l2"):
        find = Nearest(rows, metric=metric, half=True)
        for _ in range(5):
            query = DICE.standard_normal(128)
            assert 10 <= find(query, 10).measured < 100 and find.trusted
            low, high = find._interval(query)
            true = find._measured(np.arange(len(rows)), query)
            assert (low.numpy() <= true).all() and (true <= high.numpy()).all()
            # And it is not wide: what is said to be possible is not much more than what is.
            assert float(np.mean(np.abs(true - (low + high).numpy() / 2) / (high - low).numpy())) > 0.005


def test_arithmetic_that_does_not_keep_to_the_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that adds in bfloat16, for one."""
    rows = ROWS["in all directions"]
    true_product = torch.mv

    def coarse(short: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        product = true_product(short, query)
        return (product / 4).round() * 4

    monkeypatch.setattr(torch, "mv", coarse)
    find = Nearest(rows, metric="l2", half=True)
    assert not find.trusted
    found = find(rows[7], 5)
    monkeypatch.undo()
    wanted = oracle(rows, rows[7], "l2")
    nearest = np.argsort(wanted, kind="stable")[:5].tolist()
    assert found.measured == len(rows) and found.rows.tolist() == nearest
    later = Nearest(rows, metric="l2", half=True)  # right when the copy was made, wrong afterwards
    monkeypatch.setattr(torch, "mv", coarse)
    assert later.trusted
    found = later(rows[7], 5)
    assert found.rows.tolist() == nearest and not later.trusted


def test_equally_near_rows_come_in_the_order_they_were_stored() -> None:
    rows = ROWS["the same"]
    assert Nearest(rows)(rows[0], 5).rows.tolist() == [0, 1, 2, 3, 4]


def test_fewer_come_where_there_are_fewer() -> None:
    assert len(Nearest(ROWS["one"])(ROWS["one"][0], 9).rows) == 1


def test_zeros_are_like_nothing() -> None:
    rows = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    found = Nearest(rows, metric="cosine")(rows[1], 3)
    assert found.rows.tolist() == [1, 0, 2] and np.allclose(found.distances, [0, 1, 2])
    assert np.allclose(Nearest(rows, metric="cosine")(rows[0], 3).distances, 1)


def test_bad_questions_are_refused() -> None:
    rows = ROWS["in all directions"]
    find = Nearest(rows)
    for given, wanted in (
        ((rows[0][:39], 3), r"shape \(39,\), rows have 40"),
        ((rows[0] * np.nan, 3), "not finite"),
        ((rows[0], 0), "0 neighbours"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            find(*given)
    with pytest.raises(OcellusError, match="metric is 'dot'; it is cosine or l2"):
        Nearest(rows, metric="dot")
    with pytest.raises(OcellusError, match="database is empty"):
        Nearest(rows[:0])


def test_faiss_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(OcellusError, match=r"ocellus\[index\]"):
        Nearest(ROWS["in all directions"], index="Flat")


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is an extra: ocellus[index]")
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_faiss_finds_the_same(metric: str) -> None:
    rows = ROWS["in all directions"]
    ours = Nearest(rows, metric=metric)(rows[5], 10)
    find = Nearest(rows, metric=metric, index="Flat")
    assert not find.exact and find(rows[5], 10).rows.tolist() == ours.rows.tolist()
    near = Nearest(rows, metric=metric, index="HNSW32")(rows[5], 10)
    assert len(set(near.rows.tolist()) & set(ours.rows.tolist())) >= 7
    with pytest.raises(OcellusError, match="no index 'Flit'"):
        Nearest(rows, index="Flit")


def stored(folder: Path, network: torch.nn.Module, count: int = 6) -> tuple[list[Picture], Rows]:
    """Pictures of noise, and a database of their features."""
    pictures = [
        Picture(pixels=(255 * image(seed=seed)[0]).to(torch.uint8), path=f"/p/{seed}.png")
        for seed in range(count)
    ]
    values = [layer_features(network, subject_of(network, picture), layer="layer4") for picture in pictures]
    features = torch.cat(values).numpy()
    probe = subject_of(network, probe_picture())
    database = create_database(folder, space_of(network, probe, layer="layer4", dimension=512))
    database.append(features, [str(picture.path) for picture in pictures], ["noise"] * count)
    return pictures, database


def test_a_picture_is_compared_with_those_stored(tmp_path: Path) -> None:
    network = random_network("resnet18")
    pictures, database = stored(tmp_path / "stored", network)
    found = neighbours.explain(network, pictures[2], database=database, config=neighbours.Config(count=3))
    wanted = oracle(database.features, database.features[2], "cosine")
    order = [row for row in np.argsort(wanted).tolist() if row != 2][:3]  # itself is left out
    assert found.rows.tolist() == order and found.paths == tuple(f"/p/{row}.png" for row in order)
    assert found.labels == ("noise",) * 3 and found.vote() == "noise" and found.layer == "layer4"
    own = neighbours.explain(
        network, pictures[2], database=database, config=neighbours.Config(count=1, itself=True)
    )
    assert own.rows.tolist() == [2] and float(own.distances[0]) == 0 and "2.png 1.000" in repr(own)
    assert "2.png" in own._repr_html_()


def test_features_are_what_the_layer_puts_out() -> None:
    network = random_network("resnet18")
    subject = subject_of(network, image())
    seen: list[torch.Tensor] = []
    handle = network.avgpool.register_forward_hook(lambda module, given, out: seen.append(out.flatten(1)))
    with torch.no_grad():
        logits = network(image())
    handle.remove()
    assert torch.allclose(layer_features(network, subject, layer="layer4"), seen[0], atol=1e-6)
    assert torch.allclose(layer_features(network, subject, layer="fc"), logits, atol=1e-6)
    with pytest.raises(OcellusError, match="no layer 'layer9'"):
        layer_features(network, subject, layer="layer9")


def test_a_database_of_another_network_is_refused(tmp_path: Path) -> None:
    network = random_network("resnet18")
    pictures, database = stored(tmp_path / "stored", network)
    other = Written("modules")
    with pytest.raises(OcellusError, match=r"features of another network .ResNet .*; here is Written"):
        neighbours.explain(other, pictures[0], database=database)
    with pytest.raises(OcellusError, match="features of layer4, not of layer3"):
        neighbours.explain(network, pictures[0], database=database, layer="layer3")
    with pytest.raises(OcellusError, match="prepared in another way"):
        neighbours.explain(network, pictures[0], database=database, preprocess=lambda images: images * 2)
    with pytest.raises(OcellusError, match=r"shape \(128,\), rows have 512"):
        rows = database.rows()
        neighbours.explain(network, pictures[0], database=rows, layer="layer2")
    with pytest.raises(OcellusError, match="2 pictures"):
        neighbours.explain(network, torch.rand(2, 3, 72, 72), database=database)


def test_a_fingerprint_is_of_every_weight() -> None:
    network = Written("modules")
    before = fingerprint(network)
    assert before == fingerprint(Written("modules")) and len(before) == 16
    with torch.no_grad():
        network.norm.running_mean[3] += 1e-6
    assert fingerprint(network) != before


def test_a_search_made_once_serves_many_pictures() -> None:
    rows = Rows(
        ROWS["in clumps"], [f"{row}.png" for row in range(3000)], [str(row // 100) for row in range(3000)]
    )
    config = neighbours.Config(count=20)
    find = search_of(rows.features, config)
    for row in (0, 150, 2999):
        found = neighbours_of(rows.features[row], rows, find, config=config)
        assert found.vote() == str(row // 100) and set(found.labels) == {str(row // 100)}
