"""`chatcli score --json`: an object for each token, then one with what it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chatcli.probe.perplexity import Perplexity
from chatcli.probe.score import TokenScore
from chatcli.text.types import Tokenizer
from chatcli.ui.heat_map import ScoreView

__all__ = ["perplexity_object", "score_objects"]


def score_objects(
    view: ScoreView, model: str, place: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The tokens in order and the summary; `place` says where the text stood, if it had one."""
    found = view.found
    for token, part in zip(found.tokens, view.reading.parts, strict=False):
        yield {**place, **_token_object(token, part, view.tokenizer)}
    yield {
        **place,
        "model": model,
        "tokens": len(found.tokens),
        **perplexity_object(view.own),
        "context": found.context,
        "stride": found.stride,
        "windows": len(found.windows),
        "with_template": None if view.whole is None else perplexity_object(view.whole),
    }


def perplexity_object(found: Perplexity) -> dict[str, Any]:
    """The figures, and what they are made of; None where nothing counts."""
    return {
        "counted": found.counted,
        "perplexity": found.perplexity,
        "bits_per_token": found.bits_per_token,
        "bits_per_character": found.bits_per_character,
        "bits_per_byte": found.bits_per_byte,
        "bits": found.bits,
        "characters": found.characters,
        "bytes": found.bytes,
    }


def _token_object(token: TokenScore, part: str, tokenizer: Tokenizer) -> dict[str, Any]:
    raw = tokenizer.token_bytes(token.token)
    return {
        "index": token.position,
        "token": token.token,
        "text": raw.decode("utf-8", "replace"),
        "bytes": raw.hex(),
        "part": part,
        "prob": token.prob,
        "rank": token.rank,
        "surprisal_bits": token.surprisal_bits,
        "entropy_bits": token.entropy_bits,
        "seen": token.seen,
    }
