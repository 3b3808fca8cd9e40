"""Are the pictures there, whole, of the annotated size, and not twice? Each file is decoded, in threads."""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ocellus.data.check.alike import SIDE, glance
from ocellus.data.dataset import Finding, Record
from ocellus.data.drawings import member, member_bytes
from ocellus.data.findings import finding
from ocellus.data.picture_files import MOST_PIXELS
from ocellus.data.pixels import from_pillow
from ocellus.data.stacks import is_tiff, read_stack, stack_size

EXIF_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # the EXIF orientations that change width and height
JPEG = ("JPEG", "MPO")  # as Pillow names them; MPO is a JPEG with more pictures behind it
UNBOUNDED = ("I", "F")  # modes of Pillow that hold numbers which no picture has
TINY_SIDE = 8
HUGE_PIXELS = 50_000_000
LARGE_PIXELS = 24_000_000  # above this, pictures are decoded one at a time, so that memory stays small
ONE_LARGE = threading.Lock()


class Seen(NamedTuple):
    """What decoding a file told.

    Args:
        size: (H, W) as displayed, EXIF orientation applied; None where the file could not be opened.
        stored: (H, W) before that.
        digest: of the pixels; of the picture at an eighth of its size where `reduced`.
        reduced: a JPEG, decoded at an eighth of its size: every byte is read, few pixels are computed.
        fault: a kind of finding, or "".
        value: what stands in the file instead.
        glance: the picture as few greys, to find others like it.
    """

    size: tuple[int, int] | None = None
    stored: tuple[int, int] | None = None
    digest: bytes = b""
    reduced: bool = False
    fault: str = ""
    value: str = ""
    glance: bytes = b""


def examine(path: Path) -> Seen:
    """Decode a picture far enough to know that it is whole; its faults are told, never raised."""
    size = stored = None
    try:
        with opened(path) as (image, whole):
            size = stored = whole
            if whole[0] * whole[1] > MOST_PIXELS:
                value = f"{whole[1]}x{whole[0]}, at most {MOST_PIXELS // 10**6} megapixels are read"
                return Seen(size, stored, fault="picture-unreadable", value=value)
            digest = digest_of(image)
            if image.mode in UNBOUNDED:
                from_pillow(image)  # says so where the values are of no picture
            turn = orientation(image)
            size = whole[::-1] if turn in TURNED else whole
            return Seen(size, stored, digest, image.format in JPEG, glance=glance(image, turn))
    except FileNotFoundError:
        return Seen(fault="picture-missing", value=namesake(path))
    except UnidentifiedImageError:
        return examine_stack(path)
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        kind = "picture-truncated" if "truncated" in str(error).lower() else "picture-unreadable"
        return Seen(size, stored, fault=kind, value=f"{error}" or type(error).__name__)


