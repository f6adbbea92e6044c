"""A person at the line: keys through a pipe, and the screen as prompt-toolkit has drawn it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prompt_toolkit.application import create_app_session
from prompt_toolkit.application.current import AppSession
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import DummyOutput

from chatcli.ui.environment import ColorSystem, Environment
from chatcli.ui.line.session import Completion, EditingMode, LineOptions, typed_lines

__all__ = ["Help", "Keyboard", "Shown", "ready", "shows"]

PATIENCE_S = 5.0


@dataclass
class Help:
    """What the chat would say; `words` are completions and their descriptions."""

    first: str = ""
    ahead: str = ""
    begun: bool = False
    words: dict[str, str] = field(default_factory=dict)
    bar: str | list[tuple[str, str]] = "builtin"
    word: str = "resume with --continue"

    def complete(self, line: str) -> Iterable[Completion]:
        start = line.rfind(" ") + 1
        for word, description in self.words.items():
            if word.startswith(line[start:]):
                yield Completion(word, start, description)

    def toolbar(self, columns: int) -> str | list[tuple[str, str]]:
        return self.bar

    def leaving(self) -> str:
        return self.word


@dataclass(frozen=True)
class Shown:
    """What is on the screen: rows without the blanks at their ends, and the cursor's place."""

    rows: tuple[str, ...]
    cursor: tuple[int, int]  # (row, column)

    @property
    def text(self) -> str:
        return "\n".join(self.rows)


class Sized(DummyOutput):
    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows

    def get_rows_below_cursor_position(self) -> int:
        return 1  # the toolbar, which stands at the bottom, is right below the line

    def get_size(self) -> Size:
        return Size(rows=self.rows, columns=self.columns)


Step = str | bytes | Callable[[Shown], bool]


def ready(shown: Shown) -> bool:
    """Wait for an empty line."""
    return shown.rows[0] == ">"


def shows(text: str) -> Callable[[Shown], bool]:
    """Wait until `text` is on the screen."""
    return lambda shown: text in shown.text


class Keyboard:
    """Types at the line. `notes` are the remarks, `seen` the screen at each wait."""

    def __init__(
        self,
        help: Help | None = None,
        *,
        editing_mode: EditingMode = "emacs",
        columns: int = 60,
        color_system: ColorSystem | None = None,
    ) -> None:
        self.help = help or Help()
        self.notes: list[str] = []
        self.seen: list[Shown] = []
        self._options = LineOptions(editing_mode)
        self._output = Sized(columns, 24)
        streams = io.StringIO(), io.StringIO(), io.StringIO()
        self._env = Environment(*streams, color_system=color_system)
        self._failed = ""
        self.ended = False  # the lines have

    def type(self, *steps: Step) -> list[str]:
        """The lines that come of `steps`: keys to press, and what to wait for. Two Ctrl-C
        leave in the end, where the steps haven't."""
        with create_pipe_input() as keys, create_app_session(keys, self._output) as session:
            typist = threading.Thread(target=self._play, args=(steps, keys, session))
            typist.start()
            try:
                lines = list(typed_lines(self.help, self._options, self._env, self.notes.append))
            finally:
                self.ended = True
                typist.join()
        assert not self._failed, self._failed
        return lines

    def _play(self, steps: tuple[Step, ...], keys: PipeInput, session: AppSession) -> None:
        for step in steps:
            if isinstance(step, str):
                keys.send_text(step)
            elif isinstance(step, bytes):
                keys.send_bytes(step)
            elif not self._wait(step, session):
                last = self.seen[-1].text if self.seen else "nothing"
                self._failed = f"it never came; the screen showed\n{last}"
                break
        keys.send_text("\x03\x03\x03")

    def _wait(self, holds: Callable[[Shown], bool], session: AppSession) -> bool:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            shown = _shown(session)
            if not self.seen or shown != self.seen[-1]:
                self.seen.append(shown)
            if holds(shown):
                return True
            time.sleep(0.005)
        return False


def _shown(session: AppSession) -> Shown:
    app = session.app
    screen = app.renderer.last_rendered_screen if app is not None else None
    if app is None or screen is None:
        return Shown(("",), (0, 0))
    drawn = {y: dict(row) for y, row in dict(screen.data_buffer).items()}
    rows = [_row(drawn.get(y, {})) for y in range(max(drawn, default=-1) + 1)]
    cursor = screen.get_cursor_position(app.layout.current_window)
    return Shown(tuple(rows), (cursor.y, cursor.x))


def _row(cells: dict[int, Char]) -> str:
    """Wide characters take two cells, and the second holds nothing."""
    width = max(cells, default=-1) + 1
    return "".join(cells[x].char if x in cells else " " for x in range(width)).rstrip()
