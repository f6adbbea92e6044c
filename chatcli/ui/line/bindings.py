"""The keys that mean something else in a chat than in prompt-toolkit's own line.

Everything that isn't here is as in any other line: emacs' or vi's keys, Ctrl-R, Ctrl-L,
Ctrl-Z, the right arrow for what is suggested.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import (
    Condition,
    emacs_insert_mode,
    has_focus,
    has_selection,
    vi_insert_mode,
)
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from chatcli.ui.line.blocks import is_open

__all__ = ["Farewell", "key_bindings"]


class Farewell:
    """Whether Ctrl-C was pressed on an empty line, and no other key since."""

    def __init__(self) -> None:
        self.warned = self._armed = False

    def reset(self) -> None:
        """A new prompt."""
        self.warned = self._armed = False

    def before_key(self, sender: object) -> None:
        """Any key takes the warning back; `ctrl_c` looks whether there was one."""
        self._armed, self.warned = self.warned, False

    def ctrl_c(self) -> bool:
        """Whether this Ctrl-C on an empty line is the second in a row."""
        self.warned = not self._armed
        return self._armed


def key_bindings(
    farewell: Farewell,
    leave: Callable[[], None],
    edit: Callable[[Buffer], Awaitable[None]],
) -> KeyBindings:
    """The keys, on top of prompt-toolkit's. `leave` ends the chat; `edit` has the editor."""
    keys = KeyBindings()
    _typing(keys, edit)
    _leaving(keys, farewell, leave)
    return keys


def _typing(keys: KeyBindings, edit: Callable[[Buffer], Awaitable[None]]) -> None:
    here = has_focus(DEFAULT_BUFFER)
    inserting = here & (emacs_insert_mode | vi_insert_mode)

    @keys.add("enter", filter=here)
    def send(event: KeyPressEvent) -> None:
        """Inside triple quotes the line goes on."""
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=inserting)
    @keys.add("c-j", filter=inserting)
    def newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("tab", filter=inserting)
    def complete(event: KeyPressEvent) -> None:
        """A single completion is taken at once; of several, first what they share."""
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is None:
            buffer.start_completion(insert_common_part=True)
        elif len(state.completions) == 1:
            buffer.apply_completion(state.completions[0])
        else:
            buffer.complete_next()

    @keys.add("c-g", filter=here & ~has_selection)
    async def open_editor(event: KeyPressEvent) -> None:
        await edit(event.current_buffer)


def _leaving(keys: KeyBindings, farewell: Farewell, leave: Callable[[], None]) -> None:
    here = has_focus(DEFAULT_BUFFER)
    empty = here & Condition(lambda: not get_app().current_buffer.text)

    @keys.add("c-c", filter=here)
    def clear_or_leave(event: KeyPressEvent) -> None:
        """What is cleared can be had back by undoing."""
        buffer = event.current_buffer
        if buffer.text:
            buffer.save_to_undo_stack()
            buffer.document = Document()
        elif farewell.ctrl_c():
            leave()

    @keys.add("c-d", filter=empty)
    def leave_empty(event: KeyPressEvent) -> None:
        leave()
