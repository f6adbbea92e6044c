"""How full the context is: a bar, what takes how much of it, and what falls out next."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from chatcli.chat.types import Overflow
from chatcli.ui.figures import context_use
from chatcli.ui.folding import fold
from chatcli.ui.panel import percent
from chatcli.ui.theme import Paint

__all__ = ["ContextUse", "context_lines", "turn_range"]

_WIDEST_BAR = 72
_POLICIES: dict[Overflow, list[str]] = {
    "error": ["a message that doesn't fit is refused", "nothing falls out"],
    "drop-oldest": ["the oldest turns fall out before a reply", "the system prompt stays"],
    "slide": ["the oldest turns fall out, inside a reply too", "the system prompt stays"],
}


@dataclass(frozen=True, slots=True)
class ContextUse:
    """Tokens of a context of `total`: `preamble` and `turns` are held, `reserve` is kept free
    for the next reply.

    `forgotten` of all `count` turns are out; `next_out` fall out when it next overflows.
    """

    preamble: int
    turns: int
    reserve: int
    total: int
    count: int
    forgotten: int
    next_out: int
    near: bool
    policy: Overflow

    @property
    def used(self) -> int:
        """Tokens that are held."""
        return self.preamble + self.turns

    @property
    def free(self) -> int:
        """Tokens neither held nor reserved."""
        return max(0, self.total - self.used - self.reserve)


def context_lines(use: ContextUse, paint: Paint, columns: int | None) -> list[str]:
    """The meter and what belongs to it, in lines of at most `columns` cells."""
    width = _WIDEST_BAR if columns is None else min(columns - 1, _WIDEST_BAR)
    share = percent(min(1.0, use.used / use.total))
    facts = [f"context {context_use(use.used, use.total)}", share]
    return [
        *(paint("heading", line) for line in fold(facts, columns)),
        _bar(use, width, paint),
        *_rows(use, paint),
        *(line for fact in _remarks(use) for line in fold(fact, columns)),
    ]


def turn_range(first: int, last: int) -> str:
    """ "turn 3", "turns 3–12"."""
    return f"turn {first:,}" if first == last else f"turns {first:,}–{last:,}"


def _shares(use: ContextUse) -> list[tuple[str, str, str, int]]:
    """Of each share: its mark in the bar, its style, its name, its tokens."""
    visible = use.count - use.forgotten
    turns = turn_range(use.forgotten + 1, use.count) if visible else "no turns yet"
    shares = [
        ("▓", "token.system", "system prompt and examples", use.preamble),
        ("█", "token.reply", turns, use.turns),
        ("░", "token.message", "kept free for the next reply", use.reserve),
        ("·", "removed", "free", use.free),
    ]
    return shares if use.preamble else shares[1:]


def _bar(use: ContextUse, width: int, paint: Paint) -> str:
    """The shares in their order, each to the nearest cell; one that has tokens has a cell."""
    shares = _shares(use)
    total = max(use.total, sum(tokens for *_, tokens in shares), 1)
    cells = [max(1, round(width * tokens / total)) if tokens else 0 for *_, tokens in shares]
    while sum(cells) > width and max(cells) > 1:
        cells[cells.index(max(cells))] -= 1
    cells[-1] += max(0, width - sum(cells)) if use.free else 0
    return "".join(
        paint(style, mark * wide) for (mark, style, *_), wide in zip(shares, cells, strict=True)
    )


def _rows(use: ContextUse, paint: Paint) -> list[str]:
    shares = _shares(use)
    names = max(cell_len(name) for _, _, name, _ in shares)
    figures = max(len(f"{tokens:,}") for *_, tokens in shares)
    return [
        f"{paint(style, mark)} {name:<{names}}  {tokens:>{figures},}"
        for mark, style, name, tokens in shares
    ]


def _remarks(use: ContextUse) -> list[list[str]]:
    remarks = [[f"overflow {use.policy}", *_POLICIES[use.policy]]]
    if use.forgotten:
        remarks.append([f"out already: {turn_range(1, use.forgotten)}"])
    if use.policy != "error" and use.count > use.forgotten:
        remarks.append([_next_out(use)])
    others = " or ".join(name for name in _POLICIES if name != use.policy)
    remarks.append([f"/set overflow {others} changes that"])
    return remarks


def _next_out(use: ContextUse) -> str:
    """How many go at once depends on how full it is by then, so it is told only when near."""
    first = use.forgotten + 1
    if not use.near:
        return f"{turn_range(first, first)} falls out first, once the context is full"
    out = turn_range(first, min(use.count, use.forgotten + max(1, use.next_out)))
    return f"{out} may fall out with the next message"
