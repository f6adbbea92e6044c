"""Weight files that are damaged, hostile or of another model are refused before loading."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatcli.errors import CheckpointError, UnsupportedError, WeightsError
from tests.fakes import tiny_checkpoint
from tests.model.native.loading import load

NORM = "model.layers.1.input_layernorm.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "model")


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    file = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change(tensors)
    save_file(tensors, file)


def shard(folder: Path, names: tuple[str, str], at: Path | None = None) -> None:
    """Split the weights over two files, which an index names."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    ordered = sorted(tensors)
    file.unlink()
    weight_map: dict[str, str] = {}
    for name, keys in zip(names, (ordered[::2], ordered[1::2]), strict=True):
        save_file({key: tensors[key] for key in keys}, (at or folder) / Path(name).name)
        weight_map |= dict.fromkeys(keys, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_a_sharded_checkpoint_equals_a_single_file(folder: Path) -> None:
    whole = load(folder)
    expected = whole.forward([5, 6, 7], whole.new_cache())
    shard(folder, ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"))
    model = load(folder)
    assert torch.equal(model.forward([5, 6, 7], model.new_cache()), expected)


def test_links_to_blobs_as_the_hub_cache_has_them_load(folder: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (folder / "model.safetensors").rename(blob)
    (folder / "model.safetensors").symlink_to(blob)
    assert load(folder).checkpoint.parameters > 0


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/outside.safetensors", "a\\b"])
def test_an_index_that_leaves_the_folder_is_refused(
    folder: Path, tmp_path: Path, name: str
) -> None:
    shard(folder, (name, "inside.safetensors"), at=tmp_path)
    (tmp_path / "inside.safetensors").rename(folder / "inside.safetensors")
    with pytest.raises(WeightsError, match="inside the folder"):
        load(folder)


def test_an_index_that_names_a_missing_file_says_which(folder: Path) -> None:
    shard(folder, ("one.safetensors", "two.safetensors"))
    (folder / "two.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"two\.safetensors"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(folder: Path, kept: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[1, 2]",
        b'{"x": 3}',
        b'{"x": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}',
        b'{"x": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}',
        b'{"x": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 4398046511104]}}',
        b'{"x":' * 20000,
    ],
)
def test_a_corrupt_header_is_refused(folder: Path, header: bytes) -> None:
    content = struct.pack("<Q", len(header)) + header + bytes(16)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_a_header_longer_than_the_file_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(WeightsError):
        load(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop(NORM))
    with pytest.raises(WeightsError, match=NORM):
        load(folder)


def test_no_weights_at_all_is_said(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no safetensors"):
        load(folder)


def test_a_wrong_shape_says_both(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({NORM: torch.ones(33)}))
    with pytest.raises(WeightsError, match=r"\[33\].*\[32\]"):
        load(folder)


def test_a_config_that_claims_more_than_the_weights_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] = 1 << 20
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"1048576"):
        load(folder)


def test_weights_in_integers_are_refused(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({NORM: torch.ones(32, dtype=torch.int8)}))
    with pytest.raises(UnsupportedError, match=r"I8.*vLLM"):
        load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_a_config_that_is_no_json_object_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(folder)
