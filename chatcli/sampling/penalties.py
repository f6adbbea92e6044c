"""Stages that look back: what was said is made less likely, or impossible, to be said again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, Row
from chatcli.sampling.words import Sequences, id_sequences

__all__ = [
    "dry",
    "frequency_penalty",
    "no_repeat_ngram",
    "presence_penalty",
    "repetition_penalty",
]

_FLOAT_MAX_LOG = 88.7228391  # ln of the largest float32: where llama.cpp clamps a DRY penalty


def repetition_penalty(pool: Pool, context: Context) -> Row:
    """Once for each distinct id seen: divide a logit of 0 or more, multiply a negative one.

    Keskar et al., "CTRL" (2019), with the sign rule of transformers.
    """
    penalty = context.config.repetition_penalty
    places, _ = _seen(pool, context.window(context.config.penalty_window))
    row = pool.logits.copy()
    logits = row[places]
    row[places] = np.where(logits < 0, logits * penalty, logits / penalty)
    return row


def frequency_penalty(pool: Pool, context: Context) -> Row:
    """Subtract the penalty as often as the id was seen."""
    places, counts = _seen(pool, _counted(context))
    row = pool.logits.copy()
    row[places] -= counts * context.config.frequency_penalty
    return row


def presence_penalty(pool: Pool, context: Context) -> Row:
    """Subtract the penalty once from every id seen."""
    places, _ = _seen(pool, _counted(context))
    row = pool.logits.copy()
    row[places] -= context.config.presence_penalty
    return row


def no_repeat_ngram(pool: Pool, context: Context) -> Row:
    """Ban each id that followed the newest n - 1 ids before, prompt included (transformers).

    Paulus et al., "A Deep Reinforced Model for Abstractive Summarization" (2017).
    """
    size = context.config.no_repeat_ngram_size
    ids = np.asarray(context.history, dtype=np.int64)
    if ids.size < size:
        return pool.logits
    starts = np.arange(ids.size - size + 1)  # of each n-gram that there is
    for offset in range(size - 1):
        starts = starts[ids[starts + offset] == ids[ids.size - size + 1 + offset]]
    places, present = pool.places(np.unique(ids[starts + size - 1]))
    if not present.any():
        return pool.logits
    row = pool.logits.copy()
    row[places[present]] = -np.inf
    return row


def dry(pool: Pool, context: Context) -> Row:
    """Subtract m · b^(L - a) from an id that would prolong a repeat of L ≥ a tokens.

    L is the length of the longest end of the window that stood before the id already; a
    breaker ends it, and is itself never penalised where it is a single token. By p-e-w
    (text-generation-webui, 2024), with the clamp of llama.cpp.
    """
    config = context.config
    window = context.window(config.dry_window)
    if window.size <= (shortest := config.dry_allowed_length):
        return pool.logits
    breakers = id_sequences(config.dry_breakers)
    limit = _since_breaker(window.tolist(), breakers)
    if context.rules.dry_cap is not None:
        limit = min(limit, context.rules.dry_cap)
    if limit < shortest:
        return pool.logits
    lengths = np.minimum(_repeats(window), limit)  # (w - 1,), before each id but the first
    long = lengths >= shortest
    tokens, which = np.unique(window[1:][long], return_inverse=True)
    longest = np.zeros(tokens.size, dtype=np.int64)
    np.maximum.at(longest, which, lengths[long])
    spared = np.isin(tokens, [ids[0] for ids in breakers if len(ids) == 1])
    places, present = pool.places(tokens)
    if not (hit := present & ~spared).any():
        return pool.logits
    row = pool.logits.copy()
    row[places[hit]] -= _dry_penalty(context, longest[hit])
    return row


def _dry_penalty(context: Context, lengths: Ids) -> Row:
    config = context.config
    exponents = (lengths - config.dry_allowed_length).astype(np.float64)
    if config.dry_base > 1:
        exponents = np.minimum(exponents, int(_FLOAT_MAX_LOG / math.log(config.dry_base)))
    penalty: Row = config.dry_multiplier * np.power(config.dry_base, exponents)
    return penalty


def _since_breaker(window: Sequence[int], breakers: Sequences) -> int:
    """How many of the newest ids come after the newest breaker; all where there is none."""
    tails: dict[int, list[tuple[int, ...]]] = {}
    for head, *tail in breakers:
        tails.setdefault(head, []).append(tuple(tail))
    size = len(window)
    for at in range(size - 1, -1, -1) if tails else ():
        follow = window[at + 1 :] if (known := tails.get(window[at])) else ()
        whole = [len(tail) for tail in known or () if tuple(follow[: len(tail)]) == tail]
        if whole:
            return size - at - 1 - max(whole)
    return size


def _repeats(window: Ids) -> Ids:
    """How long an end of each beginning window[:i], 0 < i < w, is an end of the window too.

    The Z-algorithm on the window read backwards: linear, for no id is compared twice once it
    has matched. Only where the last id stands can there be any, which NumPy finds.
    """
    back = window[::-1].tolist()
    size, left, right = len(back), 0, 0  # back[left:right] repeats the beginning of `back`
    found: dict[int, int] = {}
    for start in (np.flatnonzero(window[::-1][1:] == window[-1]) + 1).tolist():
        length = min(found.get(start - left, 0), right - start) if start < right else 0
        if start + length >= right:
            while start + length < size and back[start + length] == back[length]:
                length += 1
            left, right = start, start + length
        found[start] = length
    lengths = np.zeros(size - 1, dtype=np.int64)
    for start, length in found.items():
        lengths[size - 1 - start] = length
    return lengths


def _counted(context: Context) -> Ids:
    """What frequency and presence are counted in."""
    output_only = context.rules.counts_output_only
    return context.window(context.config.penalty_window, output_only=output_only)


def _seen(pool: Pool, window: Ids) -> tuple[Ids, Ids]:
    """The places in the pool of the distinct ids of `window`, and how often each occurs."""
    tokens, counts = np.unique(window, return_counts=True)
    places, present = pool.places(tokens)
    return places[present], counts[present]
