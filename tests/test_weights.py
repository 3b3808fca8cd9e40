"""One file holds a model, says what it is, and is refused with the reason when it is not what it says."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ocellus import weights
from ocellus.errors import OcellusError
from ocellus.labels import COCO_PERSON
from ocellus.see import mask_rcnn

TINY = mask_rcnn.TINY
NAMES = ("세포", "핵 <b>")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = mask_rcnn.build(TINY)
    header = weights.describe(
        "see/mask_rcnn", TINY, labels=NAMES, skeleton=COCO_PERSON, metrics={"mask/AP50": 0.5}, notes="tiny"
    )
    weights.save(tmp_path / "tiny.safetensors", network, header)
    return tmp_path / "tiny.safetensors"


def test_header_comes_back_whole(saved: Path) -> None:
    header = weights.read_header(saved)
    assert header.system == "see/mask_rcnn" and header.labels == NAMES and header.skeleton == COCO_PERSON
    assert header.settings() == TINY and header.metrics == {"mask/AP50": 0.5}
    assert set(header.preprocessing) == set(mask_rcnn.PREPROCESSING)
    assert not set(header.config) & set(header.preprocessing)


def test_tensors_come_back_bit_for_bit(saved: Path) -> None:
    torch.manual_seed(0)
    network = mask_rcnn.build(TINY)
    again, _ = weights.load(saved)
    assert not again.training
    for (name, a), (_, b) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_half_precision_is_half_the_size_and_close(tmp_path: Path, saved: Path) -> None:
    network, header = weights.load(saved)
    weights.save(tmp_path / "half.safetensors", network, header, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.75 * saved.stat().st_size
    again, _ = weights.load(tmp_path / "half.safetensors")
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert b.dtype == a.dtype
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_channels_last_and_shared_tensors_are_written(tmp_path: Path) -> None:
    network = mask_rcnn.build(TINY).to(memory_format=torch.channels_last)
    header = weights.describe("see/mask_rcnn", TINY, labels=NAMES)
    weights.save(tmp_path / "last.safetensors", network, header)
    again, _ = weights.load(tmp_path / "last.safetensors")
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(OcellusError) as caught:
        weights.load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(saved: Path, target: Path, change) -> Path:
    state = load_file(saved)
    change(state)
    header = saved.read_bytes()
    length = int.from_bytes(header[:8], "little")
    save_file(state, target, json.loads(header[8 : 8 + length])["__metadata__"])
    return target


def test_missing_surplus_and_misshapen_entries_are_named(saved: Path, tmp_path: Path) -> None:
    first = next(iter(load_file(saved)))
    assert f"1 missing, first {first}" in refusal(
        changed(saved, tmp_path / "a.safetensors", lambda state: state.pop(first))
    )
    assert "1 surplus, first ghost" in refusal(
        changed(saved, tmp_path / "b.safetensors", lambda state: state.update(ghost=torch.zeros(1)))
    )
    assert f"first {first} (1, 1) instead of" in refusal(
        changed(saved, tmp_path / "c.safetensors", lambda state: state.update({first: torch.zeros(1, 1)}))
    )


def test_damaged_files_are_refused_with_the_file_named(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    for name, content in {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "text": b"hello, this is a text",
    }.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        assert str(path) in refusal(path)
    scrambled = tmp_path / "scrambled.safetensors"
    scrambled.write_bytes(data[:8] + bytes(255 - value for value in data[8:60]) + data[60:])
    assert str(scrambled) in refusal(scrambled)


def test_other_systems_and_foreign_files_are_refused(saved: Path, tmp_path: Path) -> None:
    assert "holds weights of see/mask_rcnn, not of see/other" in refusal(saved, system="see/other")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    assert "ocellus import" in refusal(tmp_path / "foreign.safetensors")
    assert "cannot be read" in refusal(tmp_path / "absent.safetensors")


def test_full_disk_leaves_the_file_before_untouched(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    network, header = weights.load(saved)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OcellusError, match="No space left"):
        weights.save(saved, network, header)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
