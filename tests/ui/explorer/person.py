"""Somebody exploring: keys through a pipe, and the screen as the explorer lays it out."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.output import DummyOutput

from chatcli.errors import StoreError
from chatcli.model.types import LanguageModel
from chatcli.probe.spelling import starting_ids
from chatcli.probe.walk import Walk
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.environment import Environment
from chatcli.ui.explorer.app import Explorer, Left
from chatcli.ui.explorer.screen import screen
from chatcli.ui.explorer.state import State

__all__ = ["CONFIG", "Person", "Shelf", "shown", "shows", "state_of"]

CONFIG = SamplingConfig(temperature=0.8, top_k=40, top_p=0.95, seed=7)
PATIENCE_S = 10.0

Check = Callable[[State], bool]


class Shelf:
    """Explorations in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}

    def names(self) -> tuple[str, ...]:
        return tuple(reversed(self.kept))

    def holds(self, name: str) -> bool:
        return name in self.kept

    def save(self, name: str, walk: Mapping[str, Any]) -> None:
        self.kept[name] = walk

    def load(self, name: str) -> Mapping[str, Any]:
        if name not in self.kept:
            raise StoreError(f"no exploration {name!r} is kept")
        return self.kept[name]

    def delete(self, name: str) -> None:
        del self.kept[name]


def state_of(
    model: LanguageModel, config: SamplingConfig = CONFIG, walk: Walk | None = None
) -> State:
    """A fresh exploration of a model."""
    start = Walk(starting_ids(model.tokenizer)) if walk is None else walk
    checkpoint = model.checkpoint
    return State(model.tokenizer, checkpoint.name, checkpoint.context_length, config, start)


def shown(state: State, columns: int = 80, rows: int = 24) -> str:
    """The screen as text."""
    lines = ["".join(text for _, text in row) for row in screen(state, columns, rows)]
    return "\n".join(line.rstrip() for line in lines)


def shows(text: str) -> Check:
    """Wait until `text` is on the screen."""
    return lambda state: text in shown(state)


def read(state: State) -> bool:
    """Wait until the table is that of the text, or why there is none."""
    return not state.behind or bool(state.fault)


class Person:
    """Explores `model`: `keys` plays keys and waits, and leaves; `state` is what it came to."""

    def __init__(
        self,
        model: LanguageModel,
        *,
        config: SamplingConfig = CONFIG,
        walk: Walk | None = None,
        shelf: Shelf | None = None,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.model, self.shelf = model, shelf or Shelf()
        self.state = state_of(model, config, walk)
        self.screens: list[str] = []
        self._output = _Sized(columns, rows)
        self._failed = ""
        self._pressed = 0

    def keys(self, *steps: str | Check) -> Left:
        """Play them: a text is typed as it is, and when it has been obeyed and there is no run,
        the table is waited for, unless something else is."""
        streams = io.StringIO(), io.StringIO(), io.StringIO()
        env = Environment(*streams, color_system="256", cursor=True)
        with create_pipe_input() as keys, create_app_session(keys, self._output):
            explorer = Explorer(env, self.model, self.state, self.shelf)
            explorer._app.key_processor.after_key_press += self._count
            typist = threading.Thread(target=self._play, args=(steps, keys))
            typist.start()
            try:
                return explorer.run()
            finally:
                typist.join()
                assert not self._failed, self._failed

    def _play(self, steps: tuple[str | Check, ...], keys: PipeInput) -> None:
        for step, after in zip(steps, (*steps[1:], ""), strict=True):
            if isinstance(step, str):
                wanted = self._pressed + _presses(step)
                keys.send_text(step)
                obeyed = self._wait(lambda state, wanted=wanted: self._pressed >= wanted)  # type: ignore[misc]
                if not isinstance(after, str) and obeyed:
                    continue
                step = read
            if not self._wait(step):
                self._failed = f"it never came; the screen showed\n{shown(self.state)}"
                break
        keys.send_text(CTRL_C)

    def _count(self, sender: object) -> None:
        self._pressed += 1

    def _wait(self, holds: Check) -> bool:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if holds(self.state):
                return True
            time.sleep(0.005)
        return False


def _presses(text: str) -> int:
    """How many keys a terminal sends so."""
    found: list[object] = []
    parser = Vt100Parser(found.append)
    parser.feed(text)
    parser.flush()
    return len(found)


class _Sized(DummyOutput):
    def __init__(self, columns: int, rows: int) -> None:
        self._size = Size(rows=rows, columns=columns)

    def get_size(self) -> Size:
        return self._size


ESC, CTRL_C, BACKSPACE, ENTER, TAB = "\x1b", "\x03", "\x7f", "\r", "\t"
UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
F1, F2, F3, F4, F5 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~"
