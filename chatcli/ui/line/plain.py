"""Lines from a dumb terminal, which edits them itself: a prompt, and no other decoration.

There is nothing to complete, recall or draw. What a line means is left to the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from chatcli.errors import OutputError
from chatcli.ui.environment import Environment
from chatcli.ui.line.blocks import is_open
from chatcli.ui.line.departure import Departure
from chatcli.ui.line.session import PROMPT, Leave, LineHelp

__all__ = ["Plain"]


class Plain:
    """Reads lines from the terminal of `env`."""

    def __init__(self, help: LineHelp, env: Environment, notice: Callable[[str], None]) -> None:
        self._help, self._env, self._notice = help, env, notice

    def read(self) -> str:
        """A line, or a block between triple quotes; a blank one sends what the line should
        begin with, if anything, which can't be put into it. Raises Leave
        on Ctrl-D and the second Ctrl-C, and EOFError on SIGHUP and SIGTERM."""
        first, self._help.first = self._help.first, ""
        if first:
            self._notice(f"Enter alone sends: {first}")
        try:
            with Departure(_leave):
                text = self._line(PROMPT)
                while is_open(text):
                    text += "\n" + self._line("… ")
        except OutputError:  # the terminal has vanished
            raise EOFError from None
        return text if text.strip() else first or text

    def _line(self, prompt: str) -> str:
        warned = False
        while True:
            try:
                self._env.write(prompt)
                line = self._env.stdin.readline()
            except KeyboardInterrupt:
                self._env.write("\n")
                if warned:
                    raise Leave from None
                self._notice("Ctrl-C once more leaves")
                warned = True
                continue
            if not line:
                self._env.write("\n")
                raise Leave
            return line.rstrip("\r\n")


def _leave() -> None:
    raise EOFError
