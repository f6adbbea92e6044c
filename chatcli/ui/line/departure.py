"""Ends that nobody typed: SIGHUP, SIGTERM, and a terminal that is another job's now.

They only ask for the end, so that what was said can be kept first. What ending means is the
business of the caller.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

try:
    from termios import error as _TerminalError
except ImportError:  # Windows has none
    _TerminalError = OSError  # type: ignore[misc, assignment]

__all__ = ["Departure", "lost_terminal", "tells_of_the_end"]

# What reading from, or writing to, a terminal that has vanished fails with.
_GONE = (errno.EIO, errno.ENXIO, errno.EBADF, errno.EPIPE, errno.ENOTTY)

_SIGNALS = [
    number
    for name in ("SIGHUP", "SIGTERM")
    if (number := getattr(signal, name, None)) is not None  # Windows lacks SIGHUP
]


class Departure:
    """A context in which SIGHUP and SIGTERM call `leave` and end nothing by themselves.

    A signal that was ignored stays so (nohup). Outside the main thread, where signals can't
    be caught, it changes nothing.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        """`leave` is called in the signal handler."""
        self._leave = leave
        self._before: dict[int, Any] = {}
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether one of the signals has come."""
        return self._asked

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._leave()


def tells_of_the_end(error: BaseException) -> bool:
    """Whether `error` is what a terminal that has vanished, or is to be left, fails with."""
    if isinstance(error, EOFError):
        return True
    return isinstance(error, OSError | _TerminalError) and error.args[:1] in [(e,) for e in _GONE]


def lost_terminal(descriptor: int) -> bool:
    """Whether reading from `descriptor` can only fail: its terminal has hung up, or has keys
    for another job and this process can't even be stopped (an orphan)."""
    try:
        foreground = os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, AttributeError) as error:  # no terminal, not ours, Windows: nothing known
        return getattr(error, "errno", None) == errno.EIO
    return not foreground and bool(select.select([descriptor], [], [], 0)[0])
