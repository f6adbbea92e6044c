"""Replays held against the chain on the whole rows, and their doubts against other rows."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import SamplingError, TraceError
from chatcli.probe.replay import replay, replay_config, verify
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ByteTokenizer, ScriptedModel
from tests.probe.recorded import PROMPT, drawn, other_rows, random_rows, recorded

SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.3},
    {"temperature": 0.01},
    {"temperature": 0.0},
    {"temperature": 0.0, "repetition_penalty": 1.5},
    {"top_k": 8, "temperature": 0.8},
    {"top_k": 20},
    {"top_k": 8, "order": "llamacpp"},
    {"top_p": 0.5},
    {"top_p": 0.9, "temperature": 0.6},
    {"top_p": 0.9, "temperature": 0.8, "order": "llamacpp"},
    {"min_p": 0.1},
    {"min_p": 0.02, "temperature": 0.7},
    {"min_p": 0.02, "temperature": 0.7, "order": "llamacpp"},
    {"typical_p": 0.5},
    {"typical_p": 0.3, "order": "llamacpp"},
    {"epsilon_cutoff": 0.02},
    {"eta_cutoff": 0.05},
    {"eta_cutoff": 0.05, "temperature": 0.7},
    {"p_less": True},
    {"p_less": True, "temperature": 0.8},
    {"top_n_sigma": 1.0},
    {"top_n_sigma": 2.0, "temperature": 1.5},
    {"top_n_sigma": 1.0, "order": "textgen"},
    {"top_h": 0.4},
    {"xtc_probability": 0.8},
    {"xtc_probability": 0.8, "xtc_threshold": 0.2, "temperature": 0.6},
    {"xtc_probability": 0.9, "order": "mlx"},
    {"xtc_probability": 0.9, "order": "textgen"},
    {"adaptive_target": 0.3, "top_k": 5},
    {"dynatemp_range": 0.5},
    {"dynatemp_range": 0.5, "top_k": 5},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 1.3, "top_k": 5},
    {"repetition_penalty": 0.8, "top_p": 0.7},
    {"frequency_penalty": 1.0, "presence_penalty": 0.5, "temperature": 0.7, "top_p": 0.8},
    {"logit_bias": {5: 8.0, 9: -math.inf}, "top_k": 6},
    {"allowed_ids": (1, 2, 3, 4, 5, 6, 7)},
    {"no_repeat_ngram_size": 1, "top_k": 4},
    {"dry_multiplier": 1.0, "dry_allowed_length": 1, "dry_breakers": (), "top_p": 0.6},
    {"min_new_tokens": 9, "bad_words": ((7,), (4, 8)), "top_k": 8},
    {"order": ("top_p", "temperature", "top_k"), "top_p": 0.8, "temperature": 0.5, "top_k": 9},
    {"order": ("top_p", "temperature"), "top_p": 0.95, "temperature": 0.5},
    {"order": ("top_k", "temperature", "repetition_penalty"), "top_k": 9, "temperature": 2.0},
]
# Of these, what is known of a tail tells exactly what can become of it.
PLAIN = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.3},
    {"temperature": 0.0},
    {"top_k": 8, "temperature": 0.8},
    {"top_k": 20},
    {"top_p": 0.5},
    {"top_p": 0.9, "temperature": 0.6},
]


def named(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items()) or "plain"


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
@pytest.mark.parametrize(
    "top", [8, *(pytest.param(top, marks=pytest.mark.slow) for top in (1, 50, 120))]
)
def test_what_is_decided_is_what_the_chain_draws_from_the_whole_row(
    settings: dict[str, Any], top: int, tmp_path: Path
) -> None:
    for seed, spread in enumerate((1.0, 3.0, 6.0)):
        rows = random_rows(seed, 6, spread)
        sample = recorded(tmp_path / "t", rows, SamplingConfig(seed=seed), top)
        config = replay_config(sample, settings)
        chain = SamplerChain(SamplingConfig(**settings, seed=seed))
        chain.bind(ByteTokenizer())
        history = list(PROMPT)
        for found, row in zip(replay(sample, config).positions, rows, strict=True):
            memory = chain.memory(len(history) - len(PROMPT))
            if found.token is not None:
                fresh = SamplerChain(chain.config)
                fresh.bind(ByteTokenizer())
                fresh.recall(memory)
                draw = fresh.sample(row, history, prompt_length=len(PROMPT))
                assert found.token == draw.token
                if found.interval is not None and draw.interval is not None:
                    assert draw.interval[0] - 1e-9 <= found.interval[0]
                    assert found.interval[1] <= draw.interval[1] + 1e-9
            chain.witness(row, history, found.recorded, prompt_length=len(PROMPT))
            history.append(found.recorded)


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
def test_a_record_of_the_whole_row_decides_everything(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    rows = random_rows(3, 6, 3.0)
    sample = recorded(tmp_path / "t", rows, SamplingConfig(seed=3), 300)
    history = list(PROMPT)
    for found, row in zip(
        replay(sample, replay_config(sample, settings)).positions, rows, strict=True
    ):
        left = drawn(row, history, SamplingConfig(**settings, seed=3)) is not None
        assert found.decided == left
        history.append(found.recorded)


@pytest.mark.parametrize("settings", PLAIN, ids=named)
@pytest.mark.parametrize("top", [8, 50])
def test_what_is_undecided_is_another_token_in_another_row_of_the_same_record(
    settings: dict[str, Any], top: int, tmp_path: Path
) -> None:
    config = SamplingConfig(**settings, seed=1)
    rows = random_rows(11, 4, 2.0, ties=False)
    sample = recorded(tmp_path / "t", rows, SamplingConfig(top_k=2, seed=1), top)
    history = list(PROMPT)
    positions = replay(sample, replay_config(sample, {"top_k": 0, **settings})).positions
    for found, row, seen in zip(positions, rows, sample.positions, strict=True):
        rows_too = other_rows(row, seen.tokens.tolist())
        tokens = {drawn(each, history, config) for each in rows_too}
        assert found.decided == (len(tokens) == 1)
        history.append(found.recorded)


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
@pytest.mark.parametrize(
    "top", [8, *(pytest.param(top, marks=pytest.mark.slow) for top in (1, 300))]
)
def test_the_recorded_settings_give_the_recorded_tokens(
    settings: dict[str, Any], top: int, tmp_path: Path
) -> None:
    sample = recorded(
        tmp_path / "t", random_rows(5, 8, 3.0), SamplingConfig(**settings, seed=9), top
    )
    verify(sample, "t")
    rerun = replay(sample, replay_config(sample, {}))
    assert [one.token for one in rerun.positions] == [one.token for one in sample.positions]
    assert rerun.divergence is None and rerun.undecided == 0


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_goes_on_from_what_was_recorded(version: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"mirostat": version, "mirostat_tau": 3.0, "temperature": 0.8}
    sample = recorded(
        tmp_path / "t", random_rows(5, 8, 3.0), SamplingConfig(**settings, seed=9), 120
    )
    verify(sample, "t")
    assert replay(sample, replay_config(sample, {})).undecided == 0


def test_another_seed_is_other_luck(tmp_path: Path) -> None:
    rows = random_rows(2, 6, 3.0)
    sample = recorded(tmp_path / "t", rows, SamplingConfig(top_k=8, seed=1), 50)
    rerun = replay(sample, replay_config(sample, {"seed": 77}))
    other = drawn(rows[0], PROMPT, SamplingConfig(top_k=8, seed=77))
    assert rerun.positions[0].token == other


def test_what_is_told_ends_with_the_first_other_token(tmp_path: Path) -> None:
    rows = random_rows(2, 8, 3.0)
    sample = recorded(tmp_path / "t", rows, SamplingConfig(top_k=8, seed=1), 8)
    rerun = replay(sample, replay_config(sample, {"temperature": 3.0}))
    assert rerun.divergence is not None
    assert rerun.told()[-1] is rerun.divergence
    assert not any(one.differs for one in rerun.told()[:-1])


def test_a_text_needs_a_tokenizer(tmp_path: Path) -> None:
    sample = recorded(tmp_path / "t", random_rows(0, 2, 3.0), SamplingConfig(seed=1), 300)
    for given in ({"bad_words": ("the",)}, {"dry_multiplier": 1.0}):
        with pytest.raises(SamplingError, match="--tokenizer"):
            replay_config(sample, given)
        tokenizer: Any = ScriptedModel("").tokenizer
        replay(sample, replay_config(sample, given, tokenizer))


def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    sample = recorded(tmp_path / "t", random_rows(0, 4, 3.0), SamplingConfig(top_k=4, seed=1), 8)
    first = sample.positions[0]
    other = next(token for token in first.tokens.tolist() if token != first.token)
    edited = dataclasses.replace(
        sample, positions=(dataclasses.replace(first, token=other), *sample.positions[1:])
    )
    with pytest.raises(TraceError, match="position 3 of sample 0"):
        verify(edited, "t")
