"""`chatcli models` and `models show`, on folders around the current one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.world import run
from tests.fakes import tiny_checkpoint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with one model that loads and one that doesn't."""
    tiny_checkpoint(tmp_path / "tiny")
    broken = tiny_checkpoint(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"short")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_what_is_below_the_current_folder(folder: Path) -> None:
    outcome = run("models")
    assert outcome.status == 0
    rows = {row.split()[0]: row.split()[1:] for row in outcome.out.splitlines()}
    assert rows["tiny"][0] == "llama" and rows["tiny"][-1] == "native"
    assert rows["broken"][-1] == "none"
    assert "broken" in outcome.err


def test_json_lists_an_object_a_model(folder: Path) -> None:
    entries = {entry["name"]: entry for entry in run("models", "--json").objects}
    assert entries["tiny"]["engine"] == "native" and entries["tiny"]["problem"] is None
    assert entries["broken"]["engine"] is None and entries["broken"]["problem"]


def test_show_prints_what_a_model_needs(folder: Path) -> None:
    outcome = run("models", "show", "tiny")
    assert outcome.status == 0
    facts = {line[:13].strip(): line[13:].strip() for line in outcome.out.splitlines()[1:]}
    assert facts["architecture"] == "llama"
    assert facts["layers"] == "2"
    assert facts["KV cache"].startswith("256 B in float32")
    assert facts["chat template"] == "its own"
    assert facts["sampling"] == "temperature 0.7, top_p 0.9"


def test_the_model_that_the_environment_names_is_listed_and_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "CHATCLI_MODEL" not in run("models").err
    monkeypatch.setenv("CHATCLI_MODEL", "tiny")
    assert "CHATCLI_MODEL is set: commands without --model take tiny\n" in run("models").err
    assert run("models", "show").out == run("models", "show", "tiny").out


def test_verify_digests_every_byte(folder: Path) -> None:
    tiny_checkpoint(folder / "wide", vocab_size=20_000)  # too large to be sampled whole
    sampled = run("models", "show", "wide", "--json").objects[0]["digest"]
    whole = run("models", "show", "wide", "--verify", "--json").objects[0]["digest"]
    assert len(sampled) == len(whole) == 64 and sampled != whole


def test_a_model_that_is_not_there_is_one_line(folder: Path) -> None:
    outcome = run("models", "show", "tinny")
    assert outcome.status == 1
    assert "tinny" in outcome.only_error and "tiny" in outcome.only_error


def test_a_folder_name_with_control_characters_is_inert(folder: Path) -> None:
    tiny_checkpoint(folder / "\x1b]0;x\x07\u202emodel")
    outcome = run("models")
    assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)
