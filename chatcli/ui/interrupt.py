"""Ctrl-C while a reply streams: a flag that the decode loop asks for between tokens.

Nothing raises in the middle of a forward pass, so caches stay whole. A second Ctrl-C means
"now" and raises KeyboardInterrupt at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Interrupt"]


class Interrupt:
    """A context in which the first SIGINT only sets a flag.

    Outside the main thread, where signals can't be caught, the context changes nothing and
    only `cancel` sets the flag.
    """

    def __init__(self, notice: Callable[[], None] | None = None) -> None:
        """`notice` is called when the flag is set, by the signal handler as a rule."""
        self._cancelled, self._notice = False, notice
        self._restore = signal.getsignal(signal.SIGINT)

    def cancelled(self) -> bool:
        """Whether the reply should end after the token in hand."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask for the end as a first Ctrl-C does (a key, a test)."""
        self._cancelled = True
        if self._notice is not None:
            self._notice()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._restore = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._restore or signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._cancelled:
            raise KeyboardInterrupt
        self.cancel()
