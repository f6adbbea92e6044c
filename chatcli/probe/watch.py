"""A watch list: how probable given strings are as what comes next, also far from the top.

A string of several tokens has the product of theirs, each given those before it (the chain
rule), by the model's own distribution. It counts as it is tokenised by itself: a text can
be reached through other tokens too, and those paths aren't summed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chatcli.engine.decode import Cancelled, prefill
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.spelling import spelled
from chatcli.text.types import Tokenizer

__all__ = ["Sighting", "Watched", "watched", "watched_probs"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A string, and the ids that it is by itself."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A watched string at one place.

    `probs` are those of its tokens, each after the ones before it; `rank` (1-based) is the
    first one's. An id that the model's head doesn't have is impossible: probability 0.
    """

    watched: Watched
    probs: tuple[float, ...]
    rank: int

    @property
    def prob(self) -> float:
        """Of the whole string."""
        return math.prod(self.probs)

    @property
    def bits(self) -> float:
        """Its surprisal; infinite where it is impossible."""
        return sum(-math.log2(prob) if prob > 0 else math.inf for prob in self.probs)


def watched(tokenizer: Tokenizer, text: str) -> Watched:
    """Raises UsageError on a string that is empty or that the tokenizer can't spell."""
    return Watched(text, spelled(tokenizer, text, what="the watched text"))


def watched_probs(
    model: LanguageModel,
    ids: Sequence[int],
    logits: Tensor,
    strings: Sequence[Watched],
    cache: KVCache,
    cancelled: Cancelled = lambda: False,
) -> tuple[Sighting, ...] | None:
    """How probable each of `strings` is after `ids`, whose `logits` [V] are at hand.

    `cache` is used for strings of several tokens, and holds `ids` afterwards if it was needed.
    None where it was cancelled. Raises ContextError where a string doesn't fit behind `ids`.
    """
    first = torch.log_softmax(logits.to(torch.float64), 0)
    found = []
    for one in strings:
        rows = _rest(model, ids, one, cache, cancelled)
        if rows is None:
            return None
        logs = [_at(first, one.ids[0])]
        logs += [_at(torch.log_softmax(row.to(torch.float64), 0), token) for row, token in rows]
        found.append(Sighting(one, tuple(map(math.exp, logs)), _rank(logits, one.ids[0])))
    return tuple(found)


def _rest(
    model: LanguageModel,
    ids: Sequence[int],
    string: Watched,
    cache: KVCache,
    cancelled: Cancelled,
) -> list[tuple[Tensor, int]] | None:
    """For each token of a string but the first, the logits [V] before it."""
    if len(string.ids) == 1:
        return []
    if len(cache.tokens) != len(ids) or tuple(cache.tokens) != tuple(ids):
        if prefill(model, cache.reuse(ids), cache, cancelled) is None:
            return None
    rows = model.forward(string.ids[:-1], cache)  # (T, V)
    cache.crop(len(ids))
    return list(zip(rows, string.ids[1:], strict=True))


def _at(logs: Tensor, token: int) -> float:
    return float(logs[token]) if token < len(logs) else -math.inf


def _rank(logits: Tensor, token: int) -> int:
    """1-based, ties by id."""
    if token >= len(logits):
        return len(logits) + 1
    own = logits[token]
    return 1 + int((logits > own).sum()) + int((logits[:token] == own).sum())
