"""One file holds a trained model: tensors and what they mean. Read without running any code of the file's.

The file is a .safetensors whose metadata has one entry, "ocellus", a JSON object: see `Header`. The file
alone is enough to run, evaluate or fine-tune the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a weights file says of itself.

    Args:
        system: "see/mask_rcnn".
        config: the fields of the system's Config that make the network.
        preprocessing: the fields of its Config that say how a picture reaches the network.
        labels: class names.
        skeleton: of the keypoints, or None.
        colors: RGB 0..255 of each class, where the training data states colors.
        licence: under which the weights may be used, and what the training data asks for.
        data: what it was trained on.
        metrics: figures with the names the metrics give them.
        notes: what a user should know before trusting it.
        part: of the system that the tensors are; empty: what runs after training; "discriminator": what it
            was trained against, which can be explained.
        version: of Ocellus that wrote it.
        format: of this header.
    """

    system: str
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    skeleton: Skeleton | None = None
    colors: tuple[tuple[int, int, int], ...] = ()
    licence: str = "not stated"
    data: str = "not stated"
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: str = ""
    part: str = ""
    version: str = field(default_factory=lambda: version("ocellus"))
    format: int = FORMAT

    def settings(self) -> Any:
        """The system's Config.

        Raises:
            OcellusError: the file was written for fields that this version does not have.
        """
        kind = catalog.system(self.system).Config
        values = {**self.config, **self.preprocessing}
        known = {entry.name for entry in fields(kind)}
        if surplus := sorted(set(values) - known):
            raise OcellusError(
                f"the weights were written by Ocellus {self.version} with settings that this version of "
                f"{self.system} does not have: {', '.join(surplus)}; use that version, or a newer one"
            )
        return kind(**{name: _tupled(value) for name, value in values.items()})

    def looking(self, values: Mapping[str, Any]) -> Header:
        """The same, with other settings of how a picture reaches the network.

        Args:
            values: by name; of the fields that the system's `PREPROCESSING` names.

        Raises:
            OcellusError: no such setting, or one that belongs to the weights. Exit code 2.
        """
        known = catalog.system(self.system).PREPROCESSING
        for name in values:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise OcellusError(
                    f"{name!r} is no setting of how {self.system} looks at pictures: {hint}"
                    f"it has {', '.join(known)}",
                    exit_code=2,
                )
        return replace(self, preprocessing={**self.preprocessing, **values})

    def label_map(self) -> LabelMap:
        return LabelMap(self.labels)


def describe(system: str, config: Any, **facts: Any) -> Header:
    """A header for a network built from `config`; `facts` are the other fields of `Header`."""
    preprocessing = catalog.system(system).PREPROCESSING
    values = asdict(config)
    return Header(
        system=system,
        config={name: value for name, value in values.items() if name not in preprocessing},
        preprocessing={name: values[name] for name in preprocessing},
        **facts,
    )


def save(path: Path | str, network: nn.Module, header: Header, *, half: bool = False) -> None:
    """Write a network and its header to one .safetensors, whole or not at all.

    Args:
        path: file to write; its folder is made. A file of that name is replaced at the last moment.
        network: whose state_dict is written. Shared and channels-last tensors are written plainly.
        header: what the tensors mean.
        half: store floating point weights in half precision, for files that are passed around.

    Raises:
        OcellusError: the file cannot be written; the message says why and what was left as it was.
    """
    import torch
    from safetensors.torch import save as to_bytes

    path = Path(path)
    tensors = {}
    for name, tensor in network.state_dict().items():
        small = half and tensor.is_floating_point() and tensor.ndim > 1
        plain = tensor.detach().cpu().to(torch.float16 if small else tensor.dtype)
        tensors[name] = plain.clone(memory_format=torch.contiguous_format)
    content = asdict(header) | {"skeleton": header.skeleton.to_dict() if header.skeleton else None}
    text = json.dumps(content, ensure_ascii=False)
    temporary = path.with_name(path.name + ".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(to_bytes(tensors, {"ocellus": text}))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OcellusError(
            f"{path} cannot be written ({error.strerror}); what was there before is unchanged. "
            "Free some space, or name another place"
        ) from error


