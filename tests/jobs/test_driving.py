"""The vote of frames on a pixel's class, by hand."""

from __future__ import annotations

import torch

from ocellus.jobs.driving import Vote


def say(vote: Vote, *labels: int, classes: int = 300) -> list[int]:
    return vote(torch.tensor([labels], dtype=torch.uint8), classes=classes)[0].tolist()


def test_a_single_frame_is_outvoted() -> None:
    vote = Vote(3)
    assert say(vote, 1, 0) == [1, 0]
    assert say(vote, 1, 0) == [1, 0]
    assert say(vote, 2, 0) == [1, 0]  # two against one
    assert say(vote, 1, 0) == [1, 0]


def test_change_is_followed() -> None:
    vote = Vote(3)
    seen = [say(vote, label)[0] for label in (1, 1, 1, 2, 2, 2)]
    assert seen == [1, 1, 1, 1, 2, 2]


def test_newest_wins_a_tie() -> None:
    vote = Vote(2)
    assert [say(vote, label)[0] for label in (1, 2, 1)] == [1, 2, 1]
    vote = Vote(5)
    assert [say(vote, label)[0] for label in (4, 7)] == [4, 7]


def test_old_frames_are_forgotten_however_long_it_runs() -> None:
    vote = Vote(5)
    for _ in range(400):
        say(vote, 3)
    assert int(vote.counts.sum()) == 10
    assert [say(vote, 250)[0] for _ in range(3)] == [3, 3, 250]


def test_no_vote_and_another_size() -> None:
    assert [say(Vote(1), label)[0] for label in (1, 2)] == [1, 2]
    vote = Vote(5)
    say(vote, 1, 1)
    assert say(vote, 2) == [2]
