"""How often choices were right: accuracy with its interval, and what was taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Tally", "tally", "wilson"]

_Z = 1.959964  # the normal quantile of 97.5 %


@dataclass(frozen=True, slots=True)
class Answer:
    """What was chosen of `choices`, and what would have been right."""

    chosen: str
    label: str
    choices: int

    @property
    def right(self) -> bool:
        return self.chosen == self.label


@dataclass(frozen=True, slots=True)
class Tally:
    """The share of right answers and its 95 % interval.

    `chance` is what guessing would reach; `confusion` counts (label, chosen).
    """

    right: int
    count: int
    low: float
    high: float
    chance: float
    confusion: Mapping[tuple[str, str], int]

    @property
    def accuracy(self) -> float:
        """The share of right answers, in [0, 1]."""
        return self.right / self.count


def tally(answers: Sequence[Answer]) -> Tally | None:
    """Of all answers; None where there is none."""
    if not answers:
        return None
    right, count = sum(answer.right for answer in answers), len(answers)
    low, high = wilson(right, count)
    chance = sum(1 / answer.choices for answer in answers) / count
    confusion = Counter((answer.label, answer.chosen) for answer in answers)
    return Tally(right, count, low, high, chance, dict(confusion))


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (E. B. Wilson, JASA 22, 1927), within [0, 1]."""
    p, n = hits / count, count
    middle = (p + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
