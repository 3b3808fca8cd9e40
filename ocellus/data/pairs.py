"""Two pictures that belong together: halves of one file, or two files. The readers of pairs make these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ocellus.data.images import read_picture
from ocellus.errors import OcellusError
from ocellus.values import Picture

LOOK = "`ocellus check DATA --view pairs` lists all such"


@dataclass(frozen=True)
class SideBySide:
    """Both pictures in one file, the left half and the right half.

    Args:
        file: twice as wide as each of them.
        swapped: the right half is the condition.
    """

    file: Path
    swapped: bool = False

    def __call__(self, *, channels: tuple[int, int] = (3, 3)) -> tuple[Picture, Picture]:
        """The condition and the answer, each with so many channels.

        Raises:
            OcellusError: the file cannot be read, or cannot be halved.
        """
        order = channels[::-1] if self.swapped else channels
        whole = read_picture(self.file, channels=order[0])
        left = half(whole, right=False, file=self.file)
        other = whole if order[0] == order[1] else read_picture(self.file, channels=order[1])
        right = half(other, right=True, file=self.file)
        return (right, left) if self.swapped else (left, right)


@dataclass(frozen=True)
class TwoFiles:
    """Each picture in a file of its own.

    Args:
        condition: what is given.
        answer: what is to be made of it.
    """

    condition: Path
    answer: Path

    def __call__(self, *, channels: tuple[int, int] = (3, 3)) -> tuple[Picture, Picture]:
        """The condition and the answer, each with so many channels.

        Raises:
            OcellusError: a file cannot be read, or the two differ in size.
        """
        condition = read_picture(self.condition, channels=channels[0])
        answer = read_picture(self.answer, channels=channels[1])
        if condition.size != answer.size:
            (a, b), (c, d) = condition.size, answer.size
            raise OcellusError(
                f"{self.condition} is {b}x{a} pixels, its partner {self.answer} is {d}x{c}: make both of one "
                f"size; {LOOK}"
            )
        return condition, answer


def half(picture: Picture, *, right: bool, file: Path) -> Picture:
    """The left or right half of a picture.

    Raises:
        OcellusError: its width is odd.
    """
    width = picture.size[1]
    if width % 2:
        raise OcellusError(
            f"{file} is {width} pixels wide and cannot be halved: wanted are two pictures of one size side "
            f"by side; {LOOK}"
        )
    part = slice(width // 2, width) if right else slice(0, width // 2)
    channels = None if picture.channels is None else picture.channels[:, :, part]
    return replace(picture, pixels=picture.pixels[:, :, part], channels=channels)
