"""The explorer on a terminal: prompt-toolkit's loop between keys, the reader and the screen.

It decides nothing: keys change the State (`keys`), the reader is asked for whatever the State
wants read, and what it delivers comes back through the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl

from chatcli.model.types import LanguageModel
from chatcli.probe.vocabulary import Vocabulary
from chatcli.ui.environment import Environment
from chatcli.ui.explorer.asking import Shelf, seek
from chatcli.ui.explorer.keys import Desk, key_bindings
from chatcli.ui.explorer.moves import advance, type_text
from chatcli.ui.explorer.reader import Reader, Reading
from chatcli.ui.explorer.screen import screen
from chatcli.ui.explorer.state import State
from chatcli.ui.explorer.style import color_depth, screen_style
from chatcli.ui.line.ahead import as_keys, waiting
from chatcli.ui.line.departure import Departure, lost_terminal

__all__ = ["Explorer", "Left"]

_PAUSE_S = 0.04  # keys that come faster than this are read together
_ESCAPE_S = 0.05  # what a terminal sends for one key comes at once
_WATCH_S = 1.0  # between looks at whether the terminal is still there


@dataclass(frozen=True, slots=True)
class Left:
    """How an exploration was left: whether the ids are asked for as well."""

    ids: bool = False


class Explorer:
    """One exploration, on the terminal of prompt-toolkit's session."""

    def __init__(self, env: Environment, model: LanguageModel, state: State, shelf: Shelf) -> None:
        self.state = state
        self._keyboard = env.keyboard
        self._reader = Reader(model, self._deliver)
        self._vocabulary = Vocabulary(model.tokenizer, model.checkpoint.vocab_size)
        self._finding = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._text = FormattedTextControl(self._fragments, focusable=True)
        desk = Desk(state, shelf, self._leave, self._size)
        self._app: Application[Left] = Application(
            Layout(Window(self._text)),
            key_bindings=key_bindings(desk),
            style=screen_style(color=env.color_system is not None),
            color_depth=color_depth(env.color_system),
            full_screen=True,
        )
        self._app.ttimeoutlen = self._app.timeoutlen = _ESCAPE_S
        self._app.key_processor.after_key_press += lambda _: self._sync(pause=True)

    def run(self) -> Left:
        """Explore until the person leaves.

        Raises EOFError where the terminal is gone or a signal asks for the end, and what
        reading and drawing raise.
        """

        def end() -> None:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end, EOFError())

        def begin() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.set_exception_handler(self._fail)
            self._app.create_background_task(self._watch())
            self._reader.start()
            self._take_ahead()
            self._sync()
            if departure.asked:
                end()

        try:
            with Departure(end) as departure:
                return self._app.run(
                    pre_run=begin, set_exception_handler=False, handle_sigint=False
                )
        finally:
            self._reader.close()

    def _take_ahead(self) -> None:
        """What was typed while nothing read keys is text, and its last Enter isn't.

        A line that isn't ended can be read only where the terminal keeps no lines.
        """
        if not isinstance(self._keyboard, int):
            return
        with self._app.input.raw_mode():
            typed = waiting(self._keyboard)
        type_text(self.state, _text_of(typed).removesuffix("\n"))

    def _sync(self, *, pause: bool = False) -> None:
        """Have whatever the State wants read, and found."""
        state = self.state
        typed = pause and bool(state.line.text)
        if not state.empty:
            self._reader.want(state.request, wait_s=_PAUSE_S if typed else 0.0)
        if state.found is None:
            query = state.query
            threading.Thread(target=self._find, args=(query,), daemon=True).start()

    def _find(self, query: str) -> None:
        """In a thread of its own, one at a time; the newest query is what counts."""
        with self._finding:
            found = self._vocabulary.find(query, lambda: self.state.query != query)
        if found is not None:
            self._call(lambda: self._found(query, found))

    def _found(self, query: str, found: frozenset[int]) -> None:
        if self.state.query == query and self.state.found is None:
            self.state.found = found
            seek(self.state, forward=True)
            self._app.invalidate()

    def _deliver(self, reading: Reading) -> None:
        """Called in the reader's thread."""
        self._call(lambda: self._arrive(reading))

    def _arrive(self, reading: Reading) -> None:
        if self.state.receive(reading):
            advance(self.state)
            self._sync()
            self._app.invalidate()

    def _call(self, action: Callable[[], None]) -> None:
        """Do it in the loop, if that still turns."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _leave(self, ids: bool) -> None:
        if not self._app.is_done:
            self._app.exit(result=Left(ids))

    def _end(self, error: BaseException) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit(exception=error)

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What goes wrong in the event loop goes to the caller, as from any other function."""
        self._end(context.get("exception") or RuntimeError(context["message"]))

    async def _watch(self) -> None:
        """End where keys can never come again: that alone ends no read of prompt-toolkit's."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if lost_terminal(self._app.input.fileno()):
                self._end(EOFError())

    def _size(self) -> tuple[int, int]:
        size = self._app.output.get_size()
        return size.columns, size.rows

    def _fragments(self) -> StyleAndTextTuples:
        state = self.state
        self._text.show_cursor = state.typing or state.ask is not None
        found: StyleAndTextTuples = []
        for index, row in enumerate(screen(state, *self._size())):
            found += [("", "\n")] * bool(index)
            found += row
        return found


def _text_of(typed: str) -> str:
    """Without arrows and other keys that are no text."""
    found = []
    for press in as_keys(typed):
        if press.key == Keys.ControlM:
            found.append("\n")
        elif not isinstance(press.key, Keys) or press.key == Keys.BracketedPaste:
            found.append(press.data)
    return "".join(found)
