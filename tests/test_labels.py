"""Class names and skeletons."""

from __future__ import annotations

import pytest

from ocellus.labels import COCO_PERSON, LabelMap, Skeleton, flip_pairs_from_names


def test_unknown_class_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="hazelnut"):
        LabelMap(("date", "hazelnut")).index("hazlenut")


def test_names_must_differ() -> None:
    with pytest.raises(ValueError, match="date"):
        LabelMap(("date", "date"))


def test_flip_pairs_are_found_from_names() -> None:
    assert flip_pairs_from_names(COCO_PERSON.names) == COCO_PERSON.flip_pairs


def test_flip_order_is_its_own_inverse() -> None:
    order = COCO_PERSON.flip_order
    assert [order[place] for place in order] == list(range(17))
    assert COCO_PERSON.names[order[5]] == "right_shoulder"


def test_skeleton_comes_back_from_a_dictionary() -> None:
    assert Skeleton.from_dict(COCO_PERSON.to_dict()) == COCO_PERSON
    with pytest.raises(ValueError, match="no pair"):
        Skeleton(names=("a", "b"), edges=((0, 2),))
