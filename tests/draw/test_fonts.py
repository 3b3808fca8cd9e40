"""Every script has a font where one is installed, and a warning names one where none is."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ocellus.draw import fonts
from ocellus.draw.text import text_coverage
from ocellus.errors import OcellusError

CACHED = (fonts.runs, fonts.font_of, fonts.candidates, fonts.characters, text_coverage)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Caches and the memory of warnings as in a new process, before and after."""
    for function in CACHED:
        function.cache_clear()
    fonts._told.clear()
    yield
    for function in CACHED:
        function.cache_clear()
    fonts._told.clear()


def only(*files: Path) -> object:
    return lambda: (fonts.default_font(), *files)


def serif() -> Path:
    return fonts.default_font().with_name("DejaVuSerif.ttf")


def test_latin_greek_and_cyrillic_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_system_fonts", lambda: pytest.fail("the system's fonts were searched"))
    monkeypatch.setattr(fonts, "candidates", only())
    assert fonts.runs("Tasse τάση чашка 0.97") == (("Tasse τάση чашка 0.97", fonts.default_font()),)


def test_each_character_goes_to_the_first_font_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {fonts.default_font(): "cup ", Path("hangul.ttf"): "컵세포핵", Path("late.ttf"): "컵杯"}
    monkeypatch.setattr(fonts, "candidates", only(Path("hangul.ttf"), Path("late.ttf")))
    monkeypatch.setattr(fonts, "characters", lambda font: frozenset(map(ord, has[font])))
    assert fonts.runs("cup 컵杯 cup") == (
        ("cup ", fonts.default_font()),
        ("컵", Path("hangul.ttf")),
        ("杯 ", Path("late.ttf")),
        ("cup", fonts.default_font()),
    )


def test_decomposed_hangul_is_composed() -> None:
    assert fonts.clean(unicodedata.normalize("NFD", "세포핵")) == "세포핵"
    assert fonts.clean("two\nlines\x00") == "two lines "


def test_missing_glyphs_are_boxes_and_told_once_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "candidates", only())
    with pytest.warns(
        UserWarning, match=r"'세포' \(Hangul\).*apt install fonts-noto-cjk.*OCELLUS_FONT"
    ) as told:
        assert fonts.runs("a세포b") == (("a□□b", fonts.default_font()),)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.runs("다른 이름")
    with pytest.warns(UserWarning, match="Cjk"):
        fonts.runs("杯")


def test_known_and_unknown_part_of_a_text_are_both_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "candidates", only())
    with pytest.warns(UserWarning):
        mixed = np.asarray(text_coverage("cup 컵", 20))
    plain = np.asarray(text_coverage("cup ", 20))
    assert np.array_equal(mixed[:, : plain.shape[1] - 2], plain[:, :-2])
    assert mixed[:, plain.shape[1] :].max() > 0


def test_font_of_the_user_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCELLUS_FONT", str(serif()))
    assert fonts.candidates()[1] == serif()


def test_file_that_is_no_font_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_text("not a font")
    for path in (tmp_path / "font.ttf", tmp_path / "missing.ttf"):
        monkeypatch.setenv("OCELLUS_FONT", str(path))
        with pytest.raises(OcellusError, match="is not a font file") as caught:
            fonts.candidates()
        assert caught.value.exit_code == 2
        fonts.candidates.cache_clear()


def test_broken_font_among_the_systems_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\x00\x01\x00\x00rubbish")
    monkeypatch.setattr(fonts, "candidates", only(broken))
    with pytest.warns(UserWarning):
        assert fonts.runs("컵")[0][0] == "□"


def test_hangul_is_drawn_with_its_own_shapes_where_a_font_is_installed() -> None:
    font = fonts.font_of("컵")
    if font is None:
        pytest.skip("no font with Hangul is installed; the other tests cover what happens then")
    one, other = np.asarray(text_coverage("컵", 24)), np.asarray(text_coverage("핵", 24))
    assert one.max() > 200 and not np.array_equal(one, other)


def test_preferred_fonts_come_first() -> None:
    names = [
        "Zapf.ttf",
        "NotoSansCJK-Regular.ttc",
        "NotoSansCJK-Black.ttc",
        "unrelated-Bold.otf",
        "NanumGothic.ttf",
    ]
    ordered = [path.name for path in sorted(map(Path, names), key=fonts._preference)]
    assert set(ordered[:2]) == {"NanumGothic.ttf", "NotoSansCJK-Regular.ttc"}
    assert ordered[2] == "NotoSansCJK-Black.ttc" and ordered[-1] == "unrelated-Bold.otf"
