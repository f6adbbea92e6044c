"""What the chat says besides replies: at once, or after the reply that is on the screen.

A remark in the middle of streamed text would tear the live panel, so those that come from
below while a reply is shown (what fell out of the context, what isn't being kept) wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from chatcli.ui.environment import Environment
from chatcli.ui.folding import fold

__all__ = ["Remarks"]


class Remarks:
    """Callable with one remark, a line on stderr; made inert there."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._held: list[str] | None = None

    def __call__(self, text: str) -> None:
        """Say `text`, or keep it for the end of `held`; its lines may be several."""
        if self._held is None:
            self._env.say(text)
        else:
            self._held.append(text)

    def error(self, text: str) -> None:
        """Say at once what went wrong, under the program's name."""
        self._env.error(text)

    def facts(self, *facts: str) -> None:
        """Say short facts in a row, folded where the screen is narrow."""
        self("\n".join(fold(facts, self._env.columns())))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts remarks wait; they are said when it ends, however it does."""
        waiting: list[str] = []
        self._held = waiting
        try:
            yield
        finally:
            self._held = None
            for text in waiting:
                self._env.say(text)
