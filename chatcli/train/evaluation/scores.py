"""Scores with their uncertainty: shares by Wilson's interval, bits by a bootstrap.

What a hit is, and how a passage is weighed, is left to the measures; here results become
numbers, for all items and for each language among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chatcli.probe.accuracy import wilson

__all__ = ["Estimate", "Passage", "Result", "Score", "bits", "share"]

Unit = Literal["share", "bits"]

RESAMPLES = 2000
RESAMPLING_SEED = 0  # the same passages give the same interval


@dataclass(frozen=True, slots=True)
class Result:
    """Whether one item was a hit; `language` is "" where the item names none."""

    language: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """The bits of all tokens of a passage, and its Unicode characters."""

    bits: float
    characters: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval, from `count` items, or passages where it is in bits.

    `low` and `high` are None where one passage alone can't show how far passages differ.
    """

    value: float
    count: int
    low: float | None
    high: float | None

    def shown(self, unit: Unit) -> str:
        """The value as people read it: a percentage, or bits to three decimals."""
        return f"{self.value:.1%}" if unit == "share" else f"{self.value:.3f}"

    def shown_interval(self, unit: Unit) -> str:
        """The interval in the form of the value; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        if unit == "share":
            return f"{self.low:.1%} to {self.high:.1%}"
        return f"{self.low:.3f} to {self.high:.3f}"


@dataclass(frozen=True, slots=True)
class Score:
    """One measure over all items, and over those of each language that items name."""

    name: str
    unit: Unit
    overall: Estimate
    by_language: Mapping[str, Estimate] = field(default_factory=dict)


def share(name: str, results: Sequence[Result]) -> Score:
    """The share of hits, of all results and of each language's."""
    languages = dict.fromkeys(result.language for result in results if result.language)
    return Score(
        name,
        "share",
        _share([result.hit for result in results]),
        {
            language: _share([result.hit for result in results if result.language == language])
            for language in languages
        },
    )


def _share(hits: Sequence[bool]) -> Estimate:
    low, high = wilson(sum(hits), len(hits))
    return Estimate(sum(hits) / len(hits), len(hits), low, high)


def bits(name: str, passages: Sequence[Passage]) -> Score:
    """Bits per character over all passages together, each as heavy as it is long."""
    return Score(name, "bits", _bits(passages))


def _bits(passages: Sequence[Passage]) -> Estimate:
    weights = np.array([passage.bits for passage in passages])  # (P,)
    lengths = np.array([passage.characters for passage in passages])  # (P,)
    value, count = float(weights.sum() / lengths.sum()), len(passages)
    if count == 1:
        return Estimate(value, count, None, None)
    low, high = _bootstrap(weights, lengths)
    return Estimate(value, count, low, high)


def _bootstrap(weights: NDArray[np.float64], lengths: NDArray[np.int64]) -> tuple[float, float]:
    """The 95 % percentile interval of the ratio of sums (Efron and Tibshirani, 1993, ch. 13)."""
    draws = np.random.default_rng(RESAMPLING_SEED)
    chosen = draws.integers(len(weights), size=(RESAMPLES, len(weights)))
    ratios = weights[chosen].sum(axis=1) / lengths[chosen].sum(axis=1)  # (RESAMPLES,)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)
