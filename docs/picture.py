"""Draws the pictures of the READMEs, docs/*.svg, from the program itself.

    python docs/picture.py [-m MODEL] [NAME ...]

Runs chatcli in a pseudo-terminal, types what a person would, plays what is written on the
terminal of the tests up to one frame, and draws that screen (`drawing`).
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from drawing import svg  # noqa: E402

from tests.ui.screen import Screen  # noqa: E402

FRAME_END = "\x1b[?2026l"
QUIET_S = 1.5  # a screen that nothing came to for so long is finished
PATIENCE = 60  # times that nothing comes before it is clear that nothing will
TERMINAL = {
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
    "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
}
ESCAPE, ENTER, DOWN = "\x1b", "\r", "\x1b[B"

MOUNTAIN = "世界上最高的山"
HOT = ("-t", "0.9", "-p", "0.98")  # hot enough to leave the newest token some rivals


@dataclass(frozen=True, slots=True)
class Picture:
    """A command, what is typed into it, and the frame that is drawn: the last with `mark`.

    Marks are regular expressions.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    mark: str = ""
    unseen: tuple[str, ...] = ()  # arguments that keep it short, and needn't be told
    keys: tuple[tuple[str, str], ...] = ()  # what the screen shows, and what is typed then
    size: tuple[int, int] = (84, 18)  # columns and rows

    @property
    def command(self) -> str:
        """As it would be typed in a shell."""
        return " ".join(["chatcli", *(_quoted(word) for word in self.arguments)])


PICTURES = (
    Picture(
        "live",
        "chatcli continues 世界上最高的山; a panel shows the rivals of the newest token",
        ("complete", MOUNTAIN, *HOT),
        mark="token 1 ·",
        unseen=("--seed", "7", "-n", "2", "--pace", "50"),
    ),
    Picture(
        "probs",
        "The table of the next tokens after 世界上最高的山, stage by stage",
        ("probs", MOUNTAIN, *HOT),
    ),
    Picture(
        "score",
        "Each token of two sentences in a colour that says how probable it was",
        (
            "score",
            "世界上最高的山是珠穆朗玛峰。世界上最高的山是香蕉。 "
            "The sun rises in the east. The sun rises in the fridge.",
        ),
    ),
    Picture(
        "compare",
        "Two temperatures with the same luck: where they part, and how far apart they are",
        ("compare", MOUNTAIN, "--a", "-t 0.4", "--b", "-t 1.2", "--seed", "3"),
    ),
    Picture(
        "chat",
        "A chat of two turns; /why lists what each token of the last reply was drawn from",
        ("chat", *HOT, "--seed", "4"),
        keys=(
            ("/help lists", f"{MOUNTAIN}是什么？{ENTER}"),
            ("eos", f"请介绍一下北京。{ENTER}"),
            ("eos.*eos", f"/why{ENTER}"),
        ),
        mark="surprisal",
        size=(84, 40),
    ),
    Picture(
        "explorer",
        "The explorer: what each sampling stage leaves of every candidate for the next token",
        ("probs", *HOT, "--seed", "7"),
        keys=(
            ("Type or paste", MOUNTAIN),
            ("context 3", f"{DOWN}{ENTER}"),
            ("context 4", f"{ESCAPE}2"),
        ),
        mark="mass gone",
        size=(100, 24),
    ),
)


def _quoted(word: str) -> str:
    return f'"{word}"' if not word.isascii() or shlex.quote(word) != word else word


def record(picture: Picture, model: str) -> str:
    """What chatcli writes to a terminal, up to its end or, where keys are typed, the mark."""
    ours, its = pty.openpty()
    columns, rows = picture.size
    termios.tcsetwinsize(its, (rows, columns))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatcli", *picture.arguments, "-m", model, *picture.unseen],
            cwd=ROOT,
            env={**os.environ, **TERMINAL, "CHATCLI_DATA": folder, "CHATCLI_CONFIG": folder},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        try:
            return _typed(ours, picture) if picture.keys else _whole(ours, process)
        finally:
            process.terminate()
            os.close(ours)
            process.wait()


def _whole(terminal: int, process: subprocess.Popen[bytes]) -> str:
    """Everything that a command writes which ends by itself."""
    written = b"".join(_read(terminal)).decode()
    if process.wait():
        sys.exit(written)
    return written


def _typed(terminal: int, picture: Picture) -> str:
    """Everything that was written until the last mark, while keys are typed."""
    written, tries = b"", 0
    for mark, keys in [*picture.keys, (picture.mark, "")]:
        while not shows(played([written.decode()], picture.size), mark):
            written += b"".join(_read(terminal, QUIET_S))
            tries += 1
            if tries > PATIENCE:
                sys.exit(f"{mark!r} never came: {written.decode()}")
        os.write(terminal, keys.encode())
    return written.decode()


def _read(terminal: int, quiet_s: float | None = None) -> Iterator[bytes]:
    """What comes until the other end is closed, or nothing came for so long."""
    while select.select([terminal], [], [], quiet_s)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other end is closed
            return
        if not data:
            return
        yield data


def frame(written: str, mark: str, size: tuple[int, int]) -> Screen:
    """The screen at the last frame that shows `mark`."""
    frames = written.split(FRAME_END)
    screens = [played(frames[: count + 1], size) for count in range(len(frames))]
    shown = [screen for screen in screens if shows(screen, mark)]
    if not shown:
        sys.exit(f"no frame shows {mark!r}")
    return shown[-1]


def shows(screen: Screen, mark: str) -> bool:
    return re.search(mark, screen.text(), re.DOTALL) is not None


def played(frames: Sequence[str], size: tuple[int, int]) -> Screen:
    screen = Screen(*size)
    for each in frames:
        screen.write(each)
    return screen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [one.name for one in PICTURES]
    parser.add_argument("names", nargs="*", choices=[*names, []])  # []: none given
    parser.add_argument("-m", "--model", default="builtin")
    asked = parser.parse_args()
    for picture in PICTURES:
        if not asked.names or picture.name in asked.names:
            screen = frame(record(picture, asked.model), picture.mark, picture.size)
            drawn = svg(picture.title, picture.command, screen)
            (ROOT / f"docs/{picture.name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
