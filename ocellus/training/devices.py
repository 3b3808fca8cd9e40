"""Which device and precision a name like "auto" means here."""

from __future__ import annotations

from typing import Any

import torch

from ocellus.errors import OcellusError


def choose_device(name: str) -> str:
    """The device that "auto", "cpu", "cuda", "cuda:1" or "mps" means on this machine.

    Raises:
        OcellusError: no such device here. Exit code 2.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    kind, _, index = name.partition(":")
    if kind not in there or (index and not index.isdecimal()):
        raise OcellusError(f"no device {name!r}: give auto, cpu, cuda, cuda:0 or mps", exit_code=2)
    count = torch.cuda.device_count() if kind == "cuda" else int(there[kind])
    if not there[kind] or (index and int(index) >= count):
        raise OcellusError(
            f"device {name} is not there ({count} of {kind} found); use --device cpu", exit_code=2
        )
    return name


def choose_precision(name: str, device: str) -> str:
    """ "32" or "bf16"; "auto" is bf16 where the device multiplies it in hardware.

    Raises:
        OcellusError: an unknown name. Exit code 2.
    """
    if name in ("32", "bf16"):
        return name
    if name != "auto":
        raise OcellusError(f"no precision {name!r}: give 32, bf16 or auto", exit_code=2)
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    read = getattr(torch.cpu, "get_capabilities", dict)  # not in the oldest torch that Ocellus runs on
    capabilities: dict[str, Any] = read()
    fast = device == "cpu" and (capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return "bf16" if fast else "32"
