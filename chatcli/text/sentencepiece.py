"""tokenizer.model (SentencePiece) → tokenizer.json, once, kept in the user's cache folder.

The conversion is transformers' own; it is imported only here and only when the cache has
no result for these very bytes (keyed by their SHA-256).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import platformdirs
from tokenizers import AddedToken, Tokenizer, processors

from chatcli.errors import TokenizerError

__all__ = ["converted_tokenizer"]

# Types of a SentencePiece piece, as its protocol buffer numbers them.
UNKNOWN, CONTROL = 2, 3


def converted_tokenizer(model_file: Path, *, legacy: bool = True) -> Tokenizer:
    """The tokenizer of a SentencePiece file; raises TokenizerError where it can't be read.

    `legacy` puts SentencePiece's leading space before every piece of text between control
    tokens, otherwise only at the start (the setting of that name in tokenizer_config.json).
    """
    try:
        digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
    except OSError as error:
        raise TokenizerError(f"{model_file} can't be read: {error.strerror}") from error
    name = f"{digest}{'' if legacy else '-first'}.json"
    cached = Path(platformdirs.user_cache_dir("chatcli")) / "tokenizers" / name
    if cached.is_file():
        try:
            return Tokenizer.from_file(str(cached))
        except Exception:  # a cache file that was cut short is made again
            cached.unlink(missing_ok=True)
    backend = _convert(model_file, legacy)
    _keep(backend, cached)
    return backend


def _convert(model_file: Path, legacy: bool) -> Tokenizer:
    """transformers' conversion, with the control pieces and the BOS that the file declares."""
    try:
        for package in ("sentencepiece", "google.protobuf"):  # transformers needs lines to say so
            import_module(package)
        from transformers.convert_slow_tokenizer import SentencePieceExtractor, SpmConverter
    except ImportError as error:
        raise TokenizerError(
            f"{model_file} is a SentencePiece model, and {error.name} is not installed: "
            "pip install 'chatcli[sentencepiece]'"
        ) from error
    try:
        extractor = SentencePieceExtractor(str(model_file))
        vocab = extractor.extract(None)["vocab"]
        backend = SpmConverter.build_tokenizer_from_spm_proto(extractor.proto, vocab, legacy=legacy)
    except Exception as error:  # protobuf, sentencepiece and transformers each raise their own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise TokenizerError(
            f"{model_file} is no readable SentencePiece model: {reason}"
        ) from error
    if not isinstance(backend, Tokenizer):
        raise TokenizerError(
            f"{model_file} holds a SentencePiece model that is neither BPE nor unigram"
        )
    _declare_control_pieces(backend, extractor.proto)
    return backend


def _declare_control_pieces(backend: Tokenizer, proto: Any) -> None:
    control = [piece.piece for piece in proto.pieces if piece.type in (UNKNOWN, CONTROL)]
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in control])
    bos = proto.trainer_spec.bos_id
    if bos >= 0:
        text = proto.pieces[bos].piece
        backend.post_processor = processors.TemplateProcessing(
            single=f"{text}:0 $A:0", pair=f"{text}:0 $A:0 $B:1", special_tokens=[(text, bos)]
        )


def _keep(backend: Tokenizer, cached: Path) -> None:
    """Write aside and rename; a cache folder that can't be written costs only time."""
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=cached.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(backend.to_str())
        os.replace(aside, cached)
    except OSError:
        return
