"""Draws docs/live.svg and docs/probs.svg from the program itself.

    python docs/picture.py [-m MODEL] [--token N] [--seed N]

Runs chatcli in a pseudo-terminal, plays what it writes on the terminal of the tests up to
one frame, and writes the cells of that screen as SVG. Every character gets its own x, and
lines and bars are shapes, so columns stay straight in whatever fonts a reader has.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.cells import cell_len  # noqa: E402

from tests.ui.screen import Screen  # noqa: E402

SAMPLING = ("-t", "0.9", "-p", "0.98")  # hot enough to leave the newest token some rivals
COLUMNS, ROWS = 84, 18
FRAME_END = "\x1b[?2026l"

CELL, LINE, SIZE, WIDE_SIZE = 8.8, 21, 14.5, 16
LEFT, TOP, BOTTOM = 22, 58, 24
FONTS = (
    "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', "
    "'PingFang SC', 'Microsoft YaHei', monospace"
)
INK, PAPER, ACCENT = "#d8dee9", "#171a21", "#5faf87"
EIGHTHS = "▏▎▍▌▋▊▉█"
CORNERS = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
SHAPES = {"─", "│", "▶", *CORNERS}

Cells = Sequence[tuple[int, str, str]]


def record(arguments: Sequence[str]) -> str:
    """Everything that chatcli writes to a terminal of COLUMNS by ROWS."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (ROWS, COLUMNS))
    colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "chatcli", *arguments],
        cwd=ROOT,
        env={**os.environ, **colours},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    written = b"".join(_read(ours))
    if process.wait():
        sys.exit(written.decode())
    return written.decode()


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end is closed
            return
        if not data:
            return
        yield data


def frame(written: str, mark: str) -> Screen:
    """The screen at the last frame that shows `mark`."""
    frames = written.split(FRAME_END)
    screens = [_played(frames[: count + 1]) for count in range(len(frames))]
    shown = [screen for screen in screens if mark in screen.text()]
    if not shown:
        sys.exit(f"no frame shows {mark!r}")
    return shown[-1]


def _played(frames: Sequence[str]) -> Screen:
    screen = Screen(COLUMNS, ROWS)
    for each in frames:
        screen.write(each)
    return screen


def svg(command: str, screen: Screen) -> str:
    """A window with the command that was typed, and the screen below it."""
    rows = screen.styled()
    width = 2 * LEFT + COLUMNS * CELL
    height = TOP + LINE * len(rows) + BOTTOM
    prompt = _row(list(_typed(f"$ {command}")), TOP)
    body = [shape for row, cells in enumerate(rows, 1) for shape in _row(cells, TOP + row * LINE)]
    lights = "".join(
        f'<circle cx="{LEFT + 4 + 20 * place}" cy="22" r="6" fill="{colour}"/>'
        for place, colour in enumerate(("#e06c66", "#dfb657", "#6fb56b"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height}" '
            f'width="{width:g}" height="{height}" font-family="{FONTS}" font-size="{SIZE}" '
            f'fill="{INK}" xml:space="preserve">',
            f"<title>{escape(command)}</title>",
            f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>',
            lights,
            *prompt,
            *body,
            "</svg>\n",
        ]
    )


def _typed(text: str) -> Iterator[tuple[int, str, str]]:
    column = 0
    for character in text:
        yield column, character, "1" if column else f"1;{_parameters(ACCENT)}"
        column += cell_len(character)


def _parameters(colour: str) -> str:
    return "38;2;" + ";".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))


def _row(cells: Cells, y: float) -> Iterator[str]:
    """Runs of one style and kind; each word and each wide character is placed by itself."""
    for (pen, kind), group in groupby(cells, lambda cell: (cell[2], _kind(cell[1]))):
        run = [(column, character) for column, character, _ in group]
        if kind == "word":
            yield _text(run, pen, y)
        elif kind == "wide":
            yield from (_text([one], pen, y) for one in run)
        elif kind != "space":
            yield f"<g{_style(pen)}>{_shape(kind, run[0][0], run, y)}</g>"


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
    colour = re.search(r"38;2;(\d+);(\d+);(\d+)", pen)
    ink = "#" + "".join(f"{int(part):02x}" for part in colour.groups()) if colour else INK
    weights = set(re.sub(r"38;2;\d+;\d+;\d+", "", pen).split(";"))
    extra = ' font-weight="bold"' if "1" in weights else ""
    extra += ' opacity="0.6"' if "2" in weights else ""
    extra += ' text-decoration="underline"' if "4" in weights else ""
    return f' fill="{ink}" color="{ink}"{extra}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default="builtin")
    parser.add_argument("--prompt", default="世界上最高的山")
    parser.add_argument("--seed", default="7")
    parser.add_argument("--token", type=int, default=1, help="the token whose panel is drawn")
    asked = parser.parse_args()
    model = ["-m", asked.model]
    live = ["--seed", asked.seed, "-n", str(asked.token + 1), "--pace", "50"]
    written = record(["complete", asked.prompt, *SAMPLING, *model, *live])
    screen = frame(written, f"token {asked.token} ·")
    picture = svg(f'chatcli complete "{asked.prompt}" {" ".join(SAMPLING)}', screen)
    (ROOT / "docs/live.svg").write_text(picture, encoding="utf-8")
    screen = _played([record(["probs", asked.prompt, *SAMPLING, *model])])
    picture = svg(f'chatcli probs "{asked.prompt}" {" ".join(SAMPLING)}', screen)
    (ROOT / "docs/probs.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
