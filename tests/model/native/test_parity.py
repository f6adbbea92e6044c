"""The native decoder computes what transformers computes, and no field of a config is idle."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatcli.errors import ChatcliError
from tests.model.native.loading import greedy, load, with_config
from tests.model.native.oracle import CASES, PROMPT, Reference, write_checkpoint

TOLERANCE = 1e-4
# A decoder that ignores a field must be off by far more than rounding.
BROKEN = 100 * TOLERANCE

Write = Callable[[str], Reference]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """The checkpoint of a case, written once, with transformers' results on it."""

    @functools.cache
    def written(name: str) -> Reference:
        return write_checkpoint(CASES[name], tmp_path_factory.mktemp("parity") / name)

    return written


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(write: Write, case: str) -> None:
    reference = write(case)
    model = load(reference.folder)
    logits = model.forward(PROMPT, model.new_cache())
    assert reference.logits.std() > 1
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, reference.logits, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_greedy_ids_equal_those_of_transformers(write: Write, case: str) -> None:
    reference = write(case)
    assert len(set(reference.greedy)) >= 20
    assert greedy(load(reference.folder), PROMPT, 64) == reference.greedy


@pytest.mark.parametrize("case", CASES)
def test_cached_equals_uncached(write: Write, case: str) -> None:
    model = load(write(case).folder)
    whole = model.forward(PROMPT, model.new_cache())
    cache = model.new_cache()
    parts = [PROMPT[:5], *([token] for token in PROMPT[5:12]), PROMPT[12:27], PROMPT[27:]]
    pieces = torch.cat([model.forward(part, cache) for part in parts])
    assert list(cache.tokens) == PROMPT
    torch.testing.assert_close(pieces, whole, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_cropped_and_continued_equals_fresh(write: Write, case: str) -> None:
    model = load(write(case).folder)
    cache = model.new_cache()
    model.forward(PROMPT, cache)
    other = [*PROMPT[:21], *reversed(PROMPT[21:])]
    suffix = cache.reuse(other)
    assert suffix == other[21:]
    continued = model.forward(suffix, cache)
    fresh = model.forward(other, model.new_cache())[21:]
    torch.testing.assert_close(continued, fresh, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", ["gpt2", "llama3", "mistral", "qwen3"])
def test_16_bit_stays_near_float32(write: Write, case: str, dtype: torch.dtype) -> None:
    model = load(write(case).folder, dtype)
    cache = model.new_cache()
    logits = torch.cat([model.forward(PROMPT[:30], cache), model.forward(PROMPT[30:33], cache)])
    last = model.forward(PROMPT[33:34], cache, last=True)
    assert logits.dtype == torch.float32
    expected = write(case).logits
    error = (torch.cat([logits, last]) - expected[:34]).abs().mean() / expected.abs().mean()
    assert error < 20 * torch.finfo(dtype).eps


def spelt_as_before(config: dict[str, Any]) -> dict[str, Any]:
    """The config in the spelling of transformers 4."""
    old = copy.deepcopy(config)
    rope = old.pop("rope_parameters")
    old["torch_dtype"] = old.pop("dtype")
    old["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    old["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    return old


@pytest.mark.parametrize("case", [name for name in CASES if "gpt2" not in name])
def test_the_older_spelling_means_the_same(write: Write, case: str, tmp_path: Path) -> None:
    reference = write(case)
    model = load(reference.folder)
    old = load(with_config(reference.folder, spelt_as_before(reference.config), tmp_path / case))
    assert old.config == model.config


def renamed(source: Path, rename: Callable[[str], str], folder: Path, config: Any) -> Path:
    tensors = load_file(source / "model.safetensors")
    with_config(source, config, folder)
    save_file(
        {rename(name): tensor for name, tensor in tensors.items()}, folder / "model.safetensors"
    )
    return folder


@pytest.mark.parametrize(("case", "prefix"), [("gpt2", "transformer."), ("qwen3", "model.")])
def test_the_prefix_of_tensor_names_may_be_absent(
    write: Write, case: str, prefix: str, tmp_path: Path
) -> None:
    reference = write(case)
    folder = renamed(
        reference.folder,
        lambda name: name.removeprefix(prefix),
        tmp_path / "bare",
        reference.config,
    )
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert greedy(load(folder), PROMPT, 8) == reference.greedy[:8]


def test_stray_buffers_of_old_checkpoints_are_ignored(write: Write, tmp_path: Path) -> None:
    reference = write("gpt2")
    folder = with_config(reference.folder, reference.config, tmp_path / "stray")
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 128, 128, dtype=torch.uint8)
    tensors["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, folder / "model.safetensors")
    assert greedy(load(folder), PROMPT, 8) == reference.greedy[:8]


ABSENT = object()
LLAMA_FIELDS = {
    "hidden_act": ABSENT,
    "hidden_size": 64,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "num_attention_heads": 8,
    "num_hidden_layers": 2,
    "num_key_value_heads": ABSENT,
    "rms_norm_eps": ABSENT,
    "tie_word_embeddings": ABSENT,
    "vocab_size": 95,
}
YARN_FIELDS = {
    f"rope_parameters.{name}": ABSENT
    for name in ("factor", "original_max_position_embeddings", "rope_theta", "rope_type")
}
# For each case, fields and what a decoder would make of them that doesn't read them.
MUTATIONS: dict[str, dict[str, Any]] = {
    "gpt2": {
        "layer_norm_epsilon": ABSENT,
        "n_embd": ABSENT,
        "n_head": 8,
        "n_layer": 2,
        "n_positions": ABSENT,
        "vocab_size": ABSENT,
    },
    "gpt2-untied": {
        "activation_function": ABSENT,
        "n_inner": ABSENT,
        "scale_attn_by_inverse_layer_idx": ABSENT,
        "scale_attn_weights": ABSENT,
        "tie_word_embeddings": ABSENT,
    },
    "llama1": {"rope_parameters": ABSENT, "rope_parameters.rope_theta": ABSENT},
    "llama2-linear": {
        "num_attention_heads": 8,
        "num_key_value_heads": ABSENT,
        "rms_norm_eps": ABSENT,
        "rope_parameters.factor": 1.0,
        "rope_parameters.rope_theta": ABSENT,
        "rope_parameters.rope_type": ABSENT,
    },
    "llama3": {
        **LLAMA_FIELDS,
        "attention_bias": ABSENT,
        "head_dim": ABSENT,
        "mlp_bias": ABSENT,
        **YARN_FIELDS,
        "rope_parameters.factor": 1.0,
        "rope_parameters.low_freq_factor": 2.0,
        "rope_parameters.high_freq_factor": 8.0,
    },
    "llama-yarn": {
        **YARN_FIELDS,
        "rope_parameters.factor": 1.0,
        "rope_parameters.attention_factor": ABSENT,
        "rope_parameters.beta_fast": ABSENT,
        "rope_parameters.beta_slow": ABSENT,
        "rope_parameters.truncate": ABSENT,
    },
    "mistral": {
        "num_key_value_heads": ABSENT,
        "rms_norm_eps": ABSENT,
        "rope_parameters.rope_theta": ABSENT,
        "sliding_window": ABSENT,
    },
    "mistral-full": {
        "head_dim": ABSENT,
        "rope_parameters.mscale": ABSENT,
        "rope_parameters.mscale_all_dim": ABSENT,
    },
    "qwen2": {
        "layer_types": ["sliding_attention"] * 3,
        "rms_norm_eps": ABSENT,
        "sliding_window": ABSENT,
        "tie_word_embeddings": ABSENT,
        "use_sliding_window": ABSENT,
    },
    "qwen3": {
        "attention_bias": ABSENT,
        "head_dim": ABSENT,
        "layer_types": ABSENT,
        "num_attention_heads": 2,
        "rms_norm_eps": ABSENT,
        "sliding_window": ABSENT,
        "tie_word_embeddings": ABSENT,
        "use_sliding_window": ABSENT,
        **YARN_FIELDS,
    },
}
# Fields of saved configs that don't change the logits of a text.
IRRELEVANT = {
    *("architectures", "bos_token_id", "dtype", "eos_token_id", "initializer_range"),
    *("pad_token_id", "transformers_version", "use_cache", "model_type"),
    *("attention_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "pretraining_tp"),
    *("summary_activation", "summary_first_dropout", "summary_proj_to_labels"),
    *("summary_type", "summary_use_proj"),
    # Only rounding in half precision; refused when true; only read without layer_types.
    *("reorder_and_upcast_attn", "add_cross_attention", "max_window_layers"),
}


def mutated(config: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *outer, name = field.split(".")
    target = changed[outer[0]] if outer else changed
    assert name in target or value is ABSENT
    if value is ABSENT:
        target.pop(name, None)
    else:
        target[name] = value
    return changed


@pytest.mark.parametrize(
    ("case", "field"),
    [(case, field) for case, fields in MUTATIONS.items() for field in fields],
)
def test_a_field_ignored_breaks_parity(write: Write, case: str, field: str, tmp_path: Path) -> None:
    reference = write(case)
    config = mutated(reference.config, field, MUTATIONS[case][field])
    assert config != reference.config
    try:
        model = load(with_config(reference.folder, config, tmp_path / "mutated"))
        logits = model.forward(PROMPT, model.new_cache())
    except ChatcliError:
        return
    assert (logits - reference.logits).abs().max() > BROKEN


def test_max_window_layers_ignored_breaks_parity(write: Write, tmp_path: Path) -> None:
    reference = write("qwen2")
    config = {**reference.config, "layer_types": None}
    model = load(with_config(reference.folder, config, tmp_path / "read"))
    logits = model.forward(PROMPT, model.new_cache())
    torch.testing.assert_close(logits, reference.logits, atol=TOLERANCE, rtol=0)
    del config["max_window_layers"]
    model = load(with_config(reference.folder, config, tmp_path / "ignored"))
    assert (model.forward(PROMPT, model.new_cache()) - reference.logits).abs().max() > BROKEN


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "qwen2", "qwen3"])
def test_every_saved_field_is_proved_to_matter_or_known_not_to(write: Write, family: str) -> None:
    proved = {field for fields in MUTATIONS.values() for field in fields}
    for name, case in CASES.items():
        if case.model_type != family:
            continue
        config = write(name).config
        rope = {f"rope_parameters.{key}" for key in config.pop("rope_parameters", {})}
        assert (set(config) | rope) - proved <= IRRELEVANT
