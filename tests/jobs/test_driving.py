"""The vote of frames on a pixel's class, by hand."""

from __future__ import annotations

import pytest
import torch

from ocellus.jobs.driving import MOST, Vote


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
    """Of the classes with most votes it is the one seen last, not the one with the lowest number."""
    vote = Vote(2)
    assert [say(vote, label)[0] for label in (1, 2, 1)] == [1, 2, 1]
    vote = Vote(5)
    assert [say(vote, label)[0] for label in (4, 7)] == [4, 7]
    for order in ((3, 3, 7, 7, 5), (7, 7, 3, 3, 5), (3, 7, 3, 7, 5), (7, 3, 7, 3, 5)):
        vote = Vote(5)
        assert [say(vote, label)[0] for label in order][-1] == order[3]


def test_votes_are_those_of_counting_one_by_one() -> None:
    chance = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 4, (60, 9, 11), generator=chance, dtype=torch.uint8)
    for window in (2, 5, 6):
        vote = Vote(window)
        for number, labels in enumerate(frames):
            found = vote(labels, classes=4)
            last = frames[max(0, number - window + 1) : number + 1].flatten(1).T.tolist()
            # the most votes first, then the last place at which it stands
            wanted = [
                max(set(given), key=lambda label: (given.count(label), given[::-1].index(label) * -1))
                for given in last
            ]
            assert found.flatten().tolist() == wanted


@pytest.mark.parametrize("window", [127, 200, MOST])
def test_long_windows_do_not_overflow(window: int) -> None:
    vote = Vote(window)
    for _ in range(window + 20):
        assert say(vote, 3, 3) == [3, 3]
    assert int(vote.counts[3].max()) == window and int(vote.counts.sum()) == 2 * window
    assert say(vote, 1, 3) == [3, 3]


def test_old_frames_are_forgotten_however_long_it_runs() -> None:
    vote = Vote(5)
    for _ in range(400):
        say(vote, 3)
    assert int(vote.counts.sum()) == 5
    assert [say(vote, 250)[0] for _ in range(3)] == [3, 3, 250]


def test_no_vote_and_another_size() -> None:
    assert [say(Vote(1), label)[0] for label in (1, 2)] == [1, 2]
    vote = Vote(5)
    say(vote, 1, 1)
    assert say(vote, 2) == [2]
