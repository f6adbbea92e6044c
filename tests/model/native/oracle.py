"""Tiny random checkpoints of every family, and what transformers makes of them.

Every parameter is redrawn, norms and biases included, so that no wrong decoder can pass by
luck: a bias of zero or a norm of one would hide that it is never read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

__all__ = ["CASES", "PROMPT", "Case", "Reference", "write_checkpoint"]

VOCAB = 96
WINDOW = 8
ORIGINAL = 16
# Longer than the sliding window and than the context before rope scaling.
PROMPT = [(17 * place * place + 5 * place + 3) % VOCAB for place in range(40)]

_LLAMA = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-2,
}
_GPT2 = {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128}


@dataclass(frozen=True, slots=True)
class Case:
    """A config for transformers, by its model type and fields; `seed` draws its weights.

    Seeds are chosen so that greedy decoding doesn't settle into a short loop.
    """

    name: str
    model_type: str
    fields: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


def _rope(rope_type: str, **settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": rope_type, "rope_theta": 500.0, **settings}}


def _llama(name: str, model_type: str, seed: int = 0, **fields: Any) -> Case:
    return Case(name, model_type, {**_LLAMA, **fields}, seed)


CASES = {
    case.name: case
    for case in (
        Case("gpt2", "gpt2", {**_GPT2, "layer_norm_epsilon": 1e-2}, seed=37),
        Case(
            "gpt2-untied",
            "gpt2",
            {
                **_GPT2,
                "tie_word_embeddings": False,
                "n_inner": 40,
                "activation_function": "relu",
                "scale_attn_weights": False,
                "scale_attn_by_inverse_layer_idx": True,
                "reorder_and_upcast_attn": True,
            },
            seed=7,
        ),
        _llama("llama1", "llama", num_key_value_heads=4, **_rope("default")),
        _llama("llama2-linear", "llama", **_rope("linear", factor=4.0)),
        _llama("llama-dynamic", "llama", **_rope("dynamic", factor=4.0)),
        _llama(
            "llama3",
            "llama",
            head_dim=12,
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=True,
            hidden_act="gelu",
            **_rope(
                "llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=ORIGINAL,
            ),
        ),
        _llama(
            "llama-yarn",
            "llama",
            **_rope(
                "yarn",
                factor=5.0,
                beta_fast=1.0,
                beta_slow=0.25,
                truncate=False,
                attention_factor=1.4,
                original_max_position_embeddings=ORIGINAL,
            ),
        ),
        _llama("mistral", "mistral", sliding_window=WINDOW, **_rope("default")),
        _llama(
            "mistral-full",
            "mistral",
            sliding_window=None,
            head_dim=6,
            **_rope(
                "yarn",
                factor=5.0,
                mscale=1.3,
                mscale_all_dim=0.4,
                original_max_position_embeddings=ORIGINAL,
            ),
        ),
        _llama(
            "qwen2",
            "qwen2",
            seed=1,
            use_sliding_window=True,
            sliding_window=WINDOW,
            max_window_layers=1,
            layer_types=None,
            tie_word_embeddings=True,
            **_rope("default"),
        ),
        _llama("qwen2-full", "qwen2", sliding_window=WINDOW, **_rope("default")),
        _llama(
            "qwen3",
            "qwen3",
            seed=2,
            head_dim=12,
            attention_bias=True,
            use_sliding_window=True,
            sliding_window=WINDOW,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            tie_word_embeddings=True,
            **_rope(
                "yarn",
                factor=5.0,
                original_max_position_embeddings=ORIGINAL,
            ),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A checkpoint folder with transformers' own results on it, in float32.

    `logits` [40, V] are of PROMPT, `greedy` the 64 ids that `generate` appends to it.
    """

    folder: Path
    logits: Tensor
    greedy: list[int]

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self.folder / "config.json").read_text())
        return config


def write_checkpoint(case: Case, folder: Path) -> Reference:
    """Draw the weights of `case`, save them as transformers does, and run it."""
    config = AutoConfig.for_model(
        case.model_type, bos_token_id=None, eos_token_id=None, **case.fields
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    _redraw(model, torch.Generator().manual_seed(case.seed))
    model.save_pretrained(folder)
    prompt = torch.tensor([PROMPT])
    with torch.no_grad():
        logits = model(prompt).logits[0]
    grown = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=64, do_sample=False
    )
    return Reference(folder, logits, grown[0, len(PROMPT) :].tolist())


def _redraw(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Every parameter anew: norm weights around 1, all else around 0, deviation 0.3."""
    for name, parameter in model.named_parameters():
        centre = float("norm" in name or "ln_" in name) * float(name.endswith("weight"))
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(centre + 0.3 * drawn)
