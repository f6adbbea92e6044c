"""The keys of the explorer, and which of its moves each of them is.

Keys are text, or commands, or the small line's, by what the State says; a few mean the same
always. While the model runs by itself, any key stops it and does nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from chatcli.ui.explorer import moves
from chatcli.ui.explorer.asking import Shelf, answer, ask, seek
from chatcli.ui.explorer.knobs import KNOBS, turned
from chatcli.ui.explorer.line import Line
from chatcli.ui.explorer.manual import manual_height
from chatcli.ui.explorer.screen import page_rows
from chatcli.ui.explorer.state import VIEWS, AskKind, State, View
from chatcli.ui.explorer.tree import stretches

__all__ = ["Desk", "key_bindings"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What keys act on: `leave` is told whether to print ids too, `size` gives columns and rows."""

    state: State
    shelf: Shelf
    leave: Callable[[bool], None]
    size: Callable[[], tuple[int, int]]


Action = Callable[[Desk], None]


def key_bindings(desk: Desk) -> KeyBindings:
    """All of them."""
    keys = KeyBindings()
    _always(keys, desk)
    _editing(keys, desk)
    _walking(keys, desk)
    _characters(keys, desk)
    return keys


def _bind(
    keys: KeyBindings, desk: Desk, names: tuple[str, ...], action: Action, when: Condition
) -> None:
    def run(event: KeyPressEvent) -> None:
        desk.state.note = ""
        if desk.state.run < 0:
            moves.stop(desk.state)
        else:
            action(desk)

    for name in names:
        keys.add(name, filter=when, eager=True)(run)


def _showing(view: View) -> Action:
    return lambda desk: desk.state.show(view)


def _edited_by(edit: Callable[[Line], Line]) -> Action:
    return lambda desk: _edit(desk.state, edit)


def _stepping(way: Callable[[int], int]) -> Action:
    return lambda desk: _step(desk, way)


