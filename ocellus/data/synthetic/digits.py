"""scikit-learn's handwritten digits as a data set on disk: 1797 pictures of 8 x 8, ten classes.

They are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI), which
comes with scikit-learn: a real data set without a download.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError

WHITE = 16  # of the values in scikit-learn's arrays


def write_digits(folder: Path, *, side: int = 32) -> Dataset:
    """Write the digits as files of drawings, 0.npz to 9.npz, and read them back.

    Args:
        folder: is made.
        side: pixels that they are enlarged to, bilinearly; 8: as they are.

    Returns:
        The data set with the splits train and val, a label for each picture.

    Raises:
        OcellusError: scikit-learn is not installed, or the folder cannot be written to.
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError as error:
        raise OcellusError(
            "the digits come with scikit-learn, which is not installed: pip install 'ocellus[explain]'"
        ) from error
    held = load_digits()
    pixels = np.clip(np.rint(held.images * (255 / WHITE)), 0, 255).astype(np.uint8)  # (1797, 8, 8)
    pictures = np.stack(
        [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR)) for one in pixels]
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for digit in range(10):
            np.savez_compressed(folder / f"{digit}.npz", images=pictures[held.target == digit])
    except OSError as error:
        raise OcellusError(f"{folder} cannot be written to: {error.strerror}; free some space") from error
    return read(folder, view="labels")
