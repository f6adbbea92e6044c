"""Random checkpoints of well-known sizes, written to a folder that any engine loads.

Speed doesn't depend on what the weights are, only on their shapes. The tokenizer has the
256 bytes alone; the rows of the model's head beyond them are padding to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from chatcli.model.native.config import NativeConfig
from chatcli.model.native.layout import layout_of

__all__ = ["SHAPES", "write_random_checkpoint"]

_COMMON = {
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,
    "dtype": "bfloat16",
}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "110M": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 32000,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "head_dim": 64,
        **_COMMON,
    },
    "600M": {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": 151936,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        **_COMMON,
    },
}


def write_random_checkpoint(folder: Path, config: Mapping[str, Any]) -> Path:
    """Write config, bfloat16 weights and tokenizer into `folder`, which is made; return it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    shape = NativeConfig.from_json(config)
    torch.manual_seed(0)
    weights = {name: _random(size) for name, size in layout_of(shape, frozenset()).expected(shape)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _random(size: tuple[int, ...]) -> torch.Tensor:
    """Norms are ones; matrices keep the size of what they multiply, as trained ones do."""
    if len(size) == 1:
        return torch.ones(size, dtype=torch.bfloat16)
    return torch.empty(size, dtype=torch.bfloat16).normal_(std=size[-1] ** -0.5)


def _byte_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