def _always(keys: KeyBindings, desk: Desk) -> None:
    every = Condition(lambda: True)
    for number, view in enumerate(VIEWS, 1):
        _bind(keys, desk, (f"f{number}",), _showing(view), every)
    _bind(keys, desk, ("escape",), _escape, every)
    _bind(keys, desk, ("enter",), _enter, every)
    _bind(keys, desk, ("backspace",), _backspace, every)

    @keys.add("c-c")
    def leave(event: KeyPressEvent) -> None:
        desk.leave(False)

    @keys.add("c-z")
    def suspend(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    @keys.add("c-l")
    def redraw(event: KeyPressEvent) -> None:
        event.app.renderer.clear()


def _editing(keys: KeyBindings, desk: Desk) -> None:
    """Keys that move in a text, the small line's or the one at the top."""
    editing = Condition(lambda: desk.state.typing or desk.state.ask is not None)
    edits: Mapping[tuple[str, ...], Callable[[Line], Line]] = {
        ("left", "c-b"): Line.left,
        ("right", "c-f"): Line.right,
        ("c-a",): Line.home,
        ("c-e",): Line.end,
        ("delete",): Line.deleted,
        ("c-w",): Line.word_erased,
        ("c-u",): Line.start_erased,
    }
    for names, edit in edits.items():
        _bind(keys, desk, names, _edited_by(edit), editing)
    typing = Condition(lambda: desk.state.typing and desk.state.ask is None)
    _bind(keys, desk, ("c-j",), lambda desk: moves.type_text(desk.state, "\n"), typing)
    nothing = Condition(lambda: not desk.state.line.text and desk.state.ask is None)
    _bind(keys, desk, ("c-d",), lambda desk: desk.leave(False), nothing)


def _walking(keys: KeyBindings, desk: Desk) -> None:
    """Keys that walk through what fills the screen, or through the text."""
    free = Condition(lambda: desk.state.ask is None)
    ways: Mapping[str, Callable[[int], int]] = {
        "up": lambda page: -1,
        "down": lambda page: 1,
        "pageup": lambda page: -page,
        "pagedown": lambda page: page,
        "home": lambda page: -(1 << 40),
        "end": lambda page: 1 << 40,
    }
    for name, way in ways.items():
        _bind(keys, desk, (name,), _stepping(way), free)
    _bind(keys, desk, ("tab",), lambda desk: moves.draw(desk.state, 1), free)
    commanding = Condition(lambda: desk.state.ask is None and not desk.state.typing)
    _bind(keys, desk, ("left",), lambda desk: moves.step_back(desk.state), commanding)
    _bind(keys, desk, ("right",), lambda desk: moves.onward(desk.state), commanding)


def _characters(keys: KeyBindings, desk: Desk) -> None:
    @keys.add(Keys.Any)
    def typed(event: KeyPressEvent) -> None:
        key = event.key_sequence[0].key
        if isinstance(key, Keys):  # a key that means nothing here
            return
        state, text = desk.state, event.data
        state.note = ""
        if state.run < 0:
            moves.stop(state)
        elif state.ask is not None or state.typing:
            _insert(state, text)
        else:
            _command(desk, text)

    @keys.add(Keys.BracketedPaste)
    def pasted(event: KeyPressEvent) -> None:
        desk.state.note = ""
        _insert(desk.state, event.data)


def _insert(state: State, text: str) -> None:
    if state.ask is not None:
        line = state.ask.line.inserted(" ".join(text.splitlines()))
        state.ask = replace(state.ask, line=line)
    else:
        state.typing = True
        moves.type_text(state, text)


def _edit(state: State, edit: Callable[[Line], Line]) -> None:
    if state.ask is not None:
        state.ask = replace(state.ask, line=edit(state.ask.line))
    else:
        state.line = edit(state.line)


def _escape(desk: Desk) -> None:
    state = desk.state
    if state.ask is not None:
        state.ask = None
    elif state.view == "help":
        state.help()
    else:
        state.typing = not state.typing


def _enter(desk: Desk) -> None:
    state = desk.state
    if state.ask is not None:
        answer(state, desk.shelf)
    elif state.view == "tree":
        moves.jump(state, state.tree_at)
    elif state.view == "characters":
        moves.take_character(state)
    elif state.view in ("table", "waterfall"):
        moves.take(state)


def _backspace(desk: Desk) -> None:
    if desk.state.ask is not None:
        _edit(desk.state, Line.erased)
    else:
        moves.erase(desk.state)


def _step(desk: Desk, way: Callable[[int], int]) -> None:
    state = desk.state
    columns, rows = desk.size()
    far = way(page_rows(rows))
    if state.view == "help":
        last = max(0, manual_height(columns) - page_rows(rows))
        state.scroll = max(0, min(state.scroll + far, last))
    elif state.view == "tree":
        numbers = [one.last.number for one in stretches(state.walk)]
        place = numbers.index(state.tree_at) if state.tree_at in numbers else 0
        state.tree_at = numbers[max(0, min(place + far, len(numbers) - 1))]
    elif state.view == "characters":
        last = len(state.characters.shares) - 1 if state.characters is not None else 0
        state.character_at = max(0, min(state.character_at + far, last))
    else:
        state.select(state.selected + far)


def _command(desk: Desk, typed: str) -> None:
    """A Chinese keyboard types wide signs."""
    key = unicodedata.normalize("NFKC", typed)
    state = desk.state
    if key.lower() in KNOBS:
        state.configure(turned(state.config, KNOBS[key.lower()], up=key.isupper()))
    elif key in _ASKS:
        ask(state, _ASKS[key], desk.shelf)
    elif action := _COMMANDS.get(key):
        action(desk)
    else:
        state.say(f"{typed!r} is no command; ? shows them")


def _type(desk: Desk) -> None:
    desk.state.typing = True


def _fold(desk: Desk) -> None:
    if desk.state.view == "tree":
        desk.state.walk.fold(desk.state.tree_at)


def _mark(desk: Desk) -> None:
    state = desk.state
    if state.view == "tree":
        state.tree_mark = None if state.tree_mark == state.tree_at else state.tree_at


def _whose(desk: Desk) -> None:
    desk.state.after_chain = not desk.state.after_chain


def _stages(desk: Desk, by: int) -> None:
    desk.state.first_stage = max(0, desk.state.first_stage + by)


_ASKS: Mapping[str, AskKind] = {
    "/": "search",
    "w": "watch",
    "b": "break",
    ":": "set",
    "a": "name",
    "W": "save",
    "R": "open",
    "D": "delete",
}
_COMMANDS: Mapping[str, Action] = {
    " ": lambda desk: moves.draw(desk.state, 1),
    "g": lambda desk: moves.draw(desk.state, -1),
    "n": lambda desk: seek(desk.state, True),
    "N": lambda desk: seek(desk.state, False),
    "f": _fold,
    "x": _mark,
    "c": _whose,
    "[": lambda desk: _stages(desk, -1),
    "]": lambda desk: _stages(desk, 1),
    "i": _type,
    "?": lambda desk: desk.state.help(),
    "q": lambda desk: desk.leave(False),
    "Q": lambda desk: desk.leave(True),
    **{str(number): _showing(view) for number, view in enumerate(VIEWS, 1)},
}
