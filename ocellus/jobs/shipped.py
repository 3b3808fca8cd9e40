"""The weights that are shipped, and their names: `see/unet:lungs` is the file unet-lungs.safetensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ocellus import catalog, weights
from ocellus.errors import OcellusError

ZOO = Path(__file__).parent.parent / "zoo"
MOST = 12
"""Classes that a line names."""


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A weights file that is shipped.

    Args:
        file: its name without the ending, "unet-lungs".
        system: "see/unet".
        labels: the classes that it knows.
        notes: what to know before trusting it.
        licence: under which it may be used.
    """

    file: str
    system: str
    labels: tuple[str, ...]
    notes: str
    licence: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return ZOO / f"{self.file}.safetensors"

    @property
    def subject(self) -> str:
        """What it is for: "lungs" of unet-lungs."""
        return self.file.removeprefix(self.system.split("/")[1] + "-")

    @property
    def name(self) -> str:
        """ "see/unet:lungs"."""
        return f"{self.system}:{self.subject}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name} | asdict(self)

    def line(self) -> str:
        """ "see/unet:lungs knows background, left_lung, ..."."""
        more = f" and {len(self.labels) - MOST} more" if len(self.labels) > MOST else ""
        knows = f" knows {', '.join(self.labels[:MOST])}{more}" if self.labels else ""
        return f"{self.name}{knows}"


def shipped(system: str = "") -> tuple[Shipped, ...]:
    """What is shipped, by file name; of one system, or of all.

    Raises:
        OcellusError: a file is damaged.
    """
    found = []
    for path in sorted(ZOO.glob("*.safetensors")):
        header = weights.read_header(path)
        if system in ("", header.system):
            found.append(
                Shipped(
                    file=path.stem,
                    system=header.system,
                    labels=header.labels,
                    notes=header.notes,
                    licence=header.licence,
                )
            )
    return tuple(found)


def find_shipped(name: str) -> Path | None:
    """The file of a name: "unet-lungs", "see/unet:lungs", or "see/unet", which is the system's first file.

    Returns:
        None where the name is neither of these forms nor a file's.

    Raises:
        OcellusError: no such system, nothing shipped of it, or not on that subject; it says what there is.
    """
    if "/" not in name and (path := ZOO / f"{name}.safetensors").is_file():
        return path
    word, colon, subject = name.partition(":")
    if word.count("/") != 1 or (not colon and Path(name).suffix):
        return None
    system = catalog.card(word).name
    known = shipped(system)
    chosen = [one for one in known if subject in (one.subject, one.file)] if colon else known
    if chosen:
        return chosen[0].path
    if known:
        raise OcellusError(f"no weights {name} are shipped; there is {', '.join(one.name for one in known)}")
    raise OcellusError(
        f"no weights of {system} are shipped: train it (`ocellus train {system} DATA`), or turn a public "
        f"checkpoint into ours (`ocellus import {system} FILE`), and give that file"
    )


def near(name: str) -> str:
    """ "did you mean unet-lungs? ", or "" where nothing shipped is called so."""
    names = [path.stem for path in ZOO.glob("*.safetensors")]
    found = get_close_matches(name, names, n=1, cutoff=0.75)
    return f"did you mean {found[0]}? " if found else ""


def others(path: Path) -> tuple[Shipped, ...]:
    """What else is shipped of the system of a shipped file; nothing for files of one's own."""
    if path.parent != ZOO:
        return ()
    return tuple(one for one in shipped(weights.read_header(path).system) if one.path != path)
