"""Single keys from the terminal while a reply streams, without touching a piped stdin.

The terminal's modes are changed (no line editing, no echo; Ctrl-C stays a signal) and put
back when the context ends, however it ends. Where keys can't be read, reading is waiting.
"""

from __future__ import annotations

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
        self._modes: list[Any] = []

    @property
    def available(self) -> bool:
        """Whether a key can arrive at all."""
        return self._descriptor is not None

    def read(self, seconds: float = 0.0) -> str:
        """What was typed by now or within `seconds`; "" for nothing."""
        if self._descriptor is None:
            if seconds > 0:
                time.sleep(seconds)
            return ""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return ""
        return os.read(self._descriptor, 64).decode("utf-8", errors="replace")

    def __enter__(self) -> Self:
        if termios is None or self._device is None:
            return self
        try:
            descriptor = self._open(self._device)
        except OSError:
            return self
        try:
            self._modes = termios.tcgetattr(descriptor)
            if os.tcgetpgrp(descriptor) != os.getpgrp():  # in the background: not ours to set
                raise OSError
            modes = list(self._modes)
            modes[_LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
        except (OSError, termios.error):
            self._close(descriptor)
            return self
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            termios.tcsetattr(descriptor, termios.TCSADRAIN, self._modes)
            self._close(descriptor)

    @staticmethod
    def _open(device: str | int) -> int:
        if isinstance(device, int):
            return device
        return os.open(device, os.O_RDONLY | os.O_NOCTTY)

    def _close(self, descriptor: int) -> None:
        if not isinstance(self._device, int):
            os.close(descriptor)
