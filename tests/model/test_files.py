"""Small files of a checkpoint are read with bounds, and their faults are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatcli.errors import CheckpointError, WeightsError
from chatcli.model.files import main_dtype, read_json, tensor_headers, weight_files


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": 1', "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[1]", "a JSON list, not an object"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_bad_json_is_one_line_with_the_file(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_document_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(CheckpointError, match=r"8,589,934,592 bytes"):
        read_json(path)


def test_a_folder_in_place_of_a_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_json(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..\\x", 7, None])
def test_an_index_names_only_files_inside_the_folder(tmp_path: Path, name: object) -> None:
    (tmp_path / "secret").write_text("")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(WeightsError, match="no file inside the folder"):
        weight_files(tmp_path)


def test_an_index_with_a_missing_shard_says_which(tmp_path: Path) -> None:
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "pytorch_model-1.bin"}}))
    with pytest.raises(WeightsError, match=r"pytorch_model-1\.bin, which is missing"):
        weight_files(tmp_path)
    (tmp_path / "pytorch_model-1.bin").write_bytes(b"")
    assert weight_files(tmp_path) == (tmp_path / "pytorch_model-1.bin",)


def test_safetensors_come_before_pickles(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert weight_files(tmp_path) == (tmp_path / "pytorch_model.bin",)
    (tmp_path / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    assert weight_files(tmp_path) == (tmp_path / "model.safetensors",)
    assert weight_files(tmp_path / "nothing") == ()


def test_headers_give_shapes_and_the_main_dtype(tiny: Path) -> None:
    headers = tensor_headers(tiny / "model.safetensors")
    assert headers["model.norm.weight"].shape == (32,)
    assert main_dtype(headers) == "F32"
    assert headers["lm_head.weight"].numel == 32 * headers["lm_head.weight"].shape[0]
    assert main_dtype({}) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        b"\x08" + b"\0" * 7 + b"{}",
        b"\x02" + b"\0" * 7 + b"[]",
        b"\2\0\0\0\0\0\0\0a",
    ],
)
def test_a_damaged_header_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        tensor_headers(path)
