"""Text that streams into the scrollback once, with a panel that lives below it.

Between two writes the cursor rests at the end of the text. A redraw is one write: clear
from the cursor to the end of the screen, add the new text, make room for the panel by
index (which scrolls where it must and keeps the column), save the cursor, draw the panel
without autowrap, restore the cursor. So no row above the cursor is touched while text comes,
and the width that a terminal gives to a character can't put the text out of place.

One state can't be saved and restored everywhere: a cursor that waits behind a full row. So
a character that would fill the row is drawn together with the panel, and becomes text only
when more text, or the end, follows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import get_character_cell_size

from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.panel import clip
from chatcli.ui.rows import TAB, sure_rows
from chatcli.ui.theme import Paint

__all__ = ["LiveText", "advance"]

_BEGIN = "\x1b[?2026h\x1b[?25l"  # synchronized update, cursor hidden
_END = "\x1b[?25h\x1b[?2026l"
_CLEAR_BELOW = "\x1b[J"
_INDEX = "\x1bD"
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_AUTOWRAP_OFF, _AUTOWRAP_ON = "\x1b[?7l", "\x1b[?7h"


class LiveText:
    """The screen while a reply streams. The cursor must be in column 0 when it is made."""

    def __init__(self, env: Environment, paint: Paint) -> None:
        self._env = env
        self._paint = paint
        self._pending: list[tuple[str, str]] = []  # (style, text) not yet written
        self._written: list[str] = []  # all of the text
        self._line = ""  # what was written since the last newline
        self._size = env.columns(), env.rows()
        self._columns = env.columns()
        self._column = 0
        self._drawing = False
        self._ours = True  # every row since the first one holds the text alone
        self.panel_is_up = False

    def add(self, text: str, style: str = "") -> None:
        """Take `text`, made inert; it is on the screen with the next `draw` or `close`."""
        if text:
            self._pending.append((style, visible(text)))

    def draw(self, panel: Sequence[str], aside: str = "") -> None:
        """Write the new text, and `panel` below it in place of the one before.

        `aside` is what stands behind the text until the next `draw`; unstyled, and inert.
        """
        text = self._take_text(hold_back=True)
        held = "".join(self._paint(style, part) for style, part in self._pending)
        aside = clip(aside, self._columns - 1 - self._column)
        held += self._paint("thinking", aside)
        below = _below(held, panel) if panel or held else ""
        clear = _CLEAR_BELOW if self.panel_is_up else ""
        self.panel_is_up = bool(below)
        self._drawing = True  # an exception from a signal may cut the sequence short
        self._env.write(f"{_BEGIN}{clear}{text}{below}{_END}")
        self._drawing = False

    def close(self) -> None:
        """Write what is pending, take the panel away, and end the row.

        More may follow, on a row of its own.
        """
        mend = _AUTOWRAP_ON + _END if self._drawing else ""
        clear = _CLEAR_BELOW if self.panel_is_up else ""
        text = self._take_text(hold_back=False)
        self._env.write(f"{mend}{clear}{text}" + ("\n" if self._line else ""))
        self._line, self._column, self.panel_is_up, self._drawing = "", 0, False, False

    def leave(self) -> None:
        """As `close`, and others may write to the terminal before more follows."""
        self.close()
        self._ours = False

    def replace(self, lines: Sequence[str]) -> bool:
        """After `close`: put `lines` in place of the whole text; return whether that was done.

        It is only where each row of the text is still on the screen and surely ours: nobody
        else wrote, the size never changed, and the text has as many rows in any terminal.
        """
        size = self._env.columns(), self._env.rows()
        rows = sure_rows("".join(self._written), self._columns)
        if not self._ours or size != self._size or rows is None or rows >= size[1]:
            return False
        up = f"\x1b[{rows}A" if rows else ""
        self._env.write(f"{_BEGIN}{up}{_CLEAR_BELOW}" + "".join(f"{x}\n" for x in lines) + _END)
        return True

    def _take_text(self, hold_back: bool) -> str:
        """The pending text, styled; a character that would fill the row stays pending."""
        columns = self._env.columns()
        if columns != self._columns:  # resized: terminals wrap the line anew
            self._columns, self._ours = columns, False
            self._column = advance(0, self._line, columns)
        plain = "".join(text for _, text in self._pending)
        column = advance(self._column, plain, columns)
        ready, held = self._pending, list[tuple[str, str]]()
        if hold_back and column == columns:
            ready, held = _split_last_character(self._pending)
            plain = "".join(text for _, text in ready)
            column = advance(self._column, plain, columns)
        self._pending, self._column = held, column
        self._written.append(plain)
        self._line = (self._line + plain).rpartition("\n")[2]
        return "".join(self._paint(style, text) for style, text in ready)


def _below(held: str, panel: Sequence[str]) -> str:
    """Draw `held` and the rows of `panel` from the cursor on, and come back to it.

    There is room for one row more than that: a terminal that finds `held` too wide for the
    row wraps it, and must not scroll then.
    """
    room = len(panel) + bool(held)
    rows = "".join(f"\r\n{row}" for row in panel)
    return f"{_INDEX * room}\x1b[{room}A{_SAVE}{held}{_AUTOWRAP_OFF}{rows}{_AUTOWRAP_ON}{_RESTORE}"


def advance(column: int, text: str, columns: int) -> int:
    """The column behind `text` written at `column`; equal to `columns` behind a full row."""
    for character in text:
        if character == "\n":
            column = 0
        elif character == "\t":
            column = min(columns - 1, (column // TAB + 1) * TAB)
        else:
            cells = get_character_cell_size(character)
            column = cells if column + cells > columns else column + cells
    return column


def _split_last_character(
    parts: Sequence[tuple[str, str]],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """`parts` before the last character that takes a cell, and from it on."""
    for index in range(len(parts) - 1, -1, -1):
        style, text = parts[index]
        for place in range(len(text) - 1, -1, -1):
            if get_character_cell_size(text[place]):
                before = [*parts[:index], (style, text[:place])]
                return before, [(style, text[place:]), *parts[index + 1 :]]
    return list(parts), []
