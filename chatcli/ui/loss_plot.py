"""Loss curves drawn with characters: braille dots for training, rings for validation.

All phases stand side by side on one axis of tokens, the names of the phases below it. It is
as wide as the window, down to 20 columns, and says the same without colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from rich.cells import cell_len

from chatcli.text.visible import visible
from chatcli.train.curves import Curve, Point, in_short, thin
from chatcli.ui.environment import Environment
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint

__all__ = ["loss_plot", "show_loss"]

_WIDEST, _TALLEST, _LOWEST = 100, 14, 5
_MARGIN = 6  # for the losses on the left
_FLAT = 1e-3  # nats; less difference than this isn't stretched over the whole height
_RING = "o"
_CELLS_A_RING = 3  # one at most in so many cells, so that training shows between them
# The dots of a braille cell: their bits by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_STYLES = {"training": "curve.training", "validation": "curve.validation", "": ""}


def show_loss(env: Environment, curves: Sequence[Curve]) -> None:
    """Write the plot to stdout; a remark instead where it can't show such characters."""
    try:
        "⣿│".encode(env.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        env.say("a plot needs UTF-8, which this output isn't; --out FILE draws a picture")
        return
    rows = env.rows() if env.stdout_is_terminal else 2 * _TALLEST
    env.write("\n".join(loss_plot(curves, Paint(env), env.columns(), rows)) + "\n")


def loss_plot(curves: Sequence[Curve], paint: Paint, columns: int, rows: int) -> list[str]:
    """The plot in lines of fewer than `columns` cells, in about half of `rows`."""
    if not any(curve.training or curve.validation for curve in curves):
        return ["no finite loss to draw"]
    height = min(_TALLEST, max(_LOWEST, rows // 2 - 4))
    canvas = _Canvas(curves, max(8, min(columns - 1, _WIDEST) - _MARGIN - 1), height)
    marks = {row: canvas.loss(row) for row in _marked(height)}
    lines = ["loss, nats a token"]
    for row, cells in enumerate(canvas.cells()):
        edge = f"{marks[row]:>{_MARGIN - 1}} ┤" if row in marks else " " * _MARGIN + "│"
        lines.append(paint("figures", edge) + _painted(cells, paint))
    lines += [" " * _MARGIN + line for line in _axis(curves, canvas, paint)]
    return [*lines, *_legend(curves, paint, columns)]


class _Canvas:
    """`width` by `height` cells, each of two by four dots, with the curves on it."""

    def __init__(self, curves: Sequence[Curve], width: int, height: int) -> None:
        self.width, self.height = width, height
        self._end = max(curves[-1].end, 1e-9)
        self._dots: dict[tuple[int, int], int] = {}
        self._rings: set[tuple[int, int]] = set()
        shares = [max(1, round((one.end - one.start) / self._end * width)) for one in curves]
        lines = [thin(one.training, 2 * share) for one, share in zip(curves, shares, strict=True)]
        rings = [
            thin(one.validation, max(1, share // _CELLS_A_RING))
            for one, share in zip(curves, shares, strict=True)
        ]
        losses = [y for points in (*lines, *rings) for _, y in points]
        self._low, self._high = min(losses), max(losses)
        if self._high - self._low < _FLAT:
            self._low, self._high = self._low - _FLAT / 2, self._low + _FLAT / 2
        for points in lines:
            self._draw_line([self._place(point) for point in points])
        for x, y in (self._place(point) for points in rings for point in points):
            self._rings.add((int(y) // 4, int(x) // 2))

    def column(self, tokens: float) -> int:
        return min(self.width - 1, int(tokens / self._end * self.width))

    def loss(self, row: int) -> str:
        """What a row of cells stands for, in four characters."""
        loss = self._high - (self._high - self._low) * row / (self.height - 1)
        return in_short(loss) if loss >= 1000 else f"{loss:.2f}"[:4].rstrip(".")

    def cells(self) -> Iterable[list[tuple[str, str]]]:
        """Rows of (what it is of, character)."""
        for row in range(self.height):
            yield [self._cell(row, column) for column in range(self.width)]

    def _cell(self, row: int, column: int) -> tuple[str, str]:
        if (row, column) in self._rings:
            return "validation", _RING
        bits = self._dots.get((row, column))
        return ("training", chr(0x2800 + bits)) if bits else ("", " ")

    def _place(self, point: Point) -> tuple[float, float]:
        """Dots from the left and from the top, each a valid index when cut to an integer."""
        x = point[0] / self._end * (2 * self.width - 1)
        y = (self._high - point[1]) / (self._high - self._low) * (4 * self.height - 1)
        return x, y

    def _draw_line(self, places: Sequence[tuple[float, float]]) -> None:
        for (x0, y0), (x1, y1) in pairwise([*places[:1], *places]):
            count = max(1, int(max(abs(x1 - x0), abs(y1 - y0)) + 1))
            for step in range(count + 1):
                x = int(x0 + (x1 - x0) * step / count)
                y = int(y0 + (y1 - y0) * step / count)
                cell = (y // 4, x // 2)
                self._dots[cell] = self._dots.get(cell, 0) | _DOTS[y % 4][x % 2]


def _marked(height: int) -> tuple[int, ...]:
    """The rows that tell their loss."""
    return (0, (height - 1) // 2, height - 1) if height >= 7 else (0, height - 1)


def _painted(cells: Iterable[tuple[str, str]], paint: Paint) -> str:
    groups = groupby(cells, key=lambda cell: cell[0])
    row = "".join(paint(_STYLES[kind], "".join(c for _, c in some)) for kind, some in groups)
    return row.rstrip()


def _axis(curves: Sequence[Curve], canvas: _Canvas, paint: Paint) -> list[str]:
    """The axis with a tick where a phase begins, the tokens there, and the phases' names."""
    starts = [canvas.column(curve.start) for curve in curves]
    line = "".join("┬" if column in starts[1:] else "─" for column in range(canvas.width))
    end = f"{in_short(curves[-1].end)} tokens"
    last = max(0, canvas.width + 1 - len(end))
    counts = [(column, in_short(curve.start)) for column, curve in zip(starts, curves, strict=True)]
    counts = [(at, text) for at, text in counts if at + len(text) < last]
    names: list[tuple[int, str]] = []
    for column, after, curve in zip(starts, [*starts[1:], canvas.width], curves, strict=True):
        if after - column > 1:
            names.append((column, clip(visible(curve.phase, keep_newlines=False), after - column)))
    below = [f" {_placed(texts)}" for texts in ([*counts, (last - 1, end)], names)]
    return [paint("figures", text) for text in (f"└{line}", *below)]


def _placed(texts: Iterable[tuple[int, str]]) -> str:
    """Each text at its column; what would touch the one before is left out."""
    line = ""
    for column, text in texts:
        if not line or column > cell_len(line):
            line += " " * (column - cell_len(line)) + text
    return line


def _legend(curves: Sequence[Curve], paint: Paint, columns: int) -> list[str]:
    parts = [("⠤⠤", "training")]
    if any(curve.validation for curve in curves):
        parts.append((_RING, "validation"))
    shown = [f"{paint(_STYLES[name], mark)} {name}" for mark, name in parts]
    one_line = sum(len(mark) + len(name) + 4 for mark, name in parts) < columns
    return ["  ".join(shown)] if one_line else shown
