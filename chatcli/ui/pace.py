"""How fast a reply goes by: `--pace`, and Space to pause and step.

Space pauses; while paused it steps, q stops the reply as Ctrl-C does, and Enter or any
other key goes on. Pausing is asked for between tokens, so it holds at the next one that is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chatcli.ui.frames import Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.keys import Keys

__all__ = ["Pace"]

_SLICE = 0.05  # seconds between two looks at the interrupt flag


class Pace:
    """Waits between tokens; sets `frames.every` so that what is looked at closely is drawn."""

    def __init__(self, frames: Frames, keys: Keys, interrupt: Interrupt) -> None:
        self.paused = False
        self._frames = frames
        self._keys = keys
        self._interrupt = interrupt
        self._rate = frames.options.pace
        self._next = time.monotonic()

    def listen(self) -> None:
        """Take the keys typed since the last token; never waits."""
        self._obey(self._keys.read())

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the next token may come; `meanwhile` is called again and again."""
        if self._rate is not None:
            self._next = max(self._next + 1 / self._rate, time.monotonic())
            while not self._stopped() and (left := self._next - time.monotonic()) > 0:
                pressed = self._obey(self._keys.read(min(left, _SLICE)))
                meanwhile()
                if pressed and self.paused:
                    break
        while self.paused and not self._stopped():
            if self._obey(self._keys.read(_SLICE)):
                break
            meanwhile()

    def _stopped(self) -> bool:
        return self._interrupt.cancelled()

    def _obey(self, key: str) -> bool:
        """Act on a key; whether it was one. Arrows and the like (escape sequences) are none."""
        if not key or key.startswith("\x1b"):
            return False
        if self.paused and key[0] in "qQ":
            self._interrupt.cancel()
        self.paused = key[0] == " "
        self._frames.every = self.paused or self._rate is not None
        return True
