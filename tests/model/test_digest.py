"""The digest changes with everything that a checkpoint says, and with nothing else."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.model.digest import digest, digest_whole

BOTH = pytest.mark.parametrize("of", [digest, digest_whole])
Digest = Callable[[Path], str]


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def flip(path: Path, offset: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@BOTH
def test_a_copy_is_the_same_and_a_model_card_changes_nothing(
    tiny: Path, copy: Path, of: Digest
) -> None:
    (copy / "README.md").write_text("about it")
    assert of(copy) == of(tiny)
    assert len(of(copy)) == 64


@BOTH
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_each_document_counts(tiny: Path, copy: Path, of: Digest, name: str) -> None:
    flip(copy / name, 3)
    assert of(copy) != of(tiny)


@BOTH
def test_every_byte_of_a_small_weight_file_counts(tiny: Path, copy: Path, of: Digest) -> None:
    flip(copy / "model.safetensors", 5000)
    assert of(copy) != of(tiny)


def test_a_large_file_is_sampled_at_both_ends_and_in_its_header(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", 9000) + bytes(2_000_000))
    before, whole = digest(tmp_path), digest_whole(tmp_path)
    for offset, seen in [(-1, True), (8999, True), (8, True), (15_000, False)]:
        flip(weights, offset)
        assert (digest(tmp_path) != before) is seen
        assert digest_whole(tmp_path) != whole
        flip(weights, offset)
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert digest(tmp_path) != before


def test_moving_bytes_from_one_file_to_the_next_is_seen(tmp_path: Path) -> None:
    for folder, first, second in [("a", "12", "3"), ("b", "1", "23")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(first)
        (tmp_path / folder / "tokenizer.json").write_text(second)
    assert digest(tmp_path / "a") != digest(tmp_path / "b")
