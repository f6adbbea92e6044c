"""Run by another interpreter: llama.cpp on the weights of a checkpoint folder, timed.

    python -I llama_peer.py FOLDER DTYPE GGUF THREADS PROMPT TOKENS

Writes the weights as GGUF in DTYPE, then answers every line of stdin with the seconds that
TOKENS greedy tokens took after PROMPT others. It needs llama-cpp-python and gguf alone. Rows
of queries and keys keep their order, which changes what is computed but not how long it takes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np

__all__ = ["main"]


def main(folder: Path, dtype: str, path: str, threads: int, prompt: int, tokens: int) -> None:
    """Write the file, load it, and answer until stdin ends."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _write(folder, config, dtype, path)
    llama = llama_cpp.Llama(
        path, n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    for _ in sys.stdin:
        sys.stdout.write(f"{_seconds(llama, config['vocab_size'], prompt, tokens)}\n")
        sys.stdout.flush()


def _seconds(llama: Any, vocab_size: int, prompt: int, tokens: int) -> float:
    llama.reset()
    llama.eval([i % vocab_size for i in range(prompt)])
    best = _best(llama, vocab_size)
    started = time.perf_counter()
    for _ in range(tokens):
        llama.eval([best])
        best = _best(llama, vocab_size)
    return time.perf_counter() - started


def _best(llama: Any, vocab_size: int) -> int:
    logits = llama_cpp.llama_get_logits_ith(llama.ctx, -1)
    return int(np.ctypeslib.as_array(logits, (vocab_size,)).argmax())


def _write(folder: Path, config: dict[str, Any], dtype: str, path: str) -> None:
    arch = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}[config["model_type"]]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for name, weight in _weights(folder):
        wide = dtype == "float32" or weight.ndim == 1  # norms are float32 in any file
        writer.add_tensor(
            names.get_name(name, (".weight",)),
            (weight.astype(np.uint32) << 16).view(np.float32) if wide else weight.view(np.uint8),
            raw_dtype=None if wide else gguf.GGMLQuantizationType.BF16,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(folder: Path) -> Iterator[tuple[str, Any]]:
    """Each bfloat16 tensor of the safetensors file, as the 16-bit words that it is."""
    path = folder / "model.safetensors"
    data = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(data[:8].view(np.uint64)[0])
    header = json.loads(bytes(data[8 : 8 + length]))
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in tensor["data_offsets"])
            yield name, data[begin:end].view(np.uint16).reshape(tensor["shape"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
