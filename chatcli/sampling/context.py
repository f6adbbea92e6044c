"""What a stage may look at beside the pool, and what several stages reckon by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chatcli.sampling.orders import Preset
from chatcli.sampling.pool import Ids, Pool, Row
from chatcli.sampling.types import SamplingConfig

__all__ = ["Context", "Memory", "only", "surprisal"]

Memory = Mapping[str, tuple[float, ...]]  # by a stage's name, what it goes on from


@dataclass(frozen=True, slots=True)
class Context:
    """`history` holds all ids so far, of which the first `prompt_length` were given; `seed` is
    for luck that a stage needs beside the draw; `memory` is of the token before."""

    config: SamplingConfig
    rules: Preset
    history: Sequence[int]
    prompt_length: int
    vocab_size: int
    seed: int = 0
    memory: Memory = field(default_factory=dict)

    def window(self, size: int | None, *, output_only: bool = False) -> Ids:
        """The newest `size` ids, None: as many as is the order's own; oldest first."""
        size = self.rules.penalty_window if size is None else size
        end = len(self.history)
        start = self.prompt_length if output_only else 0
        if size is not None:
            start = max(start, end - size)
        return np.asarray(self.history[start:end], dtype=np.int64)


def surprisal(pool: Pool) -> Row:
    """-ln p (n,), finite even where p underflows to 0."""
    best = int(np.argmax(pool.logits))
    log_total = float(pool.logits[best]) - math.log(pool.probs[best])
    return np.subtract(log_total, pool.logits)


def only(pool: Pool, places: Ids) -> Row:
    """The logits (n,) with all but those at `places` removed."""
    if places.size == pool.ids.size:
        return pool.logits
    row = np.full_like(pool.logits, -np.inf)
    row[places] = pool.logits[places]
    return row
