"""Settings that name sequences of tokens, as ids or as text, and how text becomes ids.

A text is what a person means whatever the checkpoint is, so a config keeps it; the ids follow
from the tokenizer in use. Which they are is decided here: a word in its usual spelling, with
and without a space before it; a bad word besides, and a breaker, as every token that holds it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from chatcli.errors import SamplingError

if TYPE_CHECKING:
    from chatcli.sampling.types import SamplingConfig
    from chatcli.text.types import Tokenizer

__all__ = [
    "BREAKERS",
    "Sequences",
    "WordBiases",
    "Words",
    "bound",
    "id_sequences",
    "read_word",
    "read_word_bias",
    "unbound",
]

Words = tuple[str | tuple[int, ...], ...]
WordBiases = tuple[tuple[str | tuple[int, ...], float], ...]
Sequences = tuple[tuple[int, ...], ...]

# Where DRY's repeats end unless other breakers are given: those of llama.cpp and textgen.
BREAKERS = ("\n", ":", '"', "*")

_ENDED = ("min_length", "min_new_tokens", "bad_words")  # what reads eos_ids
_BRACKETED = re.compile(r"\[\d+(?:,\d+)*\]")
_TAIL = 20  # tokens of a breaker after its first, as in llama.cpp


def read_word(text: str) -> str | tuple[int, ...]:
    """A word as a person types it: "[12,13]" are ids, anything else is text; a text that looks
    like ids has a backslash before it."""
    if _BRACKETED.fullmatch(text):
        return tuple(map(int, text[1:-1].split(",")))
    return text[1:] if text.startswith("\\[") else text


def read_word_bias(text: str) -> tuple[str | tuple[int, ...], float]:
    """A word and its bias, "WORD=X"."""
    word, equals, value = text.rpartition("=")
    try:
        return read_word(word), float(value if equals else "")
    except ValueError:
        raise SamplingError(
            f"a sequence's bias is WORD=X, a text or [12,13], and a number; got {text!r}"
        ) from None


def unbound(config: SamplingConfig) -> str | None:
    """The first setting that can't do without a tokenizer, None where there is none."""
    words: dict[str, Words] = {
        "bad_words": config.bad_words,
        "sequence_bias": tuple(word for word, _ in config.sequence_bias),
        "dry_breakers": (config.dry_multiplier and config.dry_breakers) or (),
        "xtc_spared": (config.xtc_probability and config.xtc_spared) or (),
    }
    for name, sequences in words.items():
        if any(isinstance(word, str) for word in sequences):
            return name
    if config.eos_ids is None:
        return next((name for name in ("min_length", "min_new_tokens") if _on(config, name)), None)
    return None


def bound(config: SamplingConfig, tokenizer: Tokenizer) -> SamplingConfig:
    """The same settings in the ids of `tokenizer`; the very config where nothing is to do."""
    changes: dict[str, Any] = {}
    key = cast(Hashable, tokenizer)  # by identity, which a protocol doesn't say
    ends = config.eos_ids
    if ends is None and any(_on(config, name) for name in _ENDED):
        ends = changes["eos_ids"] = tuple(sorted(tokenizer.eos_ids))
    if any(isinstance(word, str) for word in config.bad_words):
        holding = _holding(key, config.bad_words)
        spelt = _spelt(tokenizer, config.bad_words)
        changes["bad_words"] = tuple(dict.fromkeys((*spelt, *holding)))
    if any(isinstance(word, str) for word, _ in config.sequence_bias):
        changes["sequence_bias"] = tuple(
            (ids, bias) for word, bias in config.sequence_bias for ids in _spelt(tokenizer, (word,))
        )
    if config.dry_multiplier:
        words = BREAKERS if config.dry_breakers is None else config.dry_breakers
        changes["dry_breakers"] = _breakers(key, words)
    if config.xtc_probability:
        spared = ("\n",) if config.xtc_spared is None else config.xtc_spared
        also = sorted(tokenizer.eos_ids) if config.xtc_spared is None else ()
        last = (ids[-1:] for ids in _spelt(tokenizer, spared, spaced=False))
        changes["xtc_spared"] = (*last, *((token,) for token in also))
    return dataclasses.replace(config, **changes) if changes else config


def _on(config: SamplingConfig, name: str) -> bool:
    return bool(getattr(config, name))


def id_sequences(words: Words | None) -> Sequences:
    """The words that are ids; a config that is bound has no others."""
    return tuple(word for word in words or () if not isinstance(word, str))


def _spelt(tokenizer: Tokenizer, words: Words, *, spaced: bool = True) -> Iterator[tuple[int, ...]]:
    """Each word in ids: ids as they are, a text with and without a space before it.

    A spelling that ends with the other one would say the same twice, so it is left out.
    """
    for word in words:
        if not isinstance(word, str):
            yield word
            continue
        plain = tuple(tokenizer.encode(word))
        yield plain
        after = tuple(tokenizer.encode(f" {word}")) if spaced else ()
        if after and after[-len(plain) :] != plain:
            yield after


@lru_cache(maxsize=4)
def _breakers(tokenizer: Any, words: Words) -> Sequences:
    """Every token that holds a breaker, alone; and those that begin one, with what follows."""
    found = dict.fromkeys((*id_sequences(words), *_holding(tokenizer, words)))
    for text in (word.encode() for word in words if isinstance(word, str) and len(word) > 1):
        for token, piece in _pieces(tokenizer):
            if text not in piece:
                found.update(dict.fromkeys(_begun(tokenizer, token, piece, text)))
    return tuple(found)


@lru_cache(maxsize=4)
def _holding(tokenizer: Any, words: Words) -> Sequences:
    """Every token that holds one of the texts."""
    texts = [word.encode() for word in words if isinstance(word, str)]
    return tuple(
        (token,)
        for token, piece in (_pieces(tokenizer) if texts else ())
        if any(text in piece for text in texts)
    )


def _pieces(tokenizer: Tokenizer) -> Iterator[tuple[int, bytes]]:
    """The bytes of every token that is text."""
    for token in range(tokenizer.vocab_size):
        if not tokenizer.is_special(token):
            yield token, tokenizer.token_bytes(token)


def _begun(
    tokenizer: Tokenizer, token: int, piece: bytes, text: bytes
) -> Iterator[tuple[int, ...]]:
    """The sequences by which a token whose end is the beginning of `text` completes it."""
    for length in range(1, min(len(text) - 1, len(piece)) + 1):
        inside_character = text[length] & 0xC0 == 0x80
        if piece.endswith(text[:length]) and not inside_character:
            rest: Sequence[int] = tokenizer.encode(text[length:].decode())
            yield (token, *rest[:_TAIL])
