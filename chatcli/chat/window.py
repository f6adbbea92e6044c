"""What fits: which turns the model sees, and what happens when they outgrow the context.

    error        a message that doesn't fit is refused
    drop-oldest  the oldest turns fall out before a reply, so that it has room
    slide        the same, and inside a reply too, when it reaches the end

Whole turns fall out, never the preamble, and at least a quarter of the context at a time:
each time what stays is read again, in its new place. Keys are never shifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatcli.chat.context import Renderer
from chatcli.chat.past import Past
from chatcli.chat.types import Settings
from chatcli.errors import ContextError

__all__ = ["Plan", "Planner", "Window", "room_for_reply", "window"]

_QUARTER = 4
_AROUND = 64  # tokens that a template puts around a message, at most as a rule


@dataclass(frozen=True, slots=True)
class Window:
    """How full the context is: `used` of `total` tokens, `reserve` of them for the next reply.

    `forgotten` turns are out already. `near` says whether a message of usual length costs
    something now; then `next_out` is how many turns fall out with it (0: it would be refused).
    """

    used: int
    total: int
    reserve: int
    forgotten: int
    near: bool
    next_out: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The ids to reply from, and how many of the oldest turns they leave out."""

    ids: list[int]
    forgotten: int


def room_for_reply(settings: Settings, context: int) -> int:
    """Tokens that a prompt leaves free, where turns may fall out to make room."""
    return _usual_reply(settings, context) if settings.overflow != "error" else 0


def _usual_reply(settings: Settings, context: int) -> int:
    return min(settings.max_tokens, context // _QUARTER)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans prompts for a context of `context` tokens."""

    renderer: Renderer
    context: int

    def plan(self, past: Past, message: str, settings: Settings) -> Plan:
        """The prompt for `message` after `past`. Raises ContextError where it can't fit."""
        first = past.forgotten if past.ids else self._earliest(past)
        ids = self._prompt(past, first, message, settings)
        if settings.overflow == "error":
            self._check(len(ids), bool(past.turns))
            return Plan(ids, first)
        limit = self.context - room_for_reply(settings, self.context)
        if len(ids) <= limit:
            return Plan(ids, first)
        first = self._first(past, first, message, settings, min(limit, self._less(len(ids))))
        ids = self._prompt(past, first, message, settings)
        if len(ids) > self.context:  # not even the message alone
            self._check(len(ids), False)
        return Plan(ids, first)

    def refit(
        self, past: Past, first: int, message: str, settings: Settings, reply: Sequence[int]
    ) -> Plan | None:
        """A shorter prompt to go on with inside a reply that filled the context.

        `first` is the first turn seen so far. None where nothing more can fall out.
        """
        full = self._length(past, first, message, settings) + len(reply)
        limit = self._less(full) - len(reply)
        later = self._first(past, first, message, settings, limit)
        ids = self._prompt(past, later, message, settings)
        if later == first or len(ids) + len(reply) >= self.context:
            return None
        return Plan(ids, later)

    def next_out(self, past: Past, settings: Settings) -> int:
        """How many turns would fall out if the next message came now, and were one too long."""
        if settings.overflow == "error":
            return 0
        limit = self._less(self._length(past, past.forgotten, "", settings))
        return self._first(past, past.forgotten, "", settings, limit) - past.forgotten

    def falling(self, past: Past, message: str, settings: Settings) -> int | None:
        """How many turns fall out with `message`; None where all fits beside a reply's room."""
        length = len(self._prompt(past, past.forgotten, message, settings))
        limit = self.context - _usual_reply(settings, self.context)
        if length <= limit:
            return None
        if settings.overflow == "error":
            return 0
        limit = min(limit, self._less(length))
        return self._first(past, past.forgotten, message, settings, limit) - past.forgotten

    def _prompt(self, past: Past, first: int, message: str, settings: Settings) -> list[int]:
        so_far = past.seen_from(first, settings.preamble)
        turns, prefill = past.turns[first:], settings.prefill
        return self.renderer.prompt(settings.preamble, turns, message, so_far, prefill=prefill)

    def _length(self, past: Past, first: int, message: str, settings: Settings) -> int:
        ids = self.renderer.prompt(
            settings.preamble, past.turns[first:], message, prefill=settings.prefill
        )
        return len(ids)

    def _first(self, past: Past, first: int, message: str, settings: Settings, limit: int) -> int:
        """The first turn to see so that the prompt has at most `limit` ids; else none of them."""
        low, high = first, len(past.turns)
        while low < high:
            middle = (low + high) // 2
            if self._length(past, middle, message, settings) <= limit:
                high = middle
            else:
                low = middle + 1
        return low

    def _less(self, length: int) -> int:
        """A length that frees at least a quarter of the context."""
        return min(length, self.context) - self.context // _QUARTER

    def _earliest(self, past: Past) -> int:
        """Turns before this one can't fit, for each has a token at least."""
        return max(0, len(past.turns) - self.context)

    def _check(self, length: int, started: bool) -> None:
        excess = length - self.context
        if excess <= 0:
            return
        if started:
            raise ContextError(
                f"the conversation is {length:,} tokens long with this message and the context "
                f"{self.context:,}: /set overflow drop-oldest lets the oldest turns fall out, "
                "/new starts afresh"
            )
        raise ContextError(
            f"the message is {length:,} tokens long with what stands around it, and the context "
            f"{self.context:,}; shorten it by {excess:,} token{'' if excess == 1 else 's'}"
        )


def window(planner: Planner, past: Past, settings: Settings) -> Window:
    """How full the context is after `past`; the next message is taken to be as long as those
    that the model sees usually are."""
    context, used = planner.context, len(past.ids)
    reserve = room_for_reply(settings, context)
    forgotten = past.forgotten if past.ids else 0
    seen = sorted((turn.user for turn in past.turns[forgotten:]), key=len)
    falling = None
    if used and seen:
        usual = seen[len(seen) // 2]
        # A token has a byte at least, so most of the time nothing need be rendered.
        if (
            used + len(usual.encode("utf-8", "replace")) + _AROUND + _usual_reply(settings, context)
            > context
        ):
            falling = planner.falling(past, usual, settings)
    return Window(
        min(used, context), context, reserve, forgotten, falling is not None, falling or 0
    )
