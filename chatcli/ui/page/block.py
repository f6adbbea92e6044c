"""The figures of a report as the plain JSON that the page's script makes its tables from.

    labels, ids   every token that is named, once; elsewhere it is its place in these
    stages        the names of stages, likewise
    top           so many candidates were recorded where a rank isn't known
    replies       of each text its tokens, in order:
                  [label, raw prob, prob, rank, entropy, u, low, high, candidates, stages]
                  candidates: label, raw prob, prob, stage that removed it, … (four each)
                  stages: name, survivors, entropy after it, … (three each)

Numbers have four digits, luck six, which keeps a token at a few hundred bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from chatcli.probe.report import Passage, Rival, Told

__all__ = ["block"]

_NONE = -1


def block(passages: Iterable[Passage], top: int) -> dict[str, Any]:
    """The block for all passages that have tokens."""
    labels, stages = _Places(), _Places()
    replies = [[_token(one, labels, stages) for one in passage.told] for passage in passages]
    return {
        "labels": [label for _, label in labels],
        "ids": [token for token, _ in labels],
        "stages": list(stages),
        "top": top,
        "replies": replies,
    }


class _Places(dict[Any, int]):
    """Things by the place that they got when they were first asked for."""

    def __missing__(self, key: Any) -> int:
        self[key] = place = len(self)
        return place


def _token(one: Told, labels: _Places, stages: _Places) -> list[Any]:
    low, high = one.interval or (None, None)
    return [
        labels[one.token, one.label],
        _short(one.raw_prob),
        _short(one.prob),
        one.rank,
        _short(one.entropy_bits),
        _short(one.u, 6),
        _short(low, 6),
        _short(high, 6),
        [*chain.from_iterable(_rival(each, labels, stages) for each in one.rivals)],
        [
            *chain.from_iterable(
                (stages[each.name], each.kept, _short(each.entropy_bits)) for each in one.stages
            )
        ],
    ]


def _rival(one: Rival, labels: _Places, stages: _Places) -> list[Any]:
    remover = _NONE if one.removed_by is None else stages[one.removed_by]
    return [labels[one.token, one.label], _short(one.raw_prob), _short(one.prob), remover]


def _short(number: float | None, digits: int = 4) -> float | int | None:
    """So many digits of it, as JSON writes them shortest; what isn't certain stays below 1."""
    if number is None:
        return None
    rounded: float = float(f"{number:.{digits}g}")
    if rounded == 1 > number:
        return 1.0 - 0.1**digits
    return int(rounded) if rounded.is_integer() else rounded
