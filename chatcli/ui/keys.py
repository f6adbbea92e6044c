"""Single keys from the terminal while a reply streams, without touching a piped stdin.

The terminal's modes are changed (no line editing, no echo; Ctrl-C stays a signal) and put
back when the context ends, however it ends. Where keys can't be read, as in a background
job, reading is waiting.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import time
from types import TracebackType
from typing import Any, Self

try:
    import termios
except ImportError:  # Windows has none: no keys there
    termios = None  # type: ignore[assignment]

__all__ = ["Keys"]

_LOCAL_FLAGS = 3  # index into what tcgetattr returns


class Keys:
    """A context in which keys can be read from `device` (a path, a descriptor, None)."""

    def __init__(self, device: str | int | None) -> None:
        self._device = device
        self._descriptor: int | None = None
        self._modes: list[Any] | None = None  # as they were found, while they are changed
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, seconds: float = 0.0) -> str:
        """What was typed by now or within `seconds`; "" for nothing."""
        if self._descriptor is None or not self._taken(self._descriptor):
            if seconds > 0:
                time.sleep(seconds)
            return ""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return ""
        return self._decoder.decode(os.read(self._descriptor, 1024))

    def release(self) -> None:
        """Put the terminal's modes back as they were found; the next `read` changes them again."""
        if self._modes is not None and self._descriptor is not None:
            modes, self._modes = self._modes, None
            with contextlib.suppress(OSError, termios.error):  # it may have hung up
                if _in_foreground(self._descriptor):
                    termios.tcsetattr(self._descriptor, termios.TCSADRAIN, modes)

    def __enter__(self) -> Self:
        if termios is not None and self._device is not None:
            try:
                self._descriptor = self._open(self._device)
            except OSError:
                return self
            self._taken(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            self.release()
            if not isinstance(self._device, int):
                os.close(self._descriptor)
            self._descriptor = None

    @staticmethod
    def _open(device: str | int) -> int:
        if isinstance(device, int):
            return device
        return os.open(device, os.O_RDONLY | os.O_NOCTTY)

    def _taken(self, descriptor: int) -> bool:
        """Whether the modes are as they must be. They are set where they aren't: at first, and
        when a job that was stopped, or ran in the background, has the terminal again."""
        try:
            if not _in_foreground(descriptor):
                return False
            modes = termios.tcgetattr(descriptor)
            if modes[_LOCAL_FLAGS] & (termios.ICANON | termios.ECHO):
                self._modes = list(modes)
                modes[_LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO)
                termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
        except (OSError, termios.error):
            return False
        return True


def _in_foreground(descriptor: int) -> bool:
    """Whether the terminal is this job's to read and to change. Raises OSError where it is none."""
    return os.tcgetpgrp(descriptor) == os.getpgrp()
