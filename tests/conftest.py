"""What tests share: where the optional real data and golden files lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # the suite runs one process a core


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden outputs; tests that need it skip only where it is missing."""
    folder = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} (set OCELLUS_SHARED): real data and golden outputs are not at hand")
    return folder
