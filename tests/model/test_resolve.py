"""A name finds its folder, and a wrong one says what is near and what would run it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chatcli.errors import CheckpointError, UnsupportedError
from chatcli.model.hub import hub_cache, hub_models
from chatcli.model.resolve import Location, resolve


def complaint(name: str | Path, kind: type[CheckpointError] = CheckpointError) -> str:
    """The message of resolving `name`, which is one line."""
    with pytest.raises(kind) as caught:
        resolve(name)
    message = str(caught.value)
    assert type(caught.value) is kind and "\n" not in message
    return message


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with org/model at commit abc, and an older snapshot beside it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--org--model"
    for commit in ("old", "abc"):
        shutil.copytree(tiny, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc\n")
    return repository


def test_a_folder_and_each_file_that_stands_for_it(tiny: Path) -> None:
    expected = Location("tiny", tiny)
    assert resolve(tiny) == resolve(str(tiny)) == expected
    assert resolve(tiny / "model.safetensors") == expected
    assert resolve(tiny / "config.json") == expected


def test_a_relative_path_is_named_after_its_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny)
    assert resolve(".").name == "tiny"


def test_a_home_path_is_expanded(tiny: Path, clean_environment: Path) -> None:
    shutil.copytree(tiny, clean_environment / "mine")
    assert resolve("~/mine").folder == clean_environment / "mine"


def test_a_hub_name_finds_the_commit_of_main(hub: Path) -> None:
    assert resolve("org/model") == Location("org/model", hub / "snapshots" / "abc")
    assert resolve(hub).folder == hub / "snapshots" / "abc"
    assert [name for name, _ in hub_models()] == ["org/model"]


@pytest.mark.parametrize("reference", ["gone", "../..", ""])
def test_a_lost_reference_leaves_some_snapshot(hub: Path, reference: str) -> None:
    (hub / "refs" / "main").write_text(reference)
    assert resolve("org/model").folder.parent == hub / "snapshots"


def test_the_hub_cache_is_where_its_own_tools_look(
    monkeypatch: pytest.MonkeyPatch, clean_environment: Path
) -> None:
    assert hub_cache() == clean_environment / ".cache/huggingface/hub"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub_cache() == Path("/x/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "~/hf")
    assert hub_cache() == clean_environment / "hf/hub"
    monkeypatch.setenv("HF_HUB_CACHE", "/c")
    assert hub_cache() == Path("/c")


@pytest.mark.parametrize("name", ["org/modle", "org/mode"])
def test_a_misspelt_hub_name_is_told_what_is_near(hub: Path, name: str) -> None:
    assert "did you mean org/model?" in complaint(name)


def test_a_path_that_does_not_exist_is_told_what_is_near(tiny: Path) -> None:
    assert f"did you mean {tiny}?" in complaint(tiny.parent / "tinny")
    assert "did you mean builtin?" in complaint("bultin")


@pytest.mark.parametrize("name", ["", "/no/such/place", "a/b/c", "..//x", "\0", "x" * 5000])
def test_a_name_without_a_neighbour_is_told_what_a_name_can_be(name: str) -> None:
    message = complaint(name)
    assert "config.json and model.safetensors" in message and len(message) < 900


def test_control_characters_in_a_name_are_shown_not_sent() -> None:
    message = complaint("a\x1b]0;owned\x07\u202eb\nc")
    assert all(char.isprintable() for char in message)


def test_a_folder_without_config_names_the_models_below_it(tiny: Path, tmp_path: Path) -> None:
    assert "has no config.json, so it is no model: give a folder" in complaint(tmp_path)
    shutil.copytree(tiny, tmp_path / "checkpoint-500")
    assert f"did you mean {tmp_path / 'checkpoint-500'}?" in complaint(tmp_path)


def test_gguf_names_what_runs_it_as_file_folder_or_by_content(tmp_path: Path) -> None:
    for path in (tmp_path / "m.gguf", tmp_path / "renamed.bin"):
        path.write_bytes(b"GGUF\3\0\0\0")
        assert "llama.cpp can" in complaint(path, UnsupportedError)
    assert "m.gguf is a GGUF file" in complaint(tmp_path, UnsupportedError)


def test_a_peft_adapter_without_its_base_names_it_and_the_remedy(tmp_path: Path) -> None:
    adapter = {"base_model_name_or_path": "org/base", "peft_type": "LORA"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    message = complaint(tmp_path)
    assert "PEFT adapter of org/base" in message and "base_model_name_or_path" in message


@pytest.mark.parametrize("name", ["ckpt.pt", "last.ckpt", "model.PTH"])
def test_a_training_state_is_told_what_makes_a_model_of_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4")
    message = complaint(tmp_path / name, UnsupportedError)
    assert f"{name} looks like a training state" in message and "save_pretrained" in message
    assert complaint(tmp_path, UnsupportedError) == message
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"\n## {message.split(chr(34))[1]}\n" in readme


def test_a_file_that_is_no_model_is_told_apart(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert "is not a model that can be loaded by itself" in complaint(tmp_path / "notes.txt")
    assert "by itself" in complaint(tiny / "tokenizer.json")
