"""What other programs are told, held to their own parsers where they are at hand."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from transformers import GenerationConfig

from chatcli.sampling.catalog import CATALOG
from chatcli.sampling.elsewhere import Elsewhere, elsewhere
from chatcli.sampling.orders import STAGE_NAMES
from chatcli.sampling.types import SamplingConfig

# Every stage on, so that none is passed over.
ALL = SamplingConfig(
    temperature=0.7,
    dynatemp_range=0.2,
    top_k=5,
    top_p=0.9,
    min_p=0.1,
    typical_p=0.8,
    repetition_penalty=1.1,
    frequency_penalty=0.5,
    presence_penalty=0.25,
    logit_bias={3: 1.5, 9: -math.inf},
    sequence_bias=(((1, 2), 1.0),),
    bad_words=((5, 6), "山"),
    allowed_ids=(1, 2),
    min_length=3,
    min_new_tokens=4,
    dry_multiplier=0.8,
    no_repeat_ngram_size=3,
    top_n_sigma=1.5,
    top_h=0.4,
    epsilon_cutoff=0.01,
    eta_cutoff=0.02,
    p_less=True,
    xtc_probability=0.5,
    adaptive_target=0.3,
    mirostat=2,
    order="textgen",
)


def told(config: SamplingConfig) -> dict[str, Elsewhere]:
    return {each.program: each for each in elsewhere(config)}


def test_every_stage_is_told_of_or_called_missing() -> None:
    assert {stage.name for stage in CATALOG.values() if stage.active(ALL)} == set(STAGE_NAMES)
    missing = {
        "transformers": {
            *("frequency_penalty", "presence_penalty", "dry", "top_n_sigma", "p_less", "xtc"),
            *("adaptive_p", "mirostat", "allowed", "dynatemp_range"),
        },
        "llama.cpp": {
            *("sequence_bias", "bad_words", "min_length", "min_new_tokens", "allowed", "top_h"),
            *("no_repeat_ngram", "epsilon", "eta", "p_less"),
        },
        "vLLM": {
            *("sequence_bias", "min_length", "dry", "no_repeat_ngram", "top_n_sigma", "top_h"),
            *("typical_p", "epsilon", "eta", "p_less", "xtc", "adaptive_p", "mirostat"),
            "dynatemp_range",
        },
        "mlx-lm": {
            *("sequence_bias", "bad_words", "min_length", "min_new_tokens", "allowed", "dry"),
            *("no_repeat_ngram", "top_n_sigma", "top_h", "typical_p", "epsilon", "eta", "p_less"),
            *("adaptive_p", "mirostat", "dynatemp_range"),
        },
    }
    for name, each in told(ALL).items():
        assert {one.split()[0] for one in each.missing} == missing[name]


def test_transformers_takes_what_it_is_told() -> None:
    config = SamplingConfig(**{**_fields(ALL), "mirostat": 0, "bad_words": ((5, 6),)})
    flags = told(config)["transformers"].flags
    source = f"GenerationConfig({', '.join(flags)})"
    made = eval(source, {"GenerationConfig": GenerationConfig, "float": float})
    for name in ("temperature", "top_h", "top_k", "epsilon_cutoff", "eta_cutoff", "min_length"):
        assert getattr(made, name) == getattr(config, name)
    assert made.bad_words_ids == [[5, 6]] and made.no_repeat_ngram_size == 3
    assert all(flag.split("=")[0] in inspect.getsource(GenerationConfig) for flag in flags)


def _fields(config: SamplingConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, ["--temp 1", "--top-k 0", "--top-p 1", "--min-p 0"]),
        ({"temperature": 0}, ["--temp 0"]),
        ({"mirostat": 2}, ["--mirostat 2", "--temp 1"]),
        (
            {"mirostat": 1, "mirostat_tau": 3, "temperature": 0.5},
            ["--temp 0.5", "--mirostat 1", "--mirostat-ent 3"],
        ),
        (
            {"presence_penalty": 1, "penalty_window": 9, "temperature": 0},
            ["--temp 0", "--presence-penalty 1", "--repeat-last-n 9"],
        ),
        (
            {"logit_bias": {3: 1.5, 4: -2}, "temperature": 0},
            ["--temp 0", "--logit-bias 3+1.5 --logit-bias 4-2"],
        ),
        (
            {"order": "llamacpp", "top_k": 5, "temperature": 0.5, "adaptive_target": 0.2},
            [
                *("--top-k 5", "--temp 0.5", "--adaptive-target 0.2", "--top-p 1", "--min-p 0"),
                '--samplers "top_k;temperature;adaptive_p"',
            ],
        ),
    ],
)
def test_llamacpp_is_told_what_it_would_do_otherwise(
    settings: dict[str, Any], flags: list[str]
) -> None:
    assert list(told(SamplingConfig(**settings))["llama.cpp"].flags) == flags


def test_what_differs_all_the_same_is_said() -> None:
    penalised = told(SamplingConfig(presence_penalty=1.0, top_k=3, top_p=0.5))
    assert penalised["llama.cpp"].remarks == ("--repeat-last-n wants the length of the context",)
    assert penalised["vLLM"].remarks == ("frequency and presence are counted in the reply alone",)
    short = told(SamplingConfig(repetition_penalty=2.0, penalty_window=8))
    assert short["transformers"].remarks == ("penalties see the whole context",)
    text = told(SamplingConfig(bad_words=("山",)))
    assert text["transformers"].remarks == ("bad words want ids",)
