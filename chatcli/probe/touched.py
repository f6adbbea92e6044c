"""What penalties, biases and bans make of a row of which only a head is known.

They do to each token what its id, its logit and the history say, so every id of the tail can
be tried with the largest logit that it can have. The other stages are in `tail`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from chatcli.probe.partial import ROUNDING, Partial, Tail
from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, Row
from chatcli.sampling.stages import STAGES

__all__ = ["BY_TOKEN", "touched"]

# What these do to a token depends on the token, its logit and the history alone.
BY_TOKEN = frozenset(
    {
        "logit_bias",
        "sequence_bias",
        "bad_words",
        "min_length",
        "min_new_tokens",
        "allowed",
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "dry",
        "no_repeat_ngram",
    }
)


def touched(row: Partial, names: Sequence[str], context: Context) -> Partial:
    """The row after stages of `BY_TOKEN` that follow each other."""
    head, _ = _by_token(names, row.ids, row.logits, context)
    tail = None if row.tail is None else _touched_tail(row, row.tail, names, context)
    alive = head > -np.inf
    return replace(row, logits=head).kept(alive, tail)


def _by_token(
    names: Sequence[str], ids: Ids, logits: Row, context: Context
) -> tuple[Row, npt.NDArray[np.bool_]]:
    """The logits (n,) after the stages, -inf where one removed the id, and which changed."""
    row, changed = logits.copy(), np.zeros(ids.size, dtype=np.bool_)
    alive = np.arange(ids.size)
    for name in names:
        if not alive.size:
            break
        before = row[alive]  # what these stages make of a token, its probability doesn't matter
        after = STAGES[name](Pool(ids[alive], before, before, 0.0), context)
        changed[alive] |= after != before
        row[alive] = after
        alive = alive[after > -np.inf]
    return row, changed


def _touched_tail(row: Partial, tail: Tail, names: Sequence[str], context: Context) -> Tail | None:
    """All that the tail can become: every id of it is tried with the largest logit it can have.

    The stages are monotone in a logit, so what becomes of the cap is a cap.
    """
    ids = np.setdiff1d(np.arange(row.vocab_size), row.ids, assume_unique=True)
    caps, changed = _by_token(names, ids, np.full(ids.size, tail.cap), context)
    # A factor leaves 0 as it is, but no other logit.
    _, elsewhere = _by_token(names, ids, np.full(ids.size, tail.cap - 1), context)
    changed |= elsewhere
    if not changed.any():
        return tail
    spared, moved = ids.size - int(changed.sum()), caps[changed]
    room = tail.cap + math.log(spared) if spared else -math.inf
    lost = math.exp(tail.cap + math.log(moved.size) - tail.low) if tail.low > -math.inf else 1.0
    low = tail.low + math.log1p(-lost) if lost < 1 else -math.inf
    new = float(np.logaddexp.reduce(moved)) if moved.size else -math.inf
    return Tail(
        count=min(tail.count, spared + int(np.count_nonzero(moved > -np.inf))),
        cap=max(tail.cap if spared else -math.inf, float(moved.max())),
        low=low - ROUNDING,
        high=float(np.logaddexp(min(tail.high, room), new)) + ROUNDING,
        behind=False,
        reached=False,
        rest=None,
    )
