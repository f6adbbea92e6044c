"""Stop strings in streamed text: what may be released, what is held back, where to cut.

The stop string that completes first wins, ties go to the one named first; neither it nor
what follows is released.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.errors import UsageError

__all__ = ["StopMatcher"]


class StopMatcher:
    """Feeds on text in pieces; holds back what could still become a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        if isinstance(stops, str):
            raise UsageError(f"stop is the string {stops!r}, but must be a list of strings")
        if not all(stops):
            raise UsageError(
                "a stop string is empty, which would end every text; give it some text"
            )
        self._stops = tuple(stops)
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """The text that is now sure to be outside any stop string."""
        if self.matched is not None:
            return ""
        pending = self._held + text
        found = self._first_completed(pending)
        if found is not None:
            self.matched = found
            end = pending.find(found)
            self._held = ""
            return pending[:end]
        keep = self._could_begin(pending)
        self._held = pending[len(pending) - keep :]
        return pending[: len(pending) - keep]

    def finish(self) -> str:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return held

    def _first_completed(self, text: str) -> str | None:
        ends = [
            (at + len(stop), i)
            for i, stop in enumerate(self._stops)
            if (at := text.find(stop)) >= 0
        ]
        return self._stops[min(ends)[1]] if ends else None

    def _could_begin(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
