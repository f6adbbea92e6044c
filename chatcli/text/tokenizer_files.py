"""What a checkpoint folder says about its tokenizer, read on the `tokenizers` package alone.

`read_backend` builds the tokenizer from tokenizer.json, from vocab.json with merges.txt, or
from tokenizer.model (`sentencepiece` converts that one); `read_settings` gathers special
tokens, BOS rule and chat template. What they mean for text is left to `tokenizer`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from chatcli.errors import TokenizerError

__all__ = ["TokenizerSettings", "read_backend", "read_settings"]

NAMED_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
TOKEN_LISTS = ("additional_special_tokens", "extra_special_tokens")
GPT2_END = "<|endoftext|>"
# Qwen2's word pattern, in the regular-expression dialect of `tokenizers`.
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """The tokenizer's settings, files merged.

    `named` maps "bos_token", "eos_token" … to spellings, `additional` lists further special
    tokens, `added` holds the declared (id, token) pairs; `add_bos` is None where no file
    says whether a text starts with BOS; `chat_template` is Jinja source or None.
    """

    named: Mapping[str, str]
    additional: tuple[str, ...]
    added: tuple[tuple[int, AddedToken], ...]
    add_bos: bool | None
    chat_template: str | None


def read_backend(folder: Path) -> Tokenizer:
    """The folder's tokenizer; raises TokenizerError where it has none that can be read."""
    readers: tuple[tuple[tuple[str, ...], Callable[[Path], Tokenizer]], ...] = (
        (("tokenizer.json",), _from_json),
        (("vocab.json", "merges.txt"), _from_vocab_and_merges),
        (("tokenizer.model",), _from_sentencepiece),
    )
    for names, read in readers:
        if all((folder / name).is_file() for name in names):
            backend = read(folder)
            backend.no_truncation()
            backend.no_padding()
            return backend
    raise TokenizerError(
        f"{folder} has no tokenizer: put its tokenizer.json (or vocab.json and merges.txt, "
        "or tokenizer.model) beside the weights"
    )


def read_settings(folder: Path) -> TokenizerSettings:
    """The settings in tokenizer_config.json and the smaller files beside it."""
    config = _json_object(folder / "tokenizer_config.json")
    merged = {**_json_object(folder / "special_tokens_map.json"), **_without_nulls(config)}
    named = {key: text for key in NAMED_TOKENS if (text := _spelling(merged.get(key)))}
    if not named:
        named = _customary_tokens(folder)
    add_bos = config.get("add_bos_token")
    return TokenizerSettings(
        named=named,
        additional=tuple(dict.fromkeys(_listed_tokens(merged))),
        added=tuple(sorted(_declared_tokens(folder, config), key=lambda pair: pair[0])),
        add_bos=add_bos if isinstance(add_bos, bool) else None,
        chat_template=_chat_template(folder, config),
    )


def _customary_tokens(folder: Path) -> dict[str, str]:
    """What GPT-2's and SentencePiece's own files leave unsaid."""
    if (folder / "merges.txt").is_file():
        return dict.fromkeys(("bos_token", "eos_token", "unk_token"), GPT2_END)
    if (folder / "tokenizer.model").is_file():
        return {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return {}


def _from_json(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises plain Exception
        raise _unreadable(path, error) from error


def _from_sentencepiece(folder: Path) -> Tokenizer:
    from chatcli.text.sentencepiece import converted_tokenizer

    legacy = _json_object(folder / "tokenizer_config.json").get("legacy")
    return converted_tokenizer(folder / "tokenizer.model", legacy=legacy is not False)


def _from_vocab_and_merges(folder: Path) -> Tokenizer:
    """A byte-level BPE, with Qwen2's word pattern where the folder says so, else GPT-2's."""
    vocab = _json_object(folder / "vocab.json")
    merges = _merges(folder / "merges.txt")
    try:
        backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, fuse_unk=False))
    except Exception as error:
        raise _unreadable(folder / "merges.txt", error) from error
    config = _json_object(folder / "tokenizer_config.json")
    prefix_space = bool(config.get("add_prefix_space") or False)
    if _is_qwen2(folder, config):
        backend.normalizer = normalizers.NFC()
        words = pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated")
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, to_bytes])
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    backend.decoder = decoders.ByteLevel()
    return backend


def _merges(path: Path) -> list[tuple[str, str]]:
    """The merges, best first; only a first line "#version …" is a comment."""
    lines = _text(path).split("\n")
    if lines[0].startswith("#version"):
        del lines[0]
    pairs = [tuple(line.rstrip("\r").split(" ")) for line in lines if line.strip()]
    for pair in pairs:
        if len(pair) != 2:
            raise TokenizerError(f"{path}: {' '.join(pair)!r} is no merge of two pieces")
    return [(pair[0], pair[1]) for pair in pairs]


def _is_qwen2(folder: Path, config: Mapping[str, Any]) -> bool:
    family = _json_object(folder / "config.json").get("model_type", "")
    names = f"{config.get('tokenizer_class', '')} {family}".lower()
    return "qwen2" in names or "qwen3" in names


def _listed_tokens(merged: Mapping[str, Any]) -> Iterator[str]:
    for key in TOKEN_LISTS:
        listed = merged.get(key)
        tokens = list(listed.values()) if isinstance(listed, dict) else listed
        for token in tokens if isinstance(tokens, list) else ():
            if text := _spelling(token):
                yield text


def _declared_tokens(folder: Path, config: Mapping[str, Any]) -> Iterator[tuple[int, AddedToken]]:
    """The (id, token) pairs of added_tokens_decoder and added_tokens.json."""
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    declared = config.get("added_tokens_decoder")
    for key, entry in declared.items() if isinstance(declared, dict) else ():
        if key.isdigit() and isinstance(entry, dict) and (text := _spelling(entry)):
            yield int(key), AddedToken(text, **{f: bool(entry.get(f)) for f in flags})
    for text, number in _json_object(folder / "added_tokens.json").items():
        if isinstance(number, int):
            yield number, AddedToken(text, normalized=False)


def _chat_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The Jinja source: a file of its own beats the settings; of several, the default one."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return _text(path)
    for holder in (_json_object(folder / "chat_template.json"), config):
        template = holder.get("chat_template")
        if isinstance(template, list):
            entries = [entry for entry in template if isinstance(entry, dict)]
            default = (e.get("template") for e in entries if e.get("name") == "default")
            template = next(default, None)
        if isinstance(template, str):
            return template
    return None


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _spelling(token: object) -> str | None:
    """A token's text; the files write it as a string or as an object with `content`."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) and text else None


def _json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(value, dict):
        raise TokenizerError(f"{path} holds {type(value).__name__}, not a JSON object")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TokenizerError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return TokenizerError(f"{path} can't be read as a tokenizer file: {reason[:200]}")
