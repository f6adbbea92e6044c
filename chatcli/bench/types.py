"""The records of measuring: the spread of repeated runs, bars, figures, speeds, the machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

__all__ = ["Bar", "Figure", "Machine", "Speed", "Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing: median, quartiles, and how many there were."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Of one measurement or more."""
        known = list(values)
        if len(known) == 1:
            return cls(known[0], known[0], known[0], 1)
        low, median, high = statistics.quantiles(known, n=4, method="inclusive")
        return cls(median, low, high, len(known))


@dataclass(frozen=True, slots=True)
class Bar:
    """What a median is held to: at most `limit`, or at least."""

    limit: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the suite: what was measured, in which unit, and the bar for its median.

    `detail` says what the number was made of: the two sides of a ratio, counts.
    """

    part: str
    what: str
    value: Spread
    unit: str
    bar: Bar | None
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar holds; None where there is none."""
        return None if self.bar is None else self.bar.met_by(self.value.median)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model reads and writes: tokens a second, and seconds to the first token."""

    model: str
    engine: str
    device: str
    dtype: str
    parameters: int
    prompt_tokens: int
    new_tokens: int
    prefill: Spread
    decode: Spread
    first_token_seconds: Spread


@dataclass(frozen=True, slots=True)
class Machine:
    """The class of machine that figures belong to; `memory` in bytes, None where unknown."""

    system: str
    processor: str
    cores: int
    vector: str
    memory: int | None
    python: str
    torch: str
    threads: int
