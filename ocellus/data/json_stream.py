"""JSON files, big ones piece by piece, with errors that name file, line and column.

A COCO file of half a gigabyte would fill several as Python objects. Here the elements of its lists come one
after the other, each with its place in the file, and only what is wanted of them is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ocellus.errors import OcellusError

WINDOW = 4 << 20
BLANK = re.compile(r"[ \t\r\n]*")
# An object with no object in it: runs of anything but braces and quotes, and strings.
FLAT = re.compile(r'\{(?:[^{}"]++|"(?:[^"\\]++|\\.)*+")*+\}')


class Element(NamedTuple):
    """One value of the file.

    Args:
        key: the key at the top of the file under which it stands; "" in a file that is a list.
        value: the value; its strings have one character a byte (see `read_span` for the true ones).
        start: byte where it starts in the file.
        end: byte after its last.
        listed: whether it is an element of a list under `key`, or the whole value of `key`.
    """

    key: str
    value: Any
    start: int
    end: int
    listed: bool


def read_json(path: Path) -> Any:
    """A whole small JSON file.

    Raises:
        OcellusError: it is missing, unreadable or not JSON; names line and column.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise OcellusError(
            f"cannot read {path}: {error.strerror or error}; check the name and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise OcellusError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except json.JSONDecodeError as error:
        at_end = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated")
        raise _broken(path, error.lineno, error.colno, error.msg, cut=at_end) from error
    except RecursionError as error:
        raise OcellusError(
            f"{path} nests lists too deeply to be annotations; check that it is the right file"
        ) from error


def read_span(path: Path, start: int, end: int) -> Any:
    """One value of a file again, by its place in it."""
    with path.open("rb") as stream:
        stream.seek(start)
        return json.loads(stream.read(end - start))


def elements(path: Path, *, skim: tuple[str, str] | None = None) -> Iterator[Element]:
    """The values at the top of a JSON file; those of lists one by one.

    Strings come with one character a byte: the file is scanned as Latin-1, so that characters are bytes.

    Args:
        path: the file.
        skim: (key, field): of the flat objects listed under the key only this field is read, a number; the
            rest is not even checked, which is several times faster.

    Raises:
        OcellusError: the file is missing, cut off or not JSON; names line and column.
    """
    try:
        with path.open("rb") as stream:
            yield from _Scanner(path, stream, skim).run()
    except OSError as error:
        raise OcellusError(
            f"cannot read {path}: {error.strerror or error}; check the name and its rights"
        ) from error


def line_and_column(path: Path, place: int) -> tuple[int, int]:
    """The line and column, from 1, of a byte of a file."""
    lines, start, seen = 1, 0, 0
    with path.open("rb") as stream:
        while seen < place and (block := stream.read(min(WINDOW, place - seen))):
            found = block.count(b"\n")
            lines += found
            start = seen + block.rindex(b"\n") + 1 if found else start
            seen += len(block)
    return lines, place - start + 1


class _Scanner:
    """A window of text that moves over the file."""

    def __init__(self, path: Path, stream: BinaryIO, skim: tuple[str, str] | None) -> None:
        self.path, self.stream = path, stream
        self.skimmed = skim[0] if skim else None
        self.field = skim[1] if skim else ""
        self.pattern = re.compile(rf'"{self.field}"\s*:\s*(-?\d+)\s*[,}}]')
        self.decoder = json.JSONDecoder()
        self.base = 3 if stream.read(3) == b"\xef\xbb\xbf" else 0
        stream.seek(self.base)
        self.text, self.at, self.ended = "", 0, False

    def run(self) -> Iterator[Element]:
        opened = self.peek()
        if opened == "[":
            yield from self.listed("")
        elif opened == "{":
            for _ in self.items("}"):
                if self.peek() != '"':
                    raise self.error("a key must be a text in quotes")
                name = self.value("")
                key = str(read_span(self.path, name.start, name.end))
                if self.peek() != ":":
                    raise self.error("Expecting ':' after a key")
                self.at += 1
                if self.peek() == "[":
                    yield from self.listed(key)
                else:
                    yield self.value(key)
        else:
            raise self.error("Expecting '{' or '['")
        if self.peek():
            raise self.error("Extra data after the end")

    def listed(self, key: str) -> Iterator[Element]:
        for _ in self.items("]"):
            yield (self.skim(key) if key == self.skimmed else None) or self.value(key, True)

    def items(self, closing: str) -> Iterator[None]:
        """Stands on each item up to the closing bracket in turn; steps over the commas."""
        self.at += 1
        first = True
        while self.peek() != closing:
            if not first:
                if self.peek() != ",":
                    raise self.error(f"Expecting ',' or '{closing}'")
                self.at += 1
                if self.peek() == closing:
                    raise self.error("a comma with nothing after it")
            first = False
            yield
        self.at += 1

    def peek(self) -> str:
        """The next character that is not blank; "" at the end of the file."""
        while True:
            match = BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def more(self) -> bool:
        """Reads on; what lies before the position is dropped."""
        data = self.stream.read(max(WINDOW, len(self.text) - self.at))
        self.ended = not data
        self.base += self.at
        self.text, self.at = self.text[self.at :] + data.decode("latin-1"), 0
        return not self.ended

    def skim(self, key: str) -> Element | None:
        """One field of the flat object here; None where it is not that simple."""
        whole = FLAT.match(self.text, self.at)
        if whole is None:
            return None
        found = self.pattern.findall(self.text, self.at, whole.end())
        if len(found) != 1:
            return None
        element = Element(
            key, {self.field: int(found[0])}, self.base + self.at, self.base + whole.end(), True
        )
        self.at = whole.end()
        return element

    def value(self, key: str, listed: bool = False) -> Element:
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except (json.JSONDecodeError, RecursionError) as error:
                if isinstance(error, RecursionError):
                    raise self.error("lists nested too deeply") from error
                certain = error.pos < len(self.text) - 64 and not error.msg.startswith("Unterminated")
                if certain or not self.more():
                    self.at = error.pos if certain else len(self.text)
                    raise self.error(error.msg) from error
                continue
            length = end - self.at
            # A number may go on in what is not yet read: "3" in "3.", "3e", "3e-".
            if end + 2 < len(self.text) or not self.more():
                start = self.base + self.at
                self.at += length
                return Element(key, value, start, start + length, listed)

    def error(self, message: str) -> OcellusError:
        place = self.base + self.at
        cut = self.ended and not self.text[self.at :].strip()
        return _broken(self.path, *line_and_column(self.path, place), message, cut=cut)


def _broken(path: Path, line: int, column: int, message: str, *, cut: bool) -> OcellusError:
    if cut:
        what = f"{path} is cut off: it ends at line {line}, column {column}, inside a value"
        return OcellusError(f"{what}; copy, download or export it again")
    what = f"{path} is not valid JSON at line {line}, column {column} ({message})"
    return OcellusError(f"{what}; mend that place or export it again")
