"""Stages that bias or ban tokens by name: single ones, and those that would complete a sequence."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chatcli.errors import SamplingError
from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, Row
from chatcli.sampling.words import id_sequences

__all__ = [
    "allowed",
    "bad_words",
    "logit_bias",
    "min_length",
    "min_new_tokens",
    "sequence_bias",
]


def logit_bias(pool: Pool, context: Context) -> Row:
    """Add each bias to its token's logit; -inf bans the token."""
    bias = context.config.logit_bias
    _refuse_beyond("logit_bias", bias, context)
    places, present = pool.places(np.fromiter(bias.keys(), dtype=np.int64))
    row = pool.logits.copy()
    row[places[present]] += np.fromiter(bias.values(), dtype=np.float64)[present]
    return row


def sequence_bias(pool: Pool, context: Context) -> Row:
    """Add each bias to the logit of the sequence's last token, where the others stand last in
    the history. Several that end with the same token add up (transformers)."""
    pairs = [(ids, bias) for ids, bias in context.config.sequence_bias if not isinstance(ids, str)]
    _refuse_beyond("sequence_bias", (token for ids, _ in pairs for token in ids), context)
    row = pool.logits.copy()
    for ids, bias in pairs:
        if _stands_last(context, ids[:-1]):
            row[_place(pool, ids[-1])] += bias
    return row


def bad_words(pool: Pool, context: Context) -> Row:
    """Ban the token that would complete a word; an end token alone is no word (transformers)."""
    words = id_sequences(context.config.bad_words)
    _refuse_beyond("bad_words", (token for ids in words for token in ids), context)
    ends = set(context.config.eos_ids or ())
    last = [
        ids[-1]
        for ids in words
        if not (len(ids) == 1 and ids[0] in ends) and _stands_last(context, ids[:-1])
    ]
    return _without(pool, last)


def min_length(pool: Pool, context: Context) -> Row:
    """Ban the end tokens while prompt and reply together are shorter (transformers)."""
    early = len(context.history) < context.config.min_length
    return _without(pool, context.config.eos_ids or ()) if early else pool.logits


def min_new_tokens(pool: Pool, context: Context) -> Row:
    """Ban the end tokens while the reply is shorter (transformers)."""
    early = len(context.history) - context.prompt_length < context.config.min_new_tokens
    return _without(pool, context.config.eos_ids or ()) if early else pool.logits


def allowed(pool: Pool, context: Context) -> Row:
    """Ban every token but the allowed ones (vLLM; transformers' prefix_allowed_tokens_fn)."""
    ids = context.config.allowed_ids or ()
    _refuse_beyond("allowed_ids", ids, context)
    return np.where(np.isin(pool.ids, np.asarray(ids, dtype=np.int64)), pool.logits, -np.inf)


def _refuse_beyond(name: str, tokens: Iterable[int], context: Context) -> None:
    size = context.vocab_size
    if (beyond := max(tokens, default=0)) >= size:
        raise SamplingError(f"{name} names token {beyond}, but ids go from 0 to {size - 1}")


def _stands_last(context: Context, prefix: tuple[int, ...]) -> bool:
    start = len(context.history) - len(prefix)
    return start >= 0 and tuple(context.history[start:]) == prefix


def _place(pool: Pool, token: int) -> Ids:
    """Where the token is in the pool (1,), or nowhere (0,)."""
    places, present = pool.places(np.array([token], dtype=np.int64))
    return places[present]


def _without(pool: Pool, tokens: Iterable[int]) -> Row:
    places, present = pool.places(np.array(list(tokens), dtype=np.int64))
    if not present.any():
        return pool.logits
    row = pool.logits.copy()
    row[places[present]] = -np.inf
    return row
