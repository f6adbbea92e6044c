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

FLOATS = [
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
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
    assert "hf, llamacpp, vllm, mlx" in refused(order="fastest")
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
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert copy.deepcopy(FULL) == FULL
    assert SamplingConfig(**dataclasses.asdict(FULL)) == FULL


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SamplingError, match="'top_q'"):
        SamplingConfig.from_dict({"top_q": 1})
    with pytest.raises(SamplingError, match="token ids as keys"):
        SamplingConfig.from_dict({"logit_bias": {"x": 1}})


def test_only_temperature_zero_is_greedy() -> None:
    assert SamplingConfig(temperature=0).greedy and not SamplingConfig(temperature=1e-9).greedy
