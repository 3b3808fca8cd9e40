"""Foreign checkpoints: tensors are read, code is refused."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ocellus.errors import OcellusError
from ocellus.foreign import read_foreign

ARRAYS = {
    "float": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "half": np.arange(6, dtype=np.float16),
    "fortran": np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
    "big endian": np.arange(5, dtype=">i4"),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "single": np.array(3, np.int64),
}


class Danger:
    """Runs a command when a pickle of it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_of_arrays(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "model.pkl"
    content = {
        "model": OrderedDict(ARRAYS),
        "__author__": "somebody",
        "epoch": np.float32(3),
        "list": [1, (2,)],
    }
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_foreign(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        wanted = torch.from_numpy(
            np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(array.shape)
        )
        assert found[name].dtype == wanted.dtype and torch.equal(found[name], wanted), name


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
@pytest.mark.parametrize("protocol", [0, 2])
def test_code_is_refused_and_not_run(tmp_path: Path, suffix: str, protocol: int) -> None:
    marker, path = tmp_path / "ran", tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps({"model": {"weight": Danger(marker)}}, protocol=protocol))
    with pytest.raises(OcellusError) as caught:
        read_foreign(path)
    assert not marker.exists() and caught.value.exit_code == 1
    assert str(path) in str(caught.value) and "code" in str(caught.value)


def test_code_in_a_torch_file_is_refused(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "model.pth"
    torch.save({"state_dict": {"weight": torch.zeros(2)}, "more": Danger(marker)}, path)
    with pytest.raises(OcellusError, match="code"):
        read_foreign(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(OcellusError, match=r"Linear.*state_dict"):
        read_foreign(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cnumpy\ndtype\n(S'O8'\ntR.",  # an array of objects
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(N(dtR.",
        b"cnumpy\nndarray\n}S'a'\nI1\nsb.",  # changes a stand-in
        b"Psomewhere\n.",
        b"cos\nsystem\n.",
    ],
)
def test_crafted_pickles_are_refused(tmp_path: Path, opcodes: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(opcodes)
    with pytest.raises(OcellusError):
        read_foreign(path)


@pytest.mark.parametrize("wrap", ["model", "state_dict", None])
def test_torch_files_and_wrappings(tmp_path: Path, wrap: str | None) -> None:
    state = {"module.weight": torch.rand(3), "module.bias": torch.rand(2)}
    for legacy in (False, True):
        path = tmp_path / "model.pth"
        content = {wrap: state, "epoch": 3} if wrap else state
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        found = read_foreign(path)
        assert list(found) == ["weight", "bias"] and torch.equal(found["weight"], state["module.weight"])


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    assert torch.equal(read_foreign(path)["weight"], torch.ones(2))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(OcellusError, match="whole"):
        read_foreign(path)


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="not there"):
        read_foreign(tmp_path / "none.pth")
    for name, content in (
        ("a.pkl", b"hello"),
        ("a.pth", b"hello"),
        ("b.pkl", pickle.dumps([1, 2])),
        ("c.pkl", b""),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(OcellusError, match=name):
            read_foreign(path)
    whole = pickle.dumps({"weight": np.zeros(100)})
    (tmp_path / "cut.pkl").write_bytes(whole[:-60])
    with pytest.raises(OcellusError, match="cut"):
        read_foreign(tmp_path / "cut.pkl")
    (tmp_path / "text.pkl").write_bytes(pickle.dumps({"model": {"weight": "text"}}))
    with pytest.raises(OcellusError, match="'weight' is a str"):
        read_foreign(tmp_path / "text.pkl")
