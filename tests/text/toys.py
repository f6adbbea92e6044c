"""Small tokenizers, written to disk as checkpoints bring them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from chatcli.text.pieces import ALPHABET

__all__ = ["CHATML", "byte_level", "save", "sentencepiece_like"]

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def byte_level(*special: str, added: tuple[AddedToken, ...] = ()) -> Tokenizer:
    """Byte-level BPE with one piece a byte and three merges; then the tokens given."""
    pieces = [*ALPHABET, "th", "the", "Ġthe"]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in special])
    backend.add_tokens(list(added))
    return backend


def sentencepiece_like(scheme: str) -> Tokenizer:
    """A Llama-2-like BPE with byte fallback; `scheme` says where the leading space goes."""
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *"abcxy<>/s",
    ]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(
        models.BPE(vocab=vocab, merges=[], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = [AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")]
    backend.add_special_tokens(special)
    return backend


def save(folder: Path, backend: Tokenizer | None = None, **files: Any) -> Path:
    """Write tokenizer.json and the JSON files named by keyword (config=… → config.json)."""
    folder.mkdir(parents=True, exist_ok=True)
    if backend is not None:
        backend.save(str(folder / "tokenizer.json"))
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder
