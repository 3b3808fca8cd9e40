"""What a classifier says."""

from __future__ import annotations

import pytest
import torch

from ocellus.values import Classification


def test_top_is_sorted_and_named() -> None:
    said = Classification(probabilities=torch.tensor([0.2, 0.7, 0.1]), names=("cat", "dog <i>", "train"))
    assert said.label == 1 and len(said) == 3
    assert [name for name, _ in said.top(2)] == ["dog <i>", "cat"]
    assert len(said.top(9)) == 3
    assert repr(said) == "Classification(dog <i> 70.0%, cat 20.0%, train 10.0%)"
    assert "dog &lt;i&gt; 70.0%" in said._repr_html_()
    assert Classification(probabilities=torch.tensor([0.2, 0.8])).top(1)[0][0] == "1"


def test_names_and_probabilities_must_agree() -> None:
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        Classification(probabilities=torch.zeros(3), names=("cat", "dog"))
    with pytest.raises(ValueError, match="floats"):
        Classification(probabilities=torch.zeros(3, dtype=torch.int64))
