"""A small terminal: it obeys the sequences the display sends, and fails on any other.

Those of prompt-toolkit are among them: its alternate screen lies over the rows and gives them
back. Rows that scroll off the top are kept, and each row knows whether it was wrapped by the
terminal, so that `text()` is what a person would copy. A cursor behind a full row waits
there (pending wrap), and every cursor movement forgets that, as in real terminals.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

from rich.cells import get_character_cell_size

from chatcli.ui.environment import ColorSystem, Environment

__all__ = ["Screen", "screen_environment"]

_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b([78D])|(.)", re.DOTALL)
# Bracketed paste, cursor keys, a blinking cursor, synchronised output: nothing to be seen.
_UNSEEN = ("?2004", "?1", "?12", "?2026")


class Screen(io.StringIO):
    """A text stream that is a terminal of `columns` by `rows`."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__()
        self.columns, self.rows = columns, rows
        self.sent: list[str] = []  # each write, raw
        self.styles: set[str] = set()  # every SGR parameter that was sent
        self.autowrap = self.cursor_visible = True
        self._lines: list[list[str]] = [[""] * columns]
        self._pen = ""  # the SGR parameters in force
        self._pens: dict[tuple[int, int], str] = {}  # with which each character was written
        self._wrapped: set[int] = set()  # indices of lines that the terminal wrapped
        self._row = self._column = 0  # the row counts from the first line of the scrollback
        self._saved = (0, 0, False)
        self._pending_wrap = False
        self._under: Callable[[], None] | None = None  # puts back what the other screen covers

    def isatty(self) -> bool:
        return True

    def size(self) -> tuple[int, int]:
        return self.columns, self.rows

    def write(self, text: str) -> int:
        self.sent.append(text)
        for match in _TOKEN.finditer(text):
            parameters, final, single, character = match.groups()
            if final:
                self._control(parameters, final)
            elif single:
                self._escape(single)
            else:
                self._put(character)
        return len(text)

    def cursor(self) -> tuple[int, int]:
        """(row, column), the row counted from the first of the scrollback."""
        return self._row, self._column

    def lines(self) -> list[str]:
        """Everything from the first row of the scrollback to the last that isn't blank."""
        rows = ["".join(cell or " " for cell in line if cell != "\0") for line in self._lines]
        rows = [row.rstrip() for row in rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def text(self) -> str:
        """What would be copied: rows that the terminal wrapped are joined again."""
        text = ""
        for index, row in enumerate(self.lines()):
            wrapped = index + 1 in self._wrapped
            text += "".join(self._lines[index]).replace("\0", "") if wrapped else row + "\n"
        return text

    def styled(self) -> list[list[tuple[int, str, str]]]:
        """(column, character, SGR parameters) of each row; for screens never resized."""
        return [
            [
                (column, cell, self._pens[row, column])
                for column, cell in enumerate(line)
                if cell and cell != "\0"
            ]
            for row, line in enumerate(self._lines[: len(self.lines())])
        ]

    def column(self, index: int) -> list[str]:
        """What stands in a 0-based column of each row that isn't blank."""
        return [line[index] for line in self._lines[: len(self.lines())]]

    def resize(self, columns: int, rows: int) -> None:
        """Take a new size: what was one line is wrapped anew, and the cursor stays with its
        character, as terminals that reflow do it."""
        lines, cursor = self._unwrapped()
        self.columns, self.rows = columns, rows
        self._lines, self._wrapped, self._pending_wrap = [], set(), False
        for number, cells in enumerate(lines):
            self._lines.append([])
            for offset, cell in enumerate(cells):
                needed = 1 + (cells[offset + 1 : offset + 2] == ["\0"])
                if len(self._lines[-1]) + needed > columns:
                    self._wrapped.add(len(self._lines))
                    self._lines.append([])
                if cursor == (number, offset):
                    self._row, self._column = len(self._lines) - 1, len(self._lines[-1])
                self._lines[-1].append(cell)
        for line in self._lines:
            line += [""] * (columns - len(line))

    def _unwrapped(self) -> tuple[list[list[str]], tuple[int, int]]:
        """The lines before any wrapping, padded to hold the cursor, and its (line, offset)."""
        lines: list[list[str]] = []
        cursor = (0, 0)
        for index, line in enumerate(self._lines):
            if index not in self._wrapped:
                lines.append([])
            if index == self._row:
                cursor = (len(lines) - 1, len(lines[-1]) + self._column)
            filled = max((place + 1 for place, cell in enumerate(line) if cell), default=0)
            lines[-1] += line[:filled]
        lines[cursor[0]] += [""] * (cursor[1] + 1 - len(lines[cursor[0]]))
        return lines, cursor

    def _control(self, parameters: str, final: str) -> None:
        if final == "m":
            self.styles.add(parameters)
            self._pen = _pen(self._pen, parameters)
        elif final in "ABCDGH":
            self._travel(final, [int(one or "1") for one in parameters.split(";")])
        elif (parameters, final) in {("", "J"), ("0", "J")}:
            self._clear_below()
        elif (parameters, final) in {("", "K"), ("0", "K")}:
            self._clear_right()
        elif final in "hl" and parameters.startswith("?"):
            self._mode(parameters, on=final == "h")
        else:
            raise AssertionError(f"unexpected escape sequence CSI {parameters}{final}")

    def _travel(self, final: str, counts: Sequence[int]) -> None:
        """Move the cursor, no farther than the edges of the screen."""
        row, column = self._row - self._top(), self._column
        ways = {
            "A": (row - counts[0], column),
            "B": (row + counts[0], column),
            "C": (row, column + counts[0]),
            "D": (row, column - counts[0]),
            "G": (row, counts[0] - 1),
            "H": (counts[0] - 1, counts[-1] - 1),
        }
        row, column = ways[final]
        top = self._top()
        self._move(top + max(0, min(row, self.rows - 1)), max(0, min(column, self.columns - 1)))
        self._lines += [[""] * self.columns for _ in range(self._row + 1 - len(self._lines))]

    def _mode(self, parameters: str, *, on: bool) -> None:
        if parameters == "?7":
            self.autowrap = on
        elif parameters == "?25":
            self.cursor_visible = on
        elif parameters == "?1049":
            self._alternate(on)
        elif parameters not in _UNSEEN:
            raise AssertionError(f"unexpected mode {parameters}{'h' if on else 'l'}")

    def _alternate(self, on: bool) -> None:
        """Begin a blank screen over the rows, or end it and show them again."""
        if on and self._under is None:
            kept = self._lines, self._pens, self._wrapped
            place = self._row, self._column, self._pending_wrap

            def restore() -> None:
                self._lines, self._pens, self._wrapped = kept
                self._row, self._column, self._pending_wrap = place

            self._under = restore
            self._lines, self._pens, self._wrapped = [[""] * self.columns], {}, set()
            self._move(0, 0)
        elif not on and self._under is not None:
            self._under()
            self._under = None

    def _escape(self, single: str) -> None:
        if single == "7":
            self._saved = (self._row - self._top(), self._column, self._pending_wrap)
        elif single == "8":
            row, column, self._pending_wrap = self._saved
            self._row, self._column = self._top() + row, column
        else:
            self._pending_wrap = False
            self._down()

    def _put(self, character: str) -> None:
        if character == "\n":  # the line discipline makes it CR LF
            self._move(self._row, 0)
            self._down()
        elif character == "\r":
            self._move(self._row, 0)
        elif character == "\b":
            self._travel("D", [1])
        elif character == "\t":
            self._move(self._row, min(self.columns - 1, (self._column // 8 + 1) * 8))
        else:
            assert character >= " " and not "\x7f" <= character < "\xa0", ascii(character)
            self._print(character, get_character_cell_size(character))

    def _print(self, character: str, cells: int) -> None:
        if cells == 0:
            return self._combine(character)
        room = self.columns - self._column - self._pending_wrap
        if cells > room and self.autowrap:
            self._wrap()
        elif cells > room:
            self._column = self.columns - cells
        self._lines[self._row][self._column : self._column + cells] = [character, "\0"][:cells]
        self._pens[self._row, self._column] = self._pen
        self._pending_wrap = self.autowrap and self._column + cells == self.columns
        self._column = min(self._column + cells, self.columns - 1)
        return None

    def _combine(self, character: str) -> None:
        column = self._column if self._pending_wrap else self._column - 1
        while column > 0 and self._lines[self._row][column] == "\0":
            column -= 1
        if column >= 0:
            self._lines[self._row][column] += character

    def _wrap(self) -> None:
        self._move(self._row, 0)
        self._down()
        self._wrapped.add(self._row)

    def _down(self) -> None:
        self._row += 1
        while self._row >= len(self._lines):
            self._lines.append([""] * self.columns)

    def _move(self, row: int, column: int) -> None:
        self._row, self._column, self._pending_wrap = row, column, False

    def _top(self) -> int:
        return max(0, len(self._lines) - self.rows)

    def _clear_below(self) -> None:
        """Blanks what follows the cursor; the character under it goes too."""
        self._clear_right()
        for row in range(self._row + 1, len(self._lines)):
            self._lines[row] = [""] * self.columns
            self._wrapped.discard(row)

    def _clear_right(self) -> None:
        self._lines[self._row][self._column :] = [""] * (self.columns - self._column)


def _pen(pen: str, parameters: str) -> str:
    """The SGR parameters in force after more of them; an empty one or 0 ends all before it."""
    if parameters in ("", "0"):
        return ""
    return parameters[1:] if parameters.startswith("0;") else f"{pen};{parameters}"


def screen_environment(
    screen: Screen,
    *,
    color_system: ColorSystem | None = "256",
    keyboard: int | None = None,
    stderr: io.StringIO | None = None,
) -> Environment:
    """An environment whose stdout is `screen`."""
    return Environment(
        stdin=io.StringIO(),
        stdout=screen,
        stderr=stderr or io.StringIO(),
        stdout_is_terminal=True,
        size=screen.size,
        color_system=color_system,
        cursor=True,
        keyboard=keyboard,
    )
