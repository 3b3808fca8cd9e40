"""What the numbers of stored features mean, so that those of two networks are never compared."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocellus.errors import OcellusError

HEADER = "database.json"
FORMAT = 1
TOLERANCE = 1e-3
"""How far the input that a network is given may differ from one machine or release of torch to another."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What the numbers of a row mean. Rows of two spaces cannot be compared.

    Args:
        network: its class, for people.
        fingerprint: of its weights.
        layer: the layer whose output they are.
        dimension: numbers in a row.
        shape: C, h, w that the network is given of a certain picture.
        mean: of each channel of it.
        spread: standard deviation of each channel of it.
    """

    network: str
    fingerprint: str
    layer: str
    dimension: int
    shape: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    def difference(self, other: Space) -> str:
        """Why rows of another space cannot be compared with these, and the cure; "" where they can."""
        if self.fingerprint != other.fingerprint:
            names = f"{self.network} {self.fingerprint}", f"{other.network} {other.fingerprint}"
            return f"features of another network ({names[0]}; here is {names[1]}): give that network"
        if self.layer != other.layer:
            return f"features of {self.layer}, not of {other.layer}: leave the layer out, or name that one"
        if self.dimension != other.dimension:
            return f"rows of {self.dimension} numbers, not {other.dimension}"
        near = self.shape == other.shape and all(
            np.allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE)
            for one, two in ((self.mean, other.mean), (self.spread, other.spread))
        )
        if not near:
            ways = (
                f"{'x'.join(map(str, one.shape))} around {', '.join(f'{value:.3g}' for value in one.mean)}"
                for one in (self, other)
            )
            return (
                f"features of pictures that were prepared in another way ({next(ways)}; here {next(ways)}): "
                "give the same --mean, --std, --scale, --bgr and --short-side"
            )
        return ""


def space_text(space: Space) -> str:
    """The header of a database, as it is written."""
    return json.dumps({"format": FORMAT, **asdict(space)}, indent=1) + "\n"


def read_space(folder: Path) -> Space:
    """What the rows of a database mean.

    Raises:
        OcellusError: the folder is no database, of another version, or damaged.
    """
    path = folder / HEADER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format")
        values: dict[str, Any] = {
            name: tuple(own) if isinstance(own, list) else own for name, own in content.items()
        }
        if version == FORMAT:
            return Space(**values)
    except OSError:
        message = f"{folder} is no database of features: {HEADER} is not there"
        raise OcellusError(f"{message}; make one with `ocellus explain neighbours store`") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OcellusError(f"{path} is damaged ({error}); build the database again") from None
    raise OcellusError(f"{path} is of version {version}, this Ocellus reads {FORMAT}: use a newer Ocellus")
