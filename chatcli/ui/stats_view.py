"""What the last reply and the whole conversation cost, and what made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from chatcli.chat.types import Run, Turn
from chatcli.engine.types import Usage
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.folding import fold

__all__ = ["Tally", "made_by", "stats_lines", "tally"]

_DIGITS = 12  # of a digest


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over some turns: `usage` over their `replies` that came, made in `runs`.

    `first` is the mean time to the first token of a reply, in seconds.
    """

    turns: int
    replies: int
    runs: int
    usage: Usage
    first: float

    @property
    def read(self) -> int:
        """Tokens that were fed and not in the cache."""
        return self.usage.prompt_tokens - self.usage.reused_tokens

    @property
    def rate(self) -> float:
        """Tokens a second while decoding; each run's first token belongs to its prefill."""
        later = self.usage.new_tokens - self.runs
        seconds = self.usage.decode_seconds
        return later / seconds if later > 0 and seconds > 0 else 0.0


def tally(turns: Iterable[Turn]) -> Tally:
    """The sums over `turns`."""
    turns = list(turns)
    runs = [run for turn in turns for run in turn.runs]
    begun = [turn.runs[0].usage.prefill_seconds for turn in turns if turn.runs]
    usage = reduce(lambda total, run: total + run.usage, runs, Usage())
    first = sum(begun) / len(begun) if begun else 0.0
    return Tally(len(turns), len(begun), len(runs), usage, first)


def stats_lines(
    last: Tally,
    path: Tally,
    whole: Tally,
    facts: Sequence[Sequence[str]],
    columns: int | None,
) -> list[str]:
    """The table of `last` (one reply), `path` (the branch in hand) and `whole` (all branches,
    left out where there is nothing beside the path), and lines of `facts` below it."""
    tallies = {"last reply": last, "this branch": path}
    if whole.turns > path.turns:
        tallies["all branches"] = whole
    names = ["turns", "tokens read", "tokens reused", "tokens written", "speed", "first token"]
    table = [
        Column("", names, gives=True),
        *(Column(title, _cells(each), right=True) for title, each in tallies.items()),
    ]
    return [*table_lines(table, columns), *(line for row in facts for line in fold(row, columns))]


def made_by(run: Run) -> list[str]:
    """Where a stretch of a reply was made."""
    origin = run.origin
    return [
        visible(origin.name, keep_newlines=False),
        f"{visible(origin.engine)} on {visible(origin.device)}, {visible(origin.dtype)}",
        f"digest {visible(origin.digest[:_DIGITS])}",
    ]


def _cells(one: Tally) -> list[str]:
    return [
        f"{one.turns:,}",
        f"{one.read:,}",
        f"{one.usage.reused_tokens:,}",
        f"{one.usage.new_tokens:,}",
        f"{one.rate:,.0f} tok/s" if one.rate else "–",
        f"{one.first * 1000:,.0f} ms" if one.replies else "–",
    ]
