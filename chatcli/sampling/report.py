"""What is told of a draw: the candidates before and after the chain, and who removed them.

The chain draws; this looks at what its stages left, and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, Row, ranked
from chatcli.sampling.types import Candidate, Draw, StageTrace, View

__all__ = ["Run", "probs_of", "seen"]


@dataclass(frozen=True, slots=True)
class Run:
    """One pass of the stages: what they looked at, the pool before them and after each, the
    traces, and, for each stage that removed a token, the pool that it left."""

    context: Context
    first: Pool
    pools: tuple[Pool, ...]
    traces: tuple[StageTrace, ...]
    removals: tuple[tuple[str, Pool], ...]

    @property
    def last(self) -> Pool:
        """What there is to draw from."""
        return self.pools[-1] if self.pools else self.first


def probs_of(pool: Pool, tokens: Ids) -> Row:
    """The probabilities (n,) of `tokens` (n,) in a pool; 0 for one that is not in it."""
    at, present = pool.places(tokens)
    return np.where(present, pool.probs[at], 0.0)


def _dense(pool: Pool, vocab_size: int) -> Tensor:
    probs = np.zeros(vocab_size, dtype=np.float32)
    probs[pool.ids] = pool.probs
    return torch.from_numpy(probs)


def _rank(pool: Pool, place: int) -> int:
    """1-based, by logit, ties by id."""
    logit = pool.logits[place]
    better = np.count_nonzero(pool.logits > logit)
    return 1 + int(better) + int(np.count_nonzero(pool.logits[:place] == logit))


def _candidates(run: Run, last: Pool, top: int, token: int) -> tuple[Candidate, ...]:
    """The model's `top` best tokens in rank order, then the drawn one if it isn't among them."""
    first = run.first
    places = ranked(first.logits, top)
    ranks = list(range(1, places.size + 1))
    (drawn,), (possible,) = first.places(np.array([token]))
    if possible and drawn not in (best := places.tolist()):
        places, ranks = np.array([*best, drawn]), [*ranks, _rank(first, drawn)]
    tokens = first.ids[places]
    reported = map(
        Candidate,
        tokens.tolist(),
        ranks,
        first.logits[places].tolist(),
        first.probs[places].tolist(),
        probs_of(last, tokens).tolist(),
        _removers(run, tokens),
    )
    return (*reported,) if possible else (*reported, _ruled_out(first, token))


def _ruled_out(first: Pool, token: int) -> Candidate:
    """A token that the model itself rules out; those rank behind all others, by id."""
    lower = int(first.ids.searchsorted(token))
    return Candidate(token, 1 + first.ids.size + token - lower, -math.inf, 0.0, 0.0)


def _removers(run: Run, tokens: Ids) -> list[str | None]:
    """For each token the stage that removed it, or None."""
    removers: list[str | None] = [None] * tokens.size
    for name, left in reversed(run.removals):
        present = left.places(tokens)[1].tolist()
        removers = [later if here else name for later, here in zip(removers, present, strict=True)]
    return removers


def seen(
    run: Run,
    last: Pool,
    token: int,
    u: float | None,
    interval: tuple[float, float] | None,
    top: int,
) -> tuple[Draw, View]:
    """What is told of `token`; `last` is what there was to draw from."""
    candidates = _candidates(run, last, top, token)
    draw = Draw(token, _dense(last, run.context.vocab_size), run.traces, u, interval, candidates)
    drawn = next(each for each in candidates if each.token == token)
    return draw, View(drawn.raw_prob, drawn.rank, run.first.entropy_bits)
