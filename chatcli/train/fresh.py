"""The model to pretrain: transformers' own Qwen3 class, new or from a checkpoint of one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from chatcli.train.recipe import Shape

__all__ = ["new_model", "read_model"]


def new_model(shape: Shape, bos: int, eos: int, seed: int) -> nn.Module:
    """A randomly initialised transformers Qwen3 model (tied head, float32)."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_id=eos,
        use_cache=False,
    )
    model: nn.Module = Qwen3ForCausalLM(config)
    return model


def read_model(folder: Path) -> nn.Module:
    """The model of a checkpoint folder in float32. Raises as `chatcli.model.load` does."""
    from chatcli.model.transformers import load_module

    model: nn.Module = load_module(
        folder, dtype=torch.float32, name=folder.name, notice=lambda line: None
    )
    return model
