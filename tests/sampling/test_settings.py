"""What a SamplingConfig accepts, refuses, and keeps through serialisation."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pytest

from chatcli.errors import SamplingError
from chatcli.sampling.orders import PRESETS
from chatcli.sampling.types import SamplingConfig
from chatcli.sampling.words import read_word, read_word_bias

FLOATS = [
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "dry_multiplier",
    "dry_base",
    "dynatemp_range",
    "dynatemp_exponent",
    "top_n_sigma",
    "top_h",
    "epsilon_cutoff",
    "eta_cutoff",
    "xtc_probability",
    "xtc_threshold",
    "adaptive_target",
    "adaptive_decay",
    "mirostat_tau",
    "mirostat_eta",
]
FULL = SamplingConfig(
    temperature=0.7,
    top_k=5,
    top_p=0.9,
    min_p=0.1,
    typical_p=0.8,
    repetition_penalty=1.1,
    frequency_penalty=-0.5,
    presence_penalty=0.25,
    penalty_window=16,
    logit_bias={3: 1.5, 9: float("-inf")},
    sequence_bias=(("山", 1.5), ((3, 4), float("-inf"))),
    bad_words=("x\n", (7,), (8, 9)),
    allowed_ids=(3, 9),
    min_length=4,
    min_new_tokens=2,
    eos_ids=(0,),
    dry_multiplier=0.8,
    dry_base=1.5,
    dry_allowed_length=3,
    dry_window=9,
    dry_breakers=("\n", (5,)),
    no_repeat_ngram_size=3,
    dynatemp_range=0.25,
    dynatemp_exponent=2.0,
    top_n_sigma=1.5,
    top_h=0.5,
    epsilon_cutoff=0.01,
    eta_cutoff=0.02,
    p_less=True,
    xtc_probability=0.5,
    xtc_threshold=0.2,
    xtc_spared=((6,),),
    adaptive_target=0.25,
    adaptive_decay=0.5,
    mirostat=2,
    mirostat_tau=3.0,
    mirostat_eta=0.2,
    order=("top_k", "temperature"),
    seed=2**64 - 1,
)


def refused(**setting: Any) -> str:
    with pytest.raises(SamplingError) as caught:
        SamplingConfig(**setting)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 1e-300),
        ("top_k", -1),
        ("top_k", 4.0),
        ("top_p", 0.0),
        ("top_p", 1.0001),
        ("min_p", -0.01),
        ("min_p", 1.05),
        ("typical_p", 0),
        ("typical_p", 1.2),
        ("repetition_penalty", 0),
        ("repetition_penalty", -1.0),
        ("frequency_penalty", 1e39),
        ("penalty_window", -1),
        ("penalty_window", 2.5),
        ("seed", -1),
        ("seed", 2**64),
        ("seed", 1.0),
        ("logit_bias", [1, 2]),
        ("order", 7),
        ("temperature", "warm"),
        ("bad_words", "one"),
        ("bad_words", 5),
        ("allowed_ids", []),
        ("sequence_bias", 7),
        ("sequence_bias", [[1]]),
        ("p_less", 1),
        ("dry_base", 0.9),
        ("dry_allowed_length", -1),
        ("no_repeat_ngram_size", -1),
        ("epsilon_cutoff", 1),
        ("eta_cutoff", 1.0),
        ("top_h", 1.1),
        ("xtc_probability", 1.01),
        ("xtc_threshold", -0.1),
        ("adaptive_target", -0.5),
        ("adaptive_decay", 1.0),
        ("mirostat", 3),
        ("mirostat_tau", -1),
        ("top_k", None),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(name: str, value: Any) -> None:
    message = refused(**{name: value})
    assert message.startswith(f"{name} is {value!r}, but must be ") and "\n" not in message


def test_no_message_speaks_of_none() -> None:
    assert "None" not in refused(seed=-1) + refused(penalty_window=-1)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused(name: str, value: float) -> None:
    assert name in refused(**{name: value})


@pytest.mark.parametrize("name", [*FLOATS, "top_k", "penalty_window", "seed"])
def test_a_bool_is_no_number(name: str) -> None:
    assert name in refused(**{name: True})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", True])
def test_a_bias_is_finite_or_a_ban(value: Any) -> None:
    assert refused(logit_bias={5: value}).startswith("logit_bias[5] is")
    assert SamplingConfig(logit_bias={5: float("-inf")}).logit_bias[5] == float("-inf")


@pytest.mark.parametrize("token", [-1, "5", 1.0, True])
def test_a_bias_names_token_ids(token: Any) -> None:
    assert "token ids" in refused(logit_bias={token: 1.0})


def test_an_order_is_a_known_name_or_known_stages_named_once() -> None:
    assert "hf, llamacpp, vllm, mlx, textgen" in refused(order="fastest")
    assert "'top_q'" in refused(order=("top_k", "top_q"))
    assert refused(order=["top_k", "temperature", "top_k"]).startswith(
        "order is 'top_k,temperature,top_k', but must be a list that names each stage once"
    )
    assert SamplingConfig(order=["top_k", "top_p"]).order == ("top_k", "top_p")  # type: ignore[arg-type]


def test_each_preset_names_every_stage_once() -> None:
    names = set(PRESETS["hf"].stages)
    for preset in PRESETS.values():
        assert set(preset.stages) == names and len(preset.stages) == len(names)


def test_numbers_take_their_canonical_types() -> None:
    config = SamplingConfig(
        temperature=np.float32(0.5),  # type: ignore[arg-type]
        top_k=np.int64(3),  # type: ignore[arg-type]
        logit_bias={np.int64(2): 1},  # type: ignore[dict-item]
    )
    assert config == SamplingConfig(temperature=0.5, top_k=3, logit_bias={2: 1.0})
    assert type(config.temperature) is float and type(config.top_k) is int


def test_a_config_cannot_be_changed_through_its_bias() -> None:
    given = {1: 2.0}
    config = SamplingConfig(logit_bias=given)
    given[1] = 3.0
    assert config.logit_bias == {1: 2.0}
    with pytest.raises(TypeError):
        config.logit_bias[1] = 3.0  # type: ignore[index]
    with pytest.raises(TypeError):
        config.logit_bias.update({1: 3.0})  # type: ignore[attr-defined]


def test_equal_configs_hash_equal() -> None:
    other = dataclasses.replace(FULL, logit_bias={9: float("-inf"), 3: 1.5})
    assert other == FULL and hash(other) == hash(FULL)
    assert dataclasses.replace(FULL, top_k=6) != FULL


def test_a_config_survives_json_pickle_and_copy() -> None:
    text = json.dumps(FULL.to_dict(), allow_nan=False)
    assert SamplingConfig.from_dict(json.loads(text)) == FULL
    assert all(getattr(FULL, each.name) != each.default for each in dataclasses.fields(FULL))
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert copy.deepcopy(FULL) == FULL
    assert SamplingConfig(**dataclasses.asdict(FULL)) == FULL


def test_a_config_that_was_kept_before_there_were_more_settings_still_loads() -> None:
    kept = {"temperature": 0.5, "top_k": 3, "logit_bias": {"4": None}, "order": "mlx", "seed": 7}
    found = SamplingConfig.from_dict(kept)
    assert found == SamplingConfig(
        temperature=0.5, top_k=3, logit_bias={4: float("-inf")}, order="mlx", seed=7
    )


@pytest.mark.parametrize("word", ["", (), [], [-1], [1.5], [True], None])
def test_a_word_is_a_text_or_ids_and_never_empty(word: Any) -> None:
    assert "bad_words is" in refused(bad_words=[word])
    assert "dry_breakers is" in refused(dry_breakers=["ok", word])
    assert "sequence_bias is" in refused(sequence_bias=[(word, 1.0)])


def test_words_take_one_form_whatever_they_were_given_in() -> None:
    config = SamplingConfig(
        bad_words=[5, [5], "a", np.array([6, 7])],  # type: ignore[arg-type]
        sequence_bias={(1, 2): 1, "b": float("-inf")},  # type: ignore[arg-type]
    )
    assert config.bad_words == ((5,), "a", (6, 7))
    assert config.sequence_bias == (((1, 2), 1.0), ("b", float("-inf")))
    later = SamplingConfig(sequence_bias=[((1,), 1.0), ((1,), 2.0)])  # type: ignore[arg-type]
    assert later.sequence_bias == (((1,), 2.0),)


@pytest.mark.parametrize("bias", [float("nan"), float("inf"), "x", True])
def test_a_sequences_bias_is_finite_or_a_ban(bias: Any) -> None:
    assert refused(sequence_bias={(5,): bias}).startswith("sequence_bias[(5,)] is")


@pytest.mark.parametrize(
    ("text", "word"),
    [("猫", "猫"), ("[5,6]", (5, 6)), ("[5, 6]", "[5, 6]"), ("\\[5]", "[5]"), ("[]", "[]")],
)
def test_a_word_is_typed_as_text_or_as_ids(text: str, word: Any) -> None:
    assert read_word(text) == word
    assert read_word_bias(f"{text}=-2.5") == (word, -2.5)


@pytest.mark.parametrize("text", ["a", "a=", "a=b", "=x"])
def test_a_typed_bias_needs_its_number(text: str) -> None:
    with pytest.raises(SamplingError, match="WORD=X"):
        read_word_bias(text)


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SamplingError, match="'top_q'"):
        SamplingConfig.from_dict({"top_q": 1})
    with pytest.raises(SamplingError, match="token ids as keys"):
        SamplingConfig.from_dict({"logit_bias": {"x": 1}})


def test_only_temperature_zero_is_greedy() -> None:
    assert SamplingConfig(temperature=0).greedy and not SamplingConfig(temperature=1e-9).greedy
