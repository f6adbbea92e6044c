"""A row of logits of which only a head is known, and what that leaves open.

The head is ids with their logits; of the tail, all other ids, it is known how many there are,
that none has a larger logit than a cap, and between which bounds Σ e^logit lies. Bounds are
widened by what rounding can do. What the sampling stages make of such a row is in `tail`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chatcli.probe.trace import Position, Rest
from chatcli.sampling.pool import Ids, Pool, Row

__all__ = ["ROUNDING", "Partial", "Tail", "Undecidable"]

# Relative; far above what float64 can lose in a sum, far below what a person could ask for.
ROUNDING = 1e-9


class Undecidable(Exception):
    """What is known doesn't tell what a stage does."""


@dataclass(frozen=True, slots=True)
class Tail:
    """At most `count` tokens with logits up to `cap`; ln Σ e^logit is in [`low`, `high`].

    `behind`: a tail token of the same logit as a known one ranks behind it. `reached`: there is
    a token whose logit is the cap. `rest` holds while nothing has changed what was recorded.
    """

    count: int
    cap: float
    low: float
    high: float
    behind: bool
    reached: bool
    rest: Rest | None


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Known ids (n,), ascending, n ≥ 1, with their logits (n,), and a tail, if any is left.

    `vocab_size` ids there are in all. `exact`: the logits are those that the chain had, to
    the last bit. `extra` is known because it was drawn, not because it is one of the best.
    """

    ids: Ids
    logits: Row
    tail: Tail | None
    vocab_size: int
    exact: bool = True
    extra: int | None = None

    @classmethod
    def of(cls, seen: Position, vocab_size: int, top: int) -> Partial:
        """The row of a position, whose record has the `top` best."""
        tokens, logits, rest, tail = seen.tokens, seen.logits, seen.rest, None
        if rest is not None and rest.count == 1 and tokens.size == vocab_size - 1:
            tokens = np.append(tokens, np.setdiff1d(np.arange(vocab_size), tokens))
            logits, rest = np.append(logits, rest.max), None
        if rest is not None:
            low, high = rest.logsumexp - ROUNDING, rest.logsumexp + ROUNDING
            tail = Tail(rest.count, rest.max, low, high, True, True, rest)
        order = np.argsort(tokens)
        extra = seen.token if seen.tokens.size > top else None
        return cls(tokens[order], logits[order], tail, vocab_size, extra=extra)

    @property
    def pool(self) -> Pool:
        """The known part as a pool of its own."""
        return Pool.of(self.ids, self.logits)

    @property
    def safe(self) -> npt.NDArray[np.bool_]:
        """Which known tokens (n,) surely rank before the tail."""
        if self.tail is None:
            return np.ones(self.ids.size, dtype=np.bool_)
        if self.tail.behind:
            tied = (self.logits == self.tail.cap) & (self.ids != self.extra)
            safe: npt.NDArray[np.bool_] = (self.logits > self.tail.cap) | tied
            return safe
        return self.logits > self.tail.cap

    def total(self) -> tuple[float, float]:
        """Bounds of ln Σ e^logit over everything."""
        known = float(np.logaddexp.reduce(self.logits))
        if self.tail is None:
            return known, known
        low, high = np.logaddexp(known, self.tail.low), np.logaddexp(known, self.tail.high)
        return float(low) - ROUNDING, float(high) + ROUNDING

    def kept(self, mask: npt.NDArray[np.bool_], tail: Tail | None) -> Partial:
        """These known tokens, and that tail; one without mass is none."""
        if tail is not None and tail.high == -math.inf:
            tail = None
        if not mask.any():
            raise Undecidable
        return replace(self, ids=self.ids[mask], logits=self.logits[mask], tail=tail)
