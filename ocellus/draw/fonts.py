"""A font for every character: class names may be in any script, and no font has them all."""

from __future__ import annotations

import os
import re
import unicodedata
import warnings
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ocellus.errors import OcellusError

PREFERRED = re.compile(
    r"noto\s*sans\s*(cjk|kr|jp|sc|tc)?[-.]|nanum(bar)?gothic|applesdgothic|malgun|pingfang|hiragino|yugoth|msyh|"
    r"sourcehansans|droidsansfallback|wqy|unifont",
    re.IGNORECASE,
)
"""Fonts made for screens, tried before the other installed ones."""

PLAIN = re.compile(r"italic|oblique|serif|mono|black|thin|light|bold|condensed", re.IGNORECASE)
"""Styles that are tried last."""

PACKAGES = ("koreanize_matplotlib", "pylopdf_fonts_ko")
"""Python packages that ship Hangul fonts under the SIL Open Font License; only their files are used."""

SUBSTITUTE = "\u25a1"
"""Drawn in place of a character that no font has; the default font has it."""

_told: set[str] = set()


@lru_cache(maxsize=1)
def default_font() -> Path:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic, Arabic and many signs."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def clean(text: str) -> str:
    """One line in composed form: Hangul from macOS file names comes as separate letters."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(" " if unicodedata.category(c).startswith("C") else c for c in composed)


@lru_cache(maxsize=4096)
def runs(text: str) -> tuple[tuple[str, Path], ...]:
    """Pieces of a text, each with a font that has all its characters.

    What no installed font has becomes a box, and a warning says once for each script what to install.
    """
    pieces: list[tuple[str, Path]] = []
    missing = ""
    for character in clean(text):
        font = font_of(character)
        if font is None:
            missing += character
            character, font = SUBSTITUTE, default_font()
        joins = unicodedata.combining(character) > 0 or character == " "
        if pieces and (pieces[-1][1] == font or joins):
            pieces[-1] = (pieces[-1][0] + character, pieces[-1][1])
        else:
            pieces.append((character, font))
    if missing:
        tell(missing)
    return tuple(pieces)


@lru_cache(maxsize=4096)
def font_of(character: str) -> Path | None:
    """The first font that has a character: the default, the user's, those of packages, the system's."""
    return next((font for font in candidates() if ord(character) in characters(font)), None)


def tell(missing: str) -> None:
    """Warn about characters that cannot be drawn, once for each script."""
    script = unicodedata.name(missing[0], "unknown sign").split()[0].capitalize()
    if script in _told:
        return
    _told.add(script)
    packages = "fonts-noto-core"
    if script in ("Hangul", "Cjk", "Hiragana", "Katakana"):
        packages = "fonts-noto-cjk"
    python = " or `pip install koreanize-matplotlib`" if script == "Hangul" else ""
    warnings.warn(
        f"no installed font has {missing[:12]!r} ({script}), boxes are drawn instead; install a font "
        f"(`apt install {packages}`{python}), or name one: OCELLUS_FONT=/path/to/font.ttf",
        stacklevel=2,
    )


@lru_cache(maxsize=1)
def candidates() -> tuple[Path, ...]:
    """Font files in the order in which they are tried.

    Raises:
        OcellusError: OCELLUS_FONT names a file that is not a font.
    """
    return (default_font(), *_named_font(), *_package_fonts(), *_system_fonts())


@lru_cache(maxsize=256)
def characters(font: Path) -> frozenset[int]:
    """The code points a font has glyphs for; empty where the file cannot be read as a font."""
    from matplotlib.ft2font import FT2Font

    try:
        table = FT2Font(str(font)).get_charmap()
    except (RuntimeError, OSError, ValueError):
        return frozenset()
    return frozenset(int(code) for code in table)


@lru_cache(maxsize=256)
def load(font: Path, size: int) -> Any:
    """A Pillow font of a size in pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(str(font), size)


def _named_font() -> tuple[Path, ...]:
    named = os.environ.get("OCELLUS_FONT", "")
    if not named:
        return ()
    if not characters(Path(named)):
        raise OcellusError(
            f"OCELLUS_FONT={named} is not a font file; name a .ttf, .otf or .ttc, or unset it", exit_code=2
        )
    return (Path(named),)


def _package_fonts() -> list[Path]:
    found: list[Path] = []
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            files = (path for path in Path(folder).rglob("*") if path.suffix.lower() in (".ttf", ".otf"))
            found += sorted(files, key=_preference)
    return found


def _system_fonts() -> list[Path]:
    from matplotlib import font_manager

    files = {Path(path) for path in font_manager.findSystemFonts()}
    return sorted(files, key=_preference)


def _preference(path: Path) -> tuple[bool, bool, str]:
    return PREFERRED.search(path.name) is None, PLAIN.search(path.stem) is not None, path.name
