"""Configs that lie or ask for what isn't there are refused, each by one clear line."""

from __future__ import annotations

from typing import Any

import pytest

from chatcli.errors import CheckpointError, UnsupportedError
from chatcli.model.native.config import NativeConfig, native_supports
from tests.fakes import tiny_config

GPT2 = {"model_type": "gpt2", "vocab_size": 50, "n_embd": 32, "n_head": 4, "n_layer": 2}


def yarn(**settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, **settings}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hidden_size": -32}, "hidden_size is -32"),
        ({"hidden_size": 10**12}, "hidden_size is 1000000000000"),
        ({"hidden_size": 32.5}, "hidden_size is 32.5"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": 2**40}, "vocab_size"),
        ({"max_position_embeddings": 2**62}, "max_position_embeddings"),
        ({"intermediate_size": "64"}, "intermediate_size is '64'"),
        ({"num_attention_heads": 5, "head_dim": None}, "multiple of num_attention_heads = 5"),
        ({"num_key_value_heads": 3}, "divisor of the 4 heads"),
        ({"head_dim": 7}, "head_dim is 7; it must be even"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"rms_norm_eps": 0}, "rms_norm_eps is 0"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
        ({"rope_parameters": [1, 2]}, "rope_parameters is .1, 2.; it must be an object"),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor is missing"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 0}}, "factor is 0"),
        ({"rope_parameters": {"rope_theta": float("inf")}}, "rope_theta is inf"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor is missing"),
        (
            {
                "rope_parameters": {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "low_freq_factor": 4.0,
                    "high_freq_factor": 4.0,
                }
            },
            "below high_freq_factor",
        ),
        (yarn(rope_theta=1.0), "rope_theta is 1.0"),
        ({"model_type": "qwen2", "layer_types": ["full_attention"]}, "a list of 2 names"),
        ({"model_type": "qwen2", "layer_types": ["sliding_attention"] * 2}, "no sliding_window"),
        ({"model_type": "mistral", "sliding_window": 0}, "sliding_window is 0"),
        ({**GPT2, "n_head": 5}, "multiple of n_head = 5"),
        ({**GPT2, "hidden_size": 3, "n_embd": "wide"}, "n_embd is 'wide'"),
    ],
)
def test_a_config_that_lies_is_a_checkpoint_error(overrides: dict[str, Any], message: str) -> None:
    config = tiny_config(**overrides)
    with pytest.raises(CheckpointError, match=message) as caught:
        NativeConfig.from_json(config)
    assert not isinstance(caught.value, UnsupportedError)
    assert "\n" not in str(caught.value)
    assert native_supports(config)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model_type": "gpt_neox"}, "gpt_neox"),
        ({"model_type": None}, "architecture None"),
        ({"model_type": ["llama"]}, "architecture"),
        ({"hidden_act": "xielu"}, "hidden_act 'xielu'"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope type 'longrope'"),
        ({"rope_scaling": {"type": "su", "factor": 2.0}}, "rope type 'su'"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}, "by layer type"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial rotary"),
        ({"partial_rotary_factor": 0.25}, "partial rotary"),
        ({"model_type": "qwen3", "layer_types": ["linear_attention"] * 2}, "linear_attention"),
        ({"model_type": "mistral", "layer_types": ["full_attention"] * 2}, "mix full and sliding"),
        ({**GPT2, "add_cross_attention": True}, "cross-attention"),
        ({**GPT2, "activation_function": "laplace"}, "activation_function 'laplace'"),
    ],
)
def test_what_would_change_results_and_is_unknown_is_refused(
    overrides: dict[str, Any], message: str
) -> None:
    config = tiny_config(**overrides)
    with pytest.raises(UnsupportedError, match=message) as caught:
        NativeConfig.from_json(config)
    assert "\n" not in str(caught.value)
    assert not native_supports(config)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(CheckpointError) as caught:
        NativeConfig.from_json(tiny_config(hidden_size="9" * 10**6))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("family", "heads", "tied"),
    [("llama", 4, False), ("mistral", 8, False), ("qwen2", 32, False), ("qwen3", 32, False)],
)
def test_absent_fields_get_the_defaults_of_the_family(family: str, heads: int, tied: bool) -> None:
    config = tiny_config(model_type=family, num_attention_heads=4 if family == "llama" else 32)
    del config["num_key_value_heads"], config["tie_word_embeddings"]
    read = NativeConfig.from_json(config)
    assert (read.n_kv_head, read.tied) == (heads, tied)


def test_a_null_count_of_kv_heads_means_one_for_each_head() -> None:
    config = tiny_config(model_type="mistral", num_key_value_heads=None)
    assert NativeConfig.from_json(config).n_kv_head == 4


def test_gpt2_ties_its_head_unless_told_otherwise() -> None:
    assert NativeConfig.from_json(GPT2).tied
    assert not NativeConfig.from_json({**GPT2, "tie_word_embeddings": False}).tied


def test_the_context_before_scaling_is_read_beside_the_rope_settings_first() -> None:
    settings = yarn(original_max_position_embeddings=64)
    beside = tiny_config(**settings, original_max_position_embeddings=32)
    ropes = [NativeConfig.from_json(config).rope for config in (tiny_config(**settings), beside)]
    assert [rope and rope.original_context for rope in ropes] == [64, 32]


def test_qwen_without_use_sliding_window_sees_everything() -> None:
    config = tiny_config(model_type="qwen2", sliding_window=8, max_window_layers=0)
    assert NativeConfig.from_json(config).windows == (None, None)
    config["use_sliding_window"] = True
    assert NativeConfig.from_json(config).windows == (8, 8)
