"""Ctrl-Z while a reply streams: the terminal is left in order, then the process stops.

The signal may come in the middle of a redraw, so it is obeyed at once only while the next
chunk is being made, or between `rest` and `hold`, and otherwise where `obey` is called. What
leaving the terminal takes is the business of those who changed it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

__all__ = ["Suspension"]

_Item = TypeVar("_Item")

_SIGNAL: signal.Signals | None = getattr(signal, "SIGTSTP", None)  # Windows has none


class Suspension:
    """A context in which each of `leave` is called before the process stops.

    Outside the main thread, and where the shell has no job control, it changes nothing.
    """

    def __init__(self, *leave: Callable[[], None]) -> None:
        self._leave = leave
        self._asked = self._at_once = False
        self._restore: Any = signal.SIG_IGN

    def around(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """`items`, where Ctrl-Z is obeyed at once while the next of them is being made."""
        try:
            self.rest()
            for item in items:
                self.hold()
                yield item
                self.rest()
        finally:
            self.hold()

    def rest(self) -> None:
        """From here on Ctrl-Z is obeyed at once; one that has come is obeyed now."""
        self._at_once = True
        self.obey()

    def hold(self) -> None:
        """From here on Ctrl-Z waits for `obey` or `rest`."""
        self._at_once = False

    def obey(self) -> None:
        """Stop here if Ctrl-Z was pressed; return when the process is continued."""
        if self._asked:
            at_once, self._at_once = self._at_once, False
            for leave in self._leave:
                leave()
            _stop()
            self._asked, self._at_once = False, at_once

    def __enter__(self) -> Self:
        if _SIGNAL is not None and threading.current_thread() is threading.main_thread():
            self._restore = signal.getsignal(_SIGNAL)
            if self._restore is not signal.SIG_IGN:
                signal.signal(_SIGNAL, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._restore is not signal.SIG_IGN and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._restore or signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._at_once:
            self.obey()


def _stop() -> None:
    """What the signal does by default; the handler of now is there again afterwards."""
    if _SIGNAL is not None:
        handler = signal.signal(_SIGNAL, signal.SIG_DFL)
        signal.raise_signal(_SIGNAL)
        signal.signal(_SIGNAL, handler)
