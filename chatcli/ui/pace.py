"""How fast a reply goes by: `--pace`, and Space to pause and step.

Space pauses; while paused it steps, q stops the reply as Ctrl-C does, and Enter or any
other key goes on. Pausing is asked for between tokens, so it holds at the next one that is drawn.

Where what is typed goes into the next line, the first printable character that is none of
these keys begins it: from there to the end of the reply all keys are typing, Space, q and
Enter too, and nothing pauses. So are all keys from the start where the next line is begun already,
for they edit it, and where there is no live panel.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from chatcli.ui.frames import Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.keys import Keys

__all__ = ["Pace"]

_SLICE = 0.05  # seconds between two looks at the interrupt flag
# Arrows and the like, at the beginning of what was typed.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)


class Pace:
    """Waits between tokens; sets `frames.every` so that what is looked at closely is drawn.

    `typed` gets what is typed for the next line, of which some may be `begun`.
    """

    def __init__(
        self,
        frames: Frames,
        keys: Keys,
        interrupt: Interrupt,
        typed: Callable[[str], None] | None = None,
        *,
        begun: bool = False,
    ) -> None:
        self.paused = False
        self._typed = typed
        self._typing = typed is not None and (begun or not frames.live)
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

    def _obey(self, keys: str) -> bool:
        """Act on keys, or pass them on; whether one was pressed. Arrows and the like are none
        before there is typing."""
        pressed = False
        while keys and not self._typing:
            if sequence := _SEQUENCE.match(keys):
                keys = keys[sequence.end() :]
                continue
            pressed = True
            self._typing = self._begins_typing(keys[0])
            if self.paused and keys[0] in "qQ":
                self._interrupt.cancel()
            self.paused = keys[0] == " "
            keys = keys if self._typing else keys[1:]
        if keys and self._typed is not None:
            self._typed(keys)
        self._frames.every = self.paused or self._rate is not None
        return pressed

    def _begins_typing(self, key: str) -> bool:
        """Whether this key belongs to the next line, and so do all that follow."""
        ours = key == " " or (self.paused and key in "qQ")
        return self._typed is not None and key.isprintable() and not ours
