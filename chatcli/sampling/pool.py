"""The tokens still in play between two stages, how they are ranked, and which owns a number.

Rows are NumPy float64 on the CPU: a logits row crosses over once, whatever its device
and dtype, sums don't depend on a thread count, and after a truncation only the few
survivors are worked on. Ids stay in ascending order, so "first" always means "lowest id".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["Ids", "Pool", "Row", "pick", "ranked", "ranked_heads", "share"]

Row = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

_HEADS = (512, 16_384)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Surviving token ids (n,), ascending; their finite logits (n,) and probabilities (n,)."""

    ids: Ids
    logits: Row
    probs: Row
    entropy_bits: float

    @classmethod
    def of(cls, ids: Ids, logits: Row) -> Self:
        """Normalise `logits`, all finite, over exactly these ids."""
        probs = torch.softmax(torch.from_numpy(logits), 0).numpy()  # (n,), on one thread
        best = int(logits.argmax())
        shifted = logits - logits[best]
        mean = float(np.einsum("i,i", probs, shifted))  # no BLAS: its threads cost more
        entropy = max(0.0, -math.log(probs[best]) - mean)  # in this order, -0.0 is 0.0
        return cls(ids, logits, probs, entropy / math.log(2))

    def surviving(self, logits: Row) -> tuple[Self, float]:
        """The pool after a stage answered with `logits` (n,), -inf = removed, and the mass
        that survived of the distribution before it."""
        if logits is self.logits:
            return self, 1.0
        alive = logits > -np.inf
        if alive.all():
            return self.of(self.ids, logits), 1.0
        kept = alive.nonzero()[0]
        mass = min(float(self.probs[kept].sum()), 1.0)
        return (self.of(self.ids[kept], logits[kept]) if kept.size else self._empty()), mass

    def places(self, tokens: Ids) -> tuple[Ids, npt.NDArray[np.bool_]]:
        """Where `tokens` (m,) are in this pool, and which of them are in it at all."""
        places = np.minimum(self.ids.searchsorted(tokens), self.ids.size - 1)
        return places, self.ids[places] == tokens

    def _empty(self) -> Self:
        nothing = np.empty(0)
        return type(self)(self.ids[:0], nothing, nothing, 0.0)


def ranked(key: Row, count: int) -> Ids:
    """The places of the `count` largest of `key`, descending, ties by place.

    Only those that can be among them are sorted.
    """
    size = key.size
    if count >= size:
        return np.argsort(-key, kind="stable")
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    cut = np.partition(key, size - count)[size - count]
    places = np.flatnonzero(key >= cut)  # ties of the last one included: the lowest ids win
    return places[np.argsort(-key[places], kind="stable")[:count]]


def ranked_heads(key: Row) -> Iterator[Ids]:
    """Ever longer heads of the full ranking of `key`; the last one is all of it.

    A caller leaves the loop as soon as a head is long enough, which the first nearly
    always is, and pays for a full sort only when none is.
    """
    for count in _HEADS:
        if count < key.size:
            yield ranked(key, count)
    yield ranked(key, key.size)


def pick(pool: Pool, u: float) -> tuple[int, tuple[float, float]]:
    """The token that owns `u`, and its interval, by the inverse CDF in rank order.

    The cumulative sum of a head equals that of the whole ranking, so stopping early
    changes no interval. The last survivor's interval ends at exactly 1.
    """
    for places in ranked_heads(pool.logits):
        ends = _ends(pool, places)
        if u < ends[-1]:
            break
    index = int(ends.searchsorted(u, side="right"))
    return int(pool.ids[places[index]]), _interval(ends, index)


def share(pool: Pool, token: int) -> tuple[float, float] | None:
    """The interval in which `pick` gives `token`; None where the pool doesn't have it."""
    (place,), (present,) = pool.places(np.array([token]))
    if not present:
        return None
    for places in ranked_heads(pool.logits):
        if (found := np.flatnonzero(places == place)).size:
            break
    return _interval(_ends(pool, places), int(found[0]))


def _ends(pool: Pool, places: Ids) -> Row:
    """Where each interval ends, for a head of the ranking."""
    ends: Row = np.minimum(pool.probs[places].cumsum(), 1.0)
    if places.size == pool.ids.size:
        ends[-1] = 1.0
    return ends


def _interval(ends: Row, index: int) -> tuple[float, float]:
    return (float(ends[index - 1]) if index else 0.0), float(ends[index])