def examine_stack(path: Path) -> Seen:
    """`examine` of what Pillow does not know: a TIFF of many channels, or no picture."""
    try:
        with path.open("rb") as stream:
            if not is_tiff(stream):
                return Seen(fault="picture-unreadable", value=beginning(path))
            said = stack_size(stream)
            size, stored = said.displayed, (said.height, said.width)
            if said.height * said.width * said.channels > MOST_PIXELS:
                value = f"{said.width}x{said.height} of {said.channels} channels, more than is read"
                return Seen(size, stored, fault="picture-unreadable", value=value)
            stack = read_stack(stream)
    except (ValueError, OSError) as error:
        return Seen(fault="picture-unreadable", value=str(error))
    digest = hashlib.blake2b(f"{stack.dtype}{stack.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(stack).data)
    look = glance(Image.fromarray(stack[0].astype(np.float32)), said.orientation)
    return Seen(size, stored, digest.digest(), glance=look)


@contextmanager
def opened(path: Path, *, reduce: bool = True) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """A picture and its stored (H, W); a JPEG decodes at an eighth of its size where `reduce` is set.

    Whoever opens one with many pixels to decode waits until the one before is out of memory.
    """
    inner = None if path.is_file() else member(path)
    image = Image.open(io.BytesIO(member_bytes(*inner)) if inner is not None else path)
    stored = (image.height, image.width)
    if reduce and image.format in JPEG:
        image.draft("L", (max(image.width // 8, SIDE), max(image.height // 8, SIDE)))
    large = image.width * image.height > LARGE_PIXELS
    with ONE_LARGE if large else nullcontext(), closing(image):
        yield image, stored


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of a decoded picture, 1 where there is none or the EXIF block is damaged."""
    try:
        turn = image.getexif().get(EXIF_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def digest_of(image: Image.Image) -> bytes:
    """A digest of an opened picture: pixels, mode, palette and orientation. Decodes it."""
    image.load()
    form = f"{image.mode} {orientation(image)}"
    digest = hashlib.blake2b(form.encode(), digest_size=16)
    rows = max(1, 4_000_000 // max(image.width, 1))  # tobytes() of the whole picture would double the memory
    for top in range(0, image.height, rows):
        digest.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    digest.update(bytes(image.getpalette() or ()))
    return digest.digest()


def digest_in_full(path: Path) -> bytes:
    """A digest of all pixels of a file that `examine` found whole."""
    with opened(path, reduce=False) as (image, _):
        return digest_of(image)


def namesake(path: Path) -> str:
    """The file that was probably meant where one is missing: its name in another case or composition."""
    if not path.parent.is_dir():
        return f"no folder {path.parent}"
    wanted = unicodedata.normalize("NFC", path.name).casefold()
    for other in path.parent.iterdir():
        if unicodedata.normalize("NFC", other.name).casefold() == wanted:
            return f"there is {other.name}, which differs in case or in how letters are composed"
    return ""


def beginning(path: Path) -> str:
    """What a file starts with, for one that is no picture."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        return str(error)
    return f"starts with {start!r}" if start else "0 bytes"


def examine_all(
    paths: Iterable[Path], *, workers: int, each: Callable[[], None] | None = None
) -> dict[Path, Seen]:
    """Examine every file once.

    Args:
        paths: files; one that is named several times is decoded once.
        workers: threads; the decoders let go of Python's lock.
        each: called after each file.
    """
    chosen = list(dict.fromkeys(paths))
    seen: dict[Path, Seen] = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(max(workers, 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's, on what becomes a finding or harms nobody
        for path, result in zip(chosen, pool.map(examine, chosen), strict=True):
            seen[path] = result
            if each is not None:
                each()
    return seen


def check_file(record: Record, seen: Seen) -> list[Finding]:
    """What is wrong with a record's file, and whether it has the size that was annotated."""
    found = []
    if seen.fault:
        found.append(finding(seen.fault, record.image, value=seen.value))
    if seen.size is None:
        return found
    height, width = seen.size
    if record.size is not None and record.size != seen.size:
        rotated = record.size == seen.stored
        value = f"annotated {record.size[1]}x{record.size[0]}, file {width}x{height}"
        found.append(
            finding(
                "picture-rotated" if rotated else "picture-size",
                record.image,
                where=Path(record.source).name if record.source else "",
                value=value,
            )
        )
    if min(height, width) < TINY_SIDE:
        found.append(finding("picture-tiny", record.image, value=f"{width}x{height}"))
    if height * width > HUGE_PIXELS:
        found.append(finding("picture-huge", record.image, value=f"{width}x{height}"))
    return found


def check_twins(records: Sequence[tuple[str, Record]], seen: dict[Path, Seen]) -> list[Finding]:
    """Pictures that are the same pixel for pixel, across splits and within one."""
    groups: dict[tuple[object, bytes], list[tuple[str, Record]]] = {}
    for split, record in records:
        one = seen[record.image]
        if not one.fault:
            groups.setdefault((one.size, one.digest), []).append((split, record))
    found = []
    for group in groups.values():
        if len(group) == 1:
            continue
        several = len({record.image for _, record in group}) > 1
        exact: dict[bytes, list[tuple[str, Record]]] = {}
        for split, record in group:
            one = seen[record.image]
            digest = digest_in_full(record.image) if one.reduced and several else one.digest
            exact.setdefault(digest, []).append((split, record))
        for twins in exact.values():
            found += twin_findings(twins)
    return found


def twin_findings(twins: Sequence[tuple[str, Record]]) -> list[Finding]:
    """A finding for each of several equal pictures but the first."""
    found = []
    for place, (split, record) in enumerate(twins):
        before = twins[:place]
        elsewhere = [other for other_split, other in before if other_split != split]
        if elsewhere:
            value = f"in {split}, the same as {elsewhere[0].image}"
            found.append(finding("picture-in-splits", record.image, value=value))
        elif before:
            value = f"in {split}, the same as {before[0][1].image}"
            found.append(finding("picture-twice", record.image, value=value))
        others = [other for _, other in before if other.label != record.label]
        if others:
            value = f"the same as {others[0].image}"
            found.append(finding("picture-two-classes", record.image, value=value))
    return found
