"""Paired measuring: two things run in turn, A B A B, so that a busy moment hits both.

What is compared is a ratio or a difference within each pair, and of those the median: it
holds on a machine whose speed drifts, which the seconds themselves don't.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Action", "Clock", "paired", "stopwatch"]

Action = Callable[[], float]  # does something once, and says how many seconds it took
Clock = Callable[[], float]


def paired(
    ours: Action, theirs: Action, *, rounds: int, warm_up: int = 1
) -> list[tuple[float, float]]:
    """(ours, theirs) for each round, after `warm_up` rounds that don't count."""
    pairs = [(ours(), theirs()) for _ in range(warm_up + rounds)]
    return pairs[warm_up:]


def stopwatch(action: Callable[[], object], clock: Clock = time.perf_counter) -> Action:
    """`action` as one that tells its seconds."""

    def timed() -> float:
        started = clock()
        action()
        return clock() - started

    return timed