def read_header(path: Path | str) -> Header:
    """What a weights file says of itself; no tensor is read.

    Raises:
        OcellusError: no such file, not a .safetensors, damaged, or not one of ours.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size, 100_000_000):
                raise ValueError("its first bytes are not a safetensors header")
            entries = dict(json.loads(file.read(length)))
        metadata = entries.pop("__metadata__", {})
        content = json.loads(metadata["ocellus"]) if "ocellus" in metadata else None
        end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        if end != size:
            raise ValueError(f"it has {size} bytes instead of {end}")
    except OSError as error:
        raise OcellusError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # those of JSON too
        raise OcellusError(
            f"{path} is not a weights file of Ocellus, or it is damaged ({error}); files of other projects "
            "are read by `ocellus import SYSTEM FILE`"
        ) from error
    if content is None:
        raise OcellusError(
            f"{path} is a .safetensors that Ocellus did not write: it does not say which network it is for. "
            "Try `ocellus import SYSTEM FILE`"
        )
    return _header(content, path)


def _header(content: Any, path: Path) -> Header:
    """A header from its JSON."""
    try:
        if content.get("format", 0) > FORMAT:
            raise OcellusError(
                f"{path} was written by Ocellus {content.get('version')}, whose files this version does not "
                "know; install a newer Ocellus"
            )
        skeleton = Skeleton.from_dict(content["skeleton"]) if content.get("skeleton") else None
        known = {entry.name for entry in fields(Header)}
        facts = {name: value for name, value in content.items() if name in known}
        exact = {"labels": tuple(content["labels"]), "colors": _tupled(content.get("colors", []))}
        return Header(**{**facts, "skeleton": skeleton, **exact})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise OcellusError(
            f"{path} is damaged: what it says of its network cannot be understood ({error!r}); fetch or copy "
            "it again"
        ) from error


def load(
    path: Path | str, *, system: str = "", settings: Mapping[str, Any] | None = None
) -> tuple[nn.Module, Header]:
    """The network of a weights file, in eval mode on the CPU, and the file's header.

    A file may hold another part of a system than what runs, its discriminator: see `Header.part`.

    Args:
        path: a file that `save` wrote.
        system: the system it must be of; empty: whichever it is.
        settings: see `Header.looking`; they replace those of the file.

    Raises:
        OcellusError: damaged, of another system, or its tensors are not those of the network it describes;
            the message names the first that are missing, surplus or of another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    if system and header.system != system:
        raise OcellusError(f"{path} holds weights of {header.system}, not of {system}")
    known = [card.name for card in catalog.cards()]
    if header.system not in known:
        raise OcellusError(
            f"{path} holds weights of {header.system}, which Ocellus {version('ocellus')} does not have; it "
            f"has {', '.join(known)}"
        )
    if settings:
        header = header.looking(settings)
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise OcellusError(f"{path} is damaged: {error}; fetch or copy it again") from error
    try:
        network = _built(header)
    except (OcellusError, TypeError, ValueError) as error:
        if settings and isinstance(error, OcellusError):
            raise  # it is they that are wrong
        raise OcellusError(f"{path} describes a network that cannot be built: {error}") from error
    load_state(network, state, source=str(path))
    return network.eval(), header


def of_foreign(system: str, state: Mapping[str, Tensor], *, source: str) -> nn.Module:
    """The network of a public checkpoint, in eval mode.

    Args:
        system: that reads it.
        state: its tensors by their published names.
        source: where it is from, for messages.

    Raises:
        OcellusError: the system does not know such checkpoints.
    """
    module = catalog.system(system)
    config, ours, _ = module.import_state(state)
    network: nn.Module = module.build(config)
    load_state(network, ours, source=source)
    return network.eval()


def _built(header: Header) -> nn.Module:
    """A fresh network of the part of the system that a header names: `build`, or `build_<part>`."""
    system = catalog.system(header.system)
    name = f"build_{header.part}" if header.part else "build"
    if not hasattr(system, name):
        raise OcellusError(f"{header.system} has no {header.part}")
    network: nn.Module = getattr(system, name)(header.settings())
    return network


def load_state(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Strictly put tensors into a network.

    Raises:
        OcellusError: names the first entries that are missing, surplus or of another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    surplus = [name for name in state if name not in wanted]
    other = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    kinds = (("missing", missing), ("surplus", surplus), ("of another shape", other))
    problems = [f"{len(names)} {what}, first {names[0]}" for what, names in kinds if names]
    if problems:
        raise OcellusError(f"{source} does not fit the network: {'; '.join(problems)}")
    network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})


def _tupled(value: Any) -> Any:
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
