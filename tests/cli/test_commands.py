"""The command line answers at once, helps, and says what is wrong in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ocellus import cli


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ocellus", *words], capture_output=True, text=True, check=False
    )


def test_listing_and_help_import_nothing_heavy() -> None:
    for words in (["list"], ["--help"], ["list", "--json"]):
        code = (
            "import sys; from ocellus.cli import main; main(sys.argv[1:]); "
            "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'tyro', 'rich', 'PIL')))"
        )
        assert subprocess.run([sys.executable, "-c", code, *words], capture_output=True).returncode == 0


def test_every_command_has_help_and_every_module_is_there() -> None:
    for name in cli.COMMANDS:
        result = run(name, "--help")
        assert result.returncode == 0, f"{name}: {result.stderr[-400:]}"
        assert "usage" in result.stdout.lower()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["lits"], 2, "did you mean list?"),
        (["train", "see/mask_rnn", "x"], 2, "did you mean see/mask_rcnn?"),
        (["info", "mask_rcnn"], 2, "did you mean see/mask_rcnn?"),
        (["train"], 2, "which system?"),
        (["train", "see/mask_rcnn", "x", "--preset", "huge"], 2, "there is small"),
        (["train", "see/mask_rcnn", "absent-folder"], 1, "absent-folder"),
        (["run", "absent.safetensors", "x.jpg"], 1, "absent.safetensors"),
        (["info", "absent.safetensors"], 1, "cannot be read"),
    ],
)
def test_wrong_words_get_one_line_and_the_right_code(words: list[str], code: int, says: str) -> None:
    result = run(*words)
    assert result.returncode == code, result.stderr
    assert says in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_wrong_flag_exits_with_two() -> None:
    result = run("train", "see/mask_rcnn", "x", "--stepps", "3")
    assert result.returncode == 2 and "--steps" in result.stdout + result.stderr


def test_info_counts_parameters_and_multiply_adds() -> None:
    result = run("info", "see/mask_rcnn", "--layers", "--preset", "tiny", "--size", "64", "96", "--json")
    assert result.returncode == 0, result.stderr
    layers = {layer["name"]: layer for layer in json.loads(result.stdout)["layers"]}
    first = next(layer for layer in layers.values() if layer["kind"] == "Conv2d")
    # The stem: 7x7, 3 -> 8 channels, stride 2, no bias: 32 x 48 positions.
    assert first["output"] == "1x8x32x48"
    assert first["parameters"] == 7 * 7 * 3 * 8
    assert first["multiply_adds"] == 7 * 7 * 3 * 8 * 32 * 48


def test_list_is_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--json", "--task", "instance"]) == 0
    cards = json.loads(capsys.readouterr().out)
    assert "see/mask_rcnn" in [card["name"] for card in cards]


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ocellus 0.")


def test_python_dash_m_is_the_command() -> None:
    assert (
        run("list").stdout
        == subprocess.run(
            [str(Path(sys.executable).with_name("ocellus")), "list"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    )
