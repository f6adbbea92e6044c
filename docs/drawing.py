"""Writes the cells of a terminal's screen as an SVG picture of a window.

Every character gets its own x, and lines and bars are shapes, so columns stay straight in
whatever fonts a reader has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from rich.cells import cell_len

from tests.ui.screen import Screen

__all__ = ["svg"]

CELL, LINE, SIZE, WIDE_SIZE = 8.8, 21, 14.5, 16
LEFT, TOP, BOTTOM = 22, 58, 24
FONTS = (
    "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', "
    "'PingFang SC', 'Microsoft YaHei', monospace"
)
INK, PAPER, ACCENT = "#d8dee9", "#171a21", "#5faf87"
EIGHTHS = "▏▎▍▌▋▊▉█"
CORNERS = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
SHAPES = {"─", "│", "▶", "░", *CORNERS}
_COLOUR = r"38;2;(\d+);(\d+);(\d+)"

Cells = Sequence[tuple[int, str, str]]


def svg(title: str, command: str, screen: Screen) -> str:
    """A window with the command that was typed, and the screen below it."""
    rows = [*_typed(command, screen.columns), *screen.styled()]
    width = 2 * LEFT + screen.columns * CELL
    height = TOP + LINE * (len(rows) - 1) + BOTTOM
    body = [shape for row, cells in enumerate(rows) for shape in _row(cells, TOP + row * LINE)]
    lights = "".join(
        f'<circle cx="{LEFT + 4 + 20 * place}" cy="22" r="6" fill="{colour}"/>'
        for place, colour in enumerate(("#e06c66", "#dfb657", "#6fb56b"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height}" '
            f'width="{width:g}" height="{height}" font-family="{FONTS}" font-size="{SIZE}" '
            f'fill="{INK}" xml:space="preserve">',
            f"<title>{escape(title, quote=False)}</title>",
            f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>',
            lights,
            *body,
            "</svg>\n",
        ]
    )


def _typed(command: str, columns: int) -> list[list[tuple[int, str, str]]]:
    """The rows of a shell's line, wrapped as its terminal does it."""
    line = Screen(columns, 1)
    line.write(f"\x1b[1;{_parameters(ACCENT)}m$\x1b[0;1m {command}")
    return line.styled()


def _parameters(colour: str) -> str:
    return "38;2;" + ";".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))


def _row(cells: Cells, y: float) -> Iterator[str]:
    """Runs of one style and kind; each word and each wide character is placed by itself.

    What is reversed lies on a ground of its own.
    """
    for pen, group in groupby(cells, lambda cell: cell[2]):
        if "7" in _weights(pen):
            yield _ground(list(group), y)
    for (pen, kind), group in groupby(cells, lambda cell: (cell[2], _kind(cell[1]))):
        run = [(column, character) for column, character, _ in group]
        if kind == "word":
            yield _text(run, pen, y)
        elif kind == "wide":
            yield from (_text([one], pen, y) for one in run)
        elif kind != "space":
            yield f"<g{_style(pen)}>{_shape(kind, run[0][0], run, y)}</g>"


def _ground(cells: Cells, y: float) -> str:
    """A box in the colour of the ink."""
    (first, _, _), (last, character, _) = cells[0], cells[-1]
    left, width = _x(first), CELL * (last + cell_len(character) - first)
    top = y - 0.74 * LINE
    return f'<rect x="{left:.5g}" y="{top:.5g}" width="{width:.5g}" height="{LINE}" fill="{INK}"/>'


def _kind(character: str) -> str:
    """What is drawn in one go: a bar of whole and part blocks, a line, a word, one glyph."""
    if character in EIGHTHS:
        return "bar"
    if character in SHAPES:
        return character
    if character == " ":
        return "space"
    return "wide" if cell_len(character) == 2 else "word"


def _text(run: Sequence[tuple[int, str]], pen: str, y: float) -> str:
    """A wide character stands in the middle of its two cells."""
    wide = cell_len(run[0][1]) == 2
    shift, size = ((2 * CELL - WIDE_SIZE) / 2, f' font-size="{WIDE_SIZE}"') if wide else (0, "")
    xs = " ".join(f"{_x(column) + shift:.5g}" for column, _ in run)
    text = escape("".join(character for _, character in run), quote=False)
    return f'<text y="{y:g}" x="{xs}"{size}{_style(pen)}>{text}</text>'


def _x(column: int) -> float:
    return LEFT + column * CELL


def _shape(kind: str, column: int, run: Sequence[tuple[int, str]], y: float) -> str:
    """A bar, a line, a corner or the arrow as a path; the row's baseline is `y`."""
    left, top = _x(column), y - 0.74 * LINE
    x, middle = left + CELL / 2, top + LINE / 2
    if kind == "bar":
        width = CELL * sum(EIGHTHS.index(character) + 1 for _, character in run) / 8
        return _filled(f"M{left:.5g} {top + 3:.5g}h{width:.5g}v{LINE - 6}h{-width:.5g}z")
    if kind == "░":
        width = CELL * len(run) - 2
        return _stroked(f"M{left + 1:.5g} {top + 4:.5g}h{width:.5g}v{LINE - 8}h{-width:.5g}z")
    if kind == "▶":
        return _filled(f"M{left:.5g} {middle - 5:.5g}l{CELL} 5l{-CELL} 5z")
    if kind == "─":
        return _stroked(f"M{left:.5g} {middle:.5g}h{CELL * len(run):.5g}")
    if kind == "│":
        return _stroked(f"M{x:.5g} {top:.5g}v{LINE}")
    right, down = CORNERS[kind]
    end, bend = x + right * CELL / 2, middle + down * CELL / 2
    edge = middle + down * LINE / 2
    return _stroked(f"M{end:.5g} {middle:.5g}Q{x:.5g} {middle:.5g} {x:.5g} {bend:.5g}V{edge:.5g}")


def _stroked(data: str) -> str:
    return f'<path d="{data}" fill="none" stroke="currentColor"/>'


def _filled(data: str) -> str:
    return f'<path d="{data}" fill="currentColor"/>'


def _style(pen: str) -> str:
    """SGR parameters as attributes; `color` is for shapes, `fill` for text."""
    weights, colour = _weights(pen), re.search(_COLOUR, pen)
    ink = "#" + "".join(f"{int(part):02x}" for part in colour.groups()) if colour else INK
    ink = PAPER if "7" in weights else ink
    extra = ' font-weight="bold"' if "1" in weights else ""
    extra += ' opacity="0.6"' if "2" in weights else ""
    extra += ' font-style="italic"' if "3" in weights else ""
    extra += ' text-decoration="underline"' if "4" in weights else ""
    return f' fill="{ink}" color="{ink}"{extra}'


def _weights(pen: str) -> set[str]:
    return set(re.sub(_COLOUR, "", pen).split(";"))
