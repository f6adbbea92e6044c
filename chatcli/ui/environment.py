"""The world a command runs in: streams, terminal, size, colours, keyboard; passed in, never global.

Everything that is written goes through here, so that an encoding that can't hold a
character, a full disk and a closed pipe are each dealt with in one place. What to write is
the business of the views; what to exit with, of the command line.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

from chatcli.errors import StreamError, UsageError
from chatcli.text.visible import visible

__all__ = ["ColorSystem", "Environment"]

ColorSystem = Literal["standard", "256", "truecolor"]


@dataclass(frozen=True, slots=True)
class Environment:
    """Streams and what they are attached to.

    `size` gives (columns, rows) of the terminal now. `color_system` is None where colour is
    off (NO_COLOR, a dumb terminal, no terminal). `cursor` says whether stdout is a terminal
    that obeys cursor movement and shows UTF-8, which the live panel needs. `keyboard` is the
    device or descriptor from which keys can be read while a reply streams, None without one.
    """

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    stdin_is_terminal: bool = False
    stdout_is_terminal: bool = False
    size: Callable[[], tuple[int, int]] = lambda: (80, 24)
    color_system: ColorSystem | None = None
    cursor: bool = False
    keyboard: str | int | None = None

    @classmethod
    def from_process(cls) -> Environment:
        """The process's own streams, made unable to fail on a character they can't encode."""
        _open_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace", newline=None if stream.isatty() else "")
        terminal = sys.stdout.isatty()
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
        return cls(
            stdin=sys.stdin,
            stdout=sys.stdout,
            stderr=sys.stderr,
            stdin_is_terminal=sys.stdin.isatty(),
            stdout_is_terminal=terminal,
            size=_terminal_size,
            color_system=_color_system(os.environ) if terminal else None,
            cursor=terminal and utf8 and os.environ.get("TERM") not in ("dumb", "unknown"),
            keyboard=_keyboard() if terminal else None,
        )

    @property
    def interactive(self) -> bool:
        """Whether a person can both type and read."""
        return self.stdin_is_terminal and self.stdout_is_terminal

    @property
    def no_color(self) -> bool:
        """Whether colour is off; bold and underline may still be used where `cursor` is true."""
        return self.color_system is None

    def columns(self) -> int:
        """The terminal's width in cells, now."""
        return max(1, self.size()[0])

    def rows(self) -> int:
        """The terminal's height in rows, now."""
        return max(1, self.size()[1])

    def write(self, text: str) -> None:
        """Write `text` to stdout as it is, and flush.

        Raises BrokenPipeError where the reader is gone (see `abandon`) and StreamError where
        the text can't be written: no space left, an input/output error.
        """
        self._write(self.stdout, text)

    def say(self, text: str) -> None:
        """A remark for the person: a line on stderr, made inert.

        On a terminal each row gets whole words; a log gets the line as it is.
        """
        text = visible(text)
        if self.stdout_is_terminal:
            from chatcli.ui.folding import rows  # costs start-up time

            text = rows(text, self.columns())
        self._write(self.stderr, text + "\n")

    def error(self, text: str) -> None:
        """An error: one line on stderr, made inert, under the program's name."""
        self.say(f"chatcli: {visible(text, keep_newlines=False)}")

    def read(self) -> str:
        """All of stdin as UTF-8. Raises UsageError where it is something else."""
        raw = getattr(self.stdin, "buffer", None)
        return self.stdin.read() if raw is None else _decoded(raw.read(), 0)

    def lines(self) -> Iterator[str]:
        """The lines of stdin as they come, without their ends. Raises as `read` does."""
        offset = 0
        for line in getattr(self.stdin, "buffer", self.stdin):
            text = _decoded(line, offset) if isinstance(line, bytes) else line
            offset += len(line)
            yield text.rstrip("\r\n")

    def abandon(self) -> None:
        """Point stdout and stderr, where broken, at nothing.

        After a BrokenPipeError the interpreter would meet the same error again when it
        flushes at exit, and complain; call this once, then exit with status 0.
        """
        for stream in (self.stdout, self.stderr):
            try:
                stream.flush()
            except OSError:
                _discard(stream)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.errno == errno.EINVAL and os.name == "nt":  # Windows' closed pipe
                raise BrokenPipeError(errno.EPIPE, "closed pipe") from error
            _discard(stream)
            raise StreamError(
                f"can't write the output: {error.strerror or error}; what was written so far "
                "may be cut short; free some space or write elsewhere"
            ) from error


def _open_closed_streams() -> None:
    """Python has None for a stream that the shell closed (`>&-`); the null device is as good."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _decoded(data: bytes, offset: int) -> str:
    """`data`, which starts at `offset` of stdin, as text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input isn't UTF-8: byte 0x{data[error.start]:02X} at offset "
            f"{offset + error.start:,}; convert it first (iconv -t utf-8)"
        ) from error


def _discard(stream: TextIO) -> None:
    """Let whatever is still buffered for `stream` go nowhere."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _terminal_size() -> tuple[int, int]:
    """Asked of the terminal itself, for COLUMNS goes stale when a window is resized."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        size = shutil.get_terminal_size()
    return size.columns or 80, size.lines or 24


def _color_system(environ: Mapping[str, str]) -> ColorSystem | None:
    """What NO_COLOR (any text, https://no-color.org), TERM and COLORTERM say."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term in ("dumb", "unknown"):
        return None
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if "256" in term or os.name == "nt" else "standard"


def _keyboard() -> str | int | None:
    """Stdin where it is a terminal; else the controlling terminal, stdin being a pipe."""
    if sys.stdin.isatty():
        return sys.stdin.fileno()
    return "/dev/tty" if os.path.exists("/dev/tty") else None
