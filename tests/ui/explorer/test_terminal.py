"""`chatcli probs` without a PROMPT on a real terminal: what it leaves there, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a Unix thing", allow_module_level=True)

import termios

ROOT = Path(__file__).parents[3]
CODE = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from chatcli.cli import main
from chatcli.ui.environment import Environment
sys.exit(main(sys.argv[1:], Environment.from_process()))
"""


class Terminal:
    """The command on a pseudo-terminal of 80 by 24."""

    def __init__(self, *arguments: str | Path, **environ: str) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.before = termios.tcgetattr(self._master)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "OMP_NUM_THREADS": "1", **environ},
            start_new_session=True,
        )
        os.close(slave)

    def expect(self, text: str, patience_s: float = 30.0) -> None:
        """Read until it comes; what came before it, and it, go from `seen`."""
        end = time.monotonic() + patience_s
        while text not in self.seen:
            ready = select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self._master, 65536).decode("utf-8", "replace")
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self._master, (rows, columns))

    @property
    def modes(self) -> object:
        return termios.tcgetattr(self._master)

    def hang_up(self) -> None:
        os.close(self._master)
        self._master = -1

    def end(self) -> tuple[int, bytes]:
        """The exit status, and what was said."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said

    def close(self) -> None:
        if self._master >= 0:
            self.hang_up()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_a_walk_leaves_its_text_and_the_terminal_as_it_was(
    tiny: Path, terminals: list[Terminal]
) -> None:
    terminals.append(terminal := Terminal("probs", "-m", tiny, "--seed", "1", NO_COLOR="1"))
    terminal.expect("Type or paste a text")
    assert terminal.modes != terminal.before
    terminal.type("世界")
    terminal.expect("survive")
    terminal.resize(60, 15)
    terminal.expect("rank")
    terminal.type("\x1b")
    terminal.expect("? help")
    everything = terminal.seen
    terminal.type("Q")
    terminal.expect("\x1b[?1049l")  # back from the full screen
    terminal.expect("世界\r\n")
    terminal.expect('{"ids": [')
    assert terminal.end() == (0, b"")
    assert terminal.modes == terminal.before
    assert "\x1b[38" not in everything


@pytest.mark.parametrize("typed", ["世界\x1b[D\n你好\n", "世界\n你好"])
def test_what_is_typed_while_the_program_loads_is_taken_as_text(
    tiny: Path, terminals: list[Terminal], typed: str
) -> None:
    terminals.append(terminal := Terminal("probs", "-m", tiny, "--seed", "1", NO_COLOR="1"))
    terminal.type(typed)
    terminal.expect("Type or paste a text")
    terminal.expect("survive")
    terminal.type("\x03")
    terminal.expect("\x1b[?1049l")
    terminal.expect("世界\r\n你好\r\n")
    assert terminal.end() == (0, b"")


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.slow) for how in ("hang up", "terminate")]
)
def test_an_end_that_nobody_typed_is_quiet(tiny: Path, terminals: list[Terminal], how: str) -> None:
    terminals.append(terminal := Terminal("probs", "-m", tiny, "--seed", "1"))
    terminal.expect("Type or paste a text")
    terminal.type("ab")
    terminal.expect("survive")
    if how == "hang up":
        terminal.hang_up()
    else:
        terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == (0, b"")
