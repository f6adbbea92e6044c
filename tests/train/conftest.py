"""A recipe and a corpus of toy size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RECIPE = """
name = "toy"
seed = 1
tokenizer_sources = [{ path = "text.txt", kind = "text" }, { path = "chat.jsonl", kind = "chat" }]

[shape]
vocab_size = 290
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
max_position_embeddings = 64

[[phases]]
name = "pre"
kind = "pretrain"
row_length = 16
batch_rows = 4
matrix_lr = 0.02
other_lr = 0.01
sources = [{ path = "text.txt", kind = "text", epochs = 8 }]

[[phases]]
name = "sft"
kind = "sft"
row_length = 64
batch_rows = 2
matrix_lr = 0.02
other_lr = 0.01
sources = [{ path = "chat.jsonl", kind = "chat", epochs = 10 }]
"""
DOCUMENTS = [f"第{n}座山很高，河也很长。The hill number {n} is high." for n in range(12)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "text.txt").write_text("\n\n".join(DOCUMENTS), encoding="utf-8")
    talk = {
        "messages": [
            {"role": "user", "content": "你好"},
            {"role": "assistant", "content": "你好！很高兴见到你。"},
        ]
    }
    lines = [json.dumps(talk, ensure_ascii=False)] * 4
    (folder / "chat.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return folder
