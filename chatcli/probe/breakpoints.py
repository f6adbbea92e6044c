"""Where a model that runs by itself stops: predicates over a Step, and how they are written.

    entropy>3    the model's own distribution has more than 3 bits
    rank>20      the token that is drawn is worse than the model's 20th
    p<5%         the model gave it less than 5 %
    watch<=10    a watched string's first token is among the model's 10 best
    sentence     a sentence has ended

All but the last are looked at before a token is taken, and so stop in front of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, cast

from chatcli.engine.types import Step
from chatcli.errors import UsageError

__all__ = ["Breakpoint", "most_candidates", "parse_breakpoints", "spell_breakpoints"]

Kind = Literal["entropy", "rank", "p", "watch", "sentence"]

_SIGNS = {"p": "<", "watch": "<="}  # of the others it is ">"
_WRITTEN = re.compile(r"(entropy|rank|p|watch)\s*(<=|>=|<|>|≤|≥)\s*([0-9.]+)\s*(%?)")
_PLAIN = str.maketrans("≤≥", "<>")
_FORMS = "entropy>X, rank>K, p<Y, watch<=N and sentence"
_MOST = 1000  # candidates that a watched token may be looked for among
# A closing quote or bracket may follow what ends a sentence.
_END = re.compile(r"[。！？!?…\n]|\.(?=[\s\"'”’)）」』]*$)")


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One condition; `limit` is in bits, a rank, a probability, a number of candidates."""

    kind: Kind
    limit: float = 0.0

    @property
    def before(self) -> bool:
        """Whether it stops in front of the token, rather than behind it."""
        return self.kind != "sentence"

    def reason(self, step: Step, text: str, watched: Collection[int] = ()) -> str | None:
        """Why a run stops at `step`, None where it goes on.

        `text` is what the step's token spells, `watched` the first ids of watched strings.
        """
        return _REASONS[self.kind](self.limit, step, text, watched)

    def __str__(self) -> str:
        if self.kind == "sentence":
            return "sentence"
        value = f"{self.limit * 100:g}%" if self.kind == "p" else f"{self.limit:g}"
        return f"{self.kind}{_SIGNS.get(self.kind, '>')}{value}"


def parse_breakpoints(text: str) -> tuple[Breakpoint, ...]:
    """ "entropy>3 rank>20 p<5% watch<=10 sentence"; "" is none. Raises UsageError."""
    rest, found = text.replace(",", " "), []
    for match in _WRITTEN.finditer(rest):
        found.append(_written(match))
    for word in _WRITTEN.sub(" ", rest).split():
        if word != "sentence":
            raise UsageError(f"a breakpoint is one of {_FORMS}; got {word!r}")
        found.append(Breakpoint("sentence"))
    return tuple(dict.fromkeys(found))


def spell_breakpoints(breakpoints: Collection[Breakpoint]) -> str:
    """As `parse_breakpoints` reads it."""
    return " ".join(map(str, breakpoints))


def most_candidates(breakpoints: Collection[Breakpoint]) -> int:
    """How many candidates a Step must report for all conditions to be told."""
    return int(max((one.limit for one in breakpoints if one.kind == "watch"), default=0))


def _written(match: re.Match[str]) -> Breakpoint:
    name, sign, number, percent = match.groups()
    kind = cast(Kind, name)
    wanted = _SIGNS.get(kind, ">")
    if sign.translate(_PLAIN)[0] != wanted[0] or (percent and kind != "p"):
        raise UsageError(f"a breakpoint is one of {_FORMS}; got {match[0]!r}")
    try:
        limit = float(number) / (100 if percent else 1)
    except ValueError:
        raise UsageError(f"{match[0]!r} has no number; write it as {name}{wanted}3") from None
    _check(kind, limit, match[0])
    return Breakpoint(kind, limit)


def _check(kind: Kind, limit: float, written: str) -> None:
    if kind == "p" and not 0 < limit <= 1:
        raise UsageError(f"{written!r}: a probability is above 0 and at most 1, or 100%")
    if kind == "watch" and not (limit.is_integer() and 1 <= limit <= _MOST):
        raise UsageError(f"{written!r}: a watched token is looked for among 1 to {_MOST:,} others")


def _entropy(limit: float, step: Step, text: str, watched: Collection[int]) -> str | None:
    bits = step.entropy_bits
    return f"entropy {bits:.2f} bits, above {limit:g}" if bits > limit else None


def _rank(limit: float, step: Step, text: str, watched: Collection[int]) -> str | None:
    return f"rank {step.rank:,}, below {limit:g}" if step.rank > limit else None


def _prob(limit: float, step: Step, text: str, watched: Collection[int]) -> str | None:
    percent = step.raw_prob * 100
    return (
        f"probability {percent:.1f} %, under {limit * 100:g} %" if percent < limit * 100 else None
    )


def _watch(limit: float, step: Step, text: str, watched: Collection[int]) -> str | None:
    for one in step.draw.candidates:
        if one.token in watched and one.rank <= limit:
            return f"a watched token has rank {one.rank:,}"
    return None


def _sentence(limit: float, step: Step, text: str, watched: Collection[int]) -> str | None:
    return "a sentence has ended" if _END.search(text) else None


_REASONS: dict[Kind, Callable[[float, Step, str, Collection[int]], str | None]] = {
    "entropy": _entropy,
    "rank": _rank,
    "p": _prob,
    "watch": _watch,
    "sentence": _sentence,
}
