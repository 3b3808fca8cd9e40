"""Reads the tensors of other people's checkpoints without running any code that the file may carry."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ocellus.errors import OcellusError

NESTS = ("model", "state_dict", "model_state_dict", "state_dict_ema")
"""Where training programs put a network's tensors inside their checkpoints."""

NUMBERS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})
"""numpy's types that hold numbers and nothing else."""


def read_foreign(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name.

    Known are .safetensors, files of torch.save (tensors and plain values only), and pickles of dict, list,
    tuple, str, numbers and numpy arrays (detectron2's .pkl). Wrappings ("model", "state_dict") and the prefix
    "module." are taken off.

    Raises:
        OcellusError: the file is missing, is damaged, holds no tensors, or holds anything that would have to
            be called to be read.
    """
    path = Path(path)
    if not path.is_file():
        raise OcellusError(f"{path} is not there; give a checkpoint file: .pth, .pkl or .safetensors")
    state = _unwrapped(_content(path), path)
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _content(path: Path) -> Any:
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".pkl" and not zipped:
            with path.open("rb") as file:
                return Numbers(file, encoding="latin1").load()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read is an error anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except Refused as error:
        raise OcellusError(
            f"{path} holds {error}, which would run code of the file's choice; only tensors and plain values "
            "are read: ask for a file of the network's state_dict alone"
        ) from None
    except SafetensorError as error:
        raise OcellusError(f"{path} is no whole .safetensors ({error}); get it again") from None
    except Exception as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        if call := f"a call of {found[1]}" if found else _call_in(path):
            raise OcellusError(
                f"{path} holds {call}, which would run code of the file's choice; only tensors and plain "
                "values are read: ask for a file of the network's state_dict alone"
            ) from None
        # A damaged pickle can fail in any way that its opcodes can.
        raise OcellusError(f"{path} is damaged or is no checkpoint: {_first_line(error)}") from None


def _call_in(path: Path) -> str:
    """The first call that a bare pickle asks for, where torch gave up on it for another reason; or ""."""
    try:
        with path.open("rb") as file:
            Numbers(file, encoding="latin1").load()
    except Refused as error:
        return str(error)
    except Exception:  # it is no pickle
        return ""
    return ""


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if "weights_only" in text:  # torch goes on to advise what would run the file's code
        text = "it is no pickle of tensors and plain values"
    return text.splitlines()[0][:200]


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for nest in NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
            break
    if not isinstance(content, Mapping) or not content:
        raise OcellusError(f"{path} holds no tensors by name; give a checkpoint of a network's state_dict")
    state = {}
    for name, value in content.items():
        tensor = torch.from_numpy(value.array) if isinstance(value, Blank) else value
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise OcellusError(
                f"{path}: the entry {name!r} is a {type(value).__name__}, not a tensor; "
                "give a checkpoint of a network's state_dict alone"
            )
        state[name] = tensor
    return state


class Refused(Exception):
    """A name in a pickle that is not on the list of what is needed for numbers."""


class Numbers(pickle.Unpickler):
    """Knows dict, list, tuple, str, numbers, numpy arrays; what a file names is looked up in our table."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) not in STAND_INS:
            raise Refused(f"a call of {module}.{name}")
        return Call(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise Refused(f"a reference to something outside the file ({pid!r})")


class Call:
    """Stands for one of numpy's constructors while a pickle is read; numpy's own is never called."""

    def __init__(self, module: str, name: str) -> None:
        self.key = module, name

    def __call__(self, *arguments: Any) -> Any:
        return STAND_INS[self.key](*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused(f"a changed {'.'.join(self.key)}")


class Kind:
    """Stands for a numpy dtype of numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        code = code.lstrip("<|=")
        if code not in NUMBERS:
            raise Refused(f"an array of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", "|", "=", ">"):
            raise Refused(f"a byte order {state[1]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])


class Blank:
    """Stands for a numpy array, filled from its pickled state: version, shape, type, Fortran order, bytes."""

    def __init__(self, *_: Any) -> None:
        self.array = np.zeros(0, np.float32)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        self.array = _filled(content, kind, shape, "F" if fortran else "C")


def _filled(content: Any, kind: Any, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(kind, Kind) or not isinstance(raw, (bytes, bytearray)):
        raise Refused("an array of something else than numbers")
    values = np.frombuffer(raw, dtype=kind.dtype)
    native = values.astype(values.dtype.newbyteorder("="))
    return native.reshape(shape, order="F" if order == "F" else "C").copy()


def _from_buffer(content: Any, kind: Any, shape: tuple[int, ...], order: str) -> Blank:
    blank = Blank()
    blank.array = _filled(content, kind, shape, order)
    return blank


def _scalar(kind: Any, content: Any) -> Any:
    return _filled(content, kind, (), "C").item()


def _encode(text: str, encoding: str) -> bytes:
    """How older pickles write bytes."""
    if encoding != "latin1":
        raise Refused(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How older pickles write bytes of length 0."""
    return b""


def _dictionary(pairs: Any = ()) -> dict[Any, Any]:
    return dict(pairs)


STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): Kind,
    ("numpy", "ndarray"): Blank,
    ("numpy.core.multiarray", "_reconstruct"): Blank,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): _dictionary,
}
"""All that a pickle may name, and what is called instead."""
