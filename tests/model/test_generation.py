"""generation_config.json: what is set is taken, what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import CheckpointError
from chatcli.model.generation import eos_ids_from_files, sampling_defaults
from chatcli.sampling.types import SamplingConfig


def folder_with(folder: Path, **settings: Any) -> Path:
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


def test_only_what_the_file_sets_is_returned(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, do_sample=True, temperature=0.6, top_p=None, max_length=9)
    assert sampling_defaults(folder) == {"temperature": 0.6}


def test_all_settings_that_the_file_may_have_are_read(tmp_path: Path) -> None:
    settings = {
        "temperature": 1,
        "top_k": 20.0,
        "top_p": 0.8,
        "min_p": 0,
        "typical_p": 1.0,
        "repetition_penalty": 1.05,
        "no_repeat_ngram_size": 3.0,
        "min_length": 9,
        "min_new_tokens": 2,
        "top_h": 0.4,
        "epsilon_cutoff": 3e-4,
        "eta_cutoff": 0,
    }
    defaults = sampling_defaults(folder_with(tmp_path, **settings))
    assert defaults == settings and SamplingConfig(**defaults).min_length == 9
    assert type(defaults["top_k"]) is int and type(defaults["temperature"]) is float


def test_do_sample_false_is_greedy_whatever_the_temperature(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, do_sample=False, temperature=0.6, repetition_penalty=1.1)
    assert sampling_defaults(folder) == {"temperature": 0.0, "repetition_penalty": 1.1}


def test_without_folder_or_file_there_are_no_defaults(tmp_path: Path) -> None:
    assert sampling_defaults(None) == {}
    assert sampling_defaults(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", "0.7"),
        ("temperature", True),
        ("temperature", float("nan")),
        ("temperature", 10**400),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.01),
        ("min_p", [0.1]),
        ("repetition_penalty", 0),
        ("no_repeat_ngram_size", 2.5),
        ("min_new_tokens", -1),
        ("top_h", 1.5),
        ("eta_cutoff", 1),
    ],
)
def test_a_wrong_value_names_file_key_and_value(tmp_path: Path, name: str, value: object) -> None:
    folder = folder_with(tmp_path, **{name: value})
    with pytest.raises(CheckpointError, match=rf"generation_config\.json sets {name} to "):
        sampling_defaults(folder)


def test_end_tokens_of_both_files_are_joined(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, eos_token_id=[128001, 128009])
    assert eos_ids_from_files(folder, {"eos_token_id": 128001}) == [128001, 128009]
    assert eos_ids_from_files(folder, {"eos_token_id": -1}) == [128001, 128009]


def test_a_folder_without_generation_config_has_the_configs_end_tokens(tmp_path: Path) -> None:
    assert eos_ids_from_files(tmp_path, {"eos_token_id": 2}) == [2]
    assert eos_ids_from_files(tmp_path, {"eos_token_id": None}) == []


@pytest.mark.parametrize("value", ["</s>", [1, "2"], True, 1.0])
def test_a_wrong_end_token_is_named(tmp_path: Path, value: object) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json sets eos_token_id to"):
        eos_ids_from_files(tmp_path, {"eos_token_id": value})
