"""The line on a real terminal: pastes, hang-ups, signals, Ctrl-Z, and a dumb one."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.folders import data_folder
from chatcli.ui.line.history import HistoryFile

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a Unix thing", allow_module_level=True)

import termios

READY = "\x1b[?2004h"  # pastes are asked to be marked: keys are read from here on
ROOT = Path(__file__).parents[3]
CHAT = """
import fcntl, json, os, signal, sys, termios, time
if "job" not in sys.argv:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
before = termios.tcgetattr(0)
from chatcli.ui.environment import Environment
from chatcli.ui.line.session import LineOptions, typed_lines
from tests.ui.line.keyboard import Help
env, notes = Environment.from_process(), []
lines = []
for line in typed_lines(Help(), LineOptions(), env, notes.append):
    lines.append(line)
    if line == "work":
        print("busy", flush=True)
        time.sleep(0.5)
try:
    same = termios.tcgetattr(0) == before
except termios.error:
    same = None
handlers = [signal.getsignal(s) is signal.SIG_DFL for s in (signal.SIGHUP, signal.SIGTERM)]
with open(sys.argv[1] + ".part", "w") as file:
    json.dump([lines, notes, same, handlers], file)
os.rename(file.name, sys.argv[1])
"""
JOB = """
import os, signal, subprocess, sys, fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
chat = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2], "job"], process_group=0)
os.tcsetpgrp(0, chat.pid)
_, status = os.waitpid(chat.pid, os.WUNTRACED)
os.tcsetpgrp(0, os.getpgrp())
os.write(1, b"stopped %d" % os.WIFSTOPPED(status))
os.read(0, 1)
os.tcsetpgrp(0, chat.pid)
os.killpg(chat.pid, signal.SIGCONT)
os.waitpid(chat.pid, 0)
"""
# A shell within a shell is killed, and the outer one takes the terminal back: nothing is left
# that could stop the chat, and its reads fail at once whenever there is a key to read.
ORPHAN = """
import os, signal, subprocess, sys, time, fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
inner = os.fork()
if not inner:
    command = [sys.executable, "-c", sys.argv[1], sys.argv[2], "job"]
    chat = subprocess.Popen(command, process_group=0)
    os.tcsetpgrp(0, chat.pid)
    chat.wait()
while not os.path.exists(sys.argv[2] + ".orphan"):
    time.sleep(0.01)
os.kill(inner, signal.SIGKILL)
os.waitpid(inner, 0)
os.tcsetpgrp(0, os.getpgrp())
os.write(1, b"orphaned")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
"""


class Terminal:
    """A chat on a pseudo-terminal; `end` gives what came of it."""

    def __init__(self, folder: Path) -> None:
        self._outcome = folder / "outcome.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._master = -1
        self.shown = ""

    def start(self, *arguments: str, term: str = "xterm-256color", code: str = CHAT) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (24, 60))
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                *([CHAT] if code != CHAT else []),
                self._outcome,
                *arguments,
            ],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "TERM": term, "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
        )
        os.close(slave)

    def expect(self, text: str, *, keep: bool = False, patience_s: float = 20.0) -> None:
        """Read until `text` comes; it and what came before it go from `shown`, unless kept."""
        end = time.monotonic() + patience_s
        while text not in self.shown:
            assert select.select([self._master], [], [], end - time.monotonic())[0], self.shown
            self.shown += os.read(self._master, 4096).decode("utf-8", "replace")
        self.shown = self.shown if keep else self.shown.partition(text)[2]

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._master, (24, columns))

    def orphan(self) -> None:
        """Ask ORPHAN to do it."""
        self._outcome.with_name(self._outcome.name + ".orphan").touch()

    def hang_up(self) -> None:
        os.close(self._master)
        self._master = -1

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> tuple[list[str], list[str], bool | None, list[bool]]:
        """The lines, the remarks, whether the terminal's modes and the handlers are as before."""
        assert self._process is not None
        _, errors = self._process.communicate(timeout=20)
        assert (self._process.returncode, errors) == (0, b"")
        lines, notes, same, handlers = json.loads(self._outcome.read_text())
        return lines, notes, same, handlers

    def close(self) -> None:
        if self._master >= 0:
            self.hang_up()  # which ends what the process may have left behind
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_a_paste_is_one_message_and_leaving_restores_the_terminal(terminal: Terminal) -> None:
    terminal.start()
    terminal.expect(READY)
    terminal.type("\x1b[200~第一行\nb\x1b[201~".encode())
    terminal.expect("b")
    terminal.type(b"\r")
    terminal.expect(READY)
    terminal.type(b"\x04")
    assert terminal.end() == (["第一行\nb"], ["resume with --continue"], True, [True, True])


def test_what_is_typed_before_the_prompt_is_sent_at_its_end_of_line(terminal: Terminal) -> None:
    terminal.start()
    terminal.type("你好\r/exi".encode())
    terminal.expect(READY)
    terminal.expect("你好")
    terminal.expect(READY)
    terminal.type(b"t\r\x04")
    assert terminal.end()[0] == ["你好", "/exit"]


def test_what_is_typed_during_a_command_is_what_it_would_be_at_the_prompt(
    terminal: Terminal,
) -> None:
    terminal.start()
    terminal.expect(READY)
    terminal.type(b"work\r")
    terminal.expect("busy")
    terminal.type('第一行\x1b\r二\r/stats\r"""a\rb"""\r再\x1b[D'.encode())
    for _ in range(4):
        terminal.expect(READY)
    terminal.type("不\r\x04".encode())
    lines = ["work", "第一行\n二", "/stats", "a\nb", "不再"]
    assert terminal.end()[0] == lines


@pytest.mark.parametrize("ignored", [(), ("nohup",)])
def test_a_terminal_that_vanishes_ends_the_lines(
    terminal: Terminal, ignored: tuple[str, ...]
) -> None:
    terminal.start(*ignored)
    terminal.expect(READY)
    terminal.type(b"kept\rhalf")
    terminal.expect("half")
    terminal.hang_up()
    lines, notes, _, handlers = terminal.end()
    assert (lines, notes) == (["kept"], [])
    assert handlers == [not ignored, True]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_signal_ends_the_lines(terminal: Terminal, number: int, term: str) -> None:
    shown = ">" if term == "dumb" else READY
    terminal.start(term=term)
    terminal.expect(shown)
    terminal.type(b"kept\r")
    terminal.expect(shown)
    terminal.signal(number)
    assert terminal.end() == (["kept"], [], True, [True, True])


def test_a_resized_window_is_drawn_anew(terminal: Terminal) -> None:
    terminal.start()
    terminal.expect(READY)
    terminal.type("字".encode() * 8)
    terminal.expect("字" * 8)
    terminal.resize(12)
    terminal.expect("字" * 5)
    terminal.expect("  ")
    terminal.expect("字字字")
    terminal.type(b"\r\x04")
    assert terminal.end()[0] == ["字" * 8]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_obeyed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    HistoryFile(data_folder() / "history", print).append("suggested 句子")
    terminal.start()
    terminal.expect(READY)
    terminal.type(b"sugg")
    terminal.expect("sugg")
    terminal.expect("句子", keep=True)
    colors = re.findall(r"\x1b\[[0-9;]*(?:[34][0-7]|[34]8;|9[0-7])", terminal.shown)
    assert bool(colors) is not bool(no_color)
    terminal.type(b"\x1b[C\r\x04")
    assert terminal.end()[0] == ["suggested 句子"]


def test_ctrl_z_stops_the_job_and_the_line_is_there_again(terminal: Terminal) -> None:
    terminal.start(code=JOB)
    terminal.expect(READY)
    terminal.type("你好".encode())
    terminal.expect("好")
    terminal.type(b"\x1a")
    terminal.expect("stopped 1")
    terminal.type(b"\n")
    terminal.expect("你好")
    terminal.type(b"!\r\x04")
    assert terminal.end()[:3] == (["你好!"], ["resume with --continue"], True)


def test_an_orphan_without_a_terminal_ends_instead_of_spinning(terminal: Terminal) -> None:
    terminal.start(code=ORPHAN)
    terminal.expect(READY)
    terminal.type(b"kept\rhalf")
    terminal.expect("half")
    terminal.orphan()
    terminal.expect("orphaned")
    terminal.type(b"x")
    assert terminal.end()[:2] == (["kept"], [])


def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal) -> None:
    terminal.start(term="dumb")
    terminal.expect(">")
    terminal.type("你好\n".encode())
    terminal.expect(">")
    terminal.type(b'"""a\n')
    terminal.expect("… ")
    terminal.type(b'b"""\n')
    terminal.expect(">")
    terminal.type(b"x\x03")
    terminal.expect(">")
    assert "\x1b" not in terminal.shown
    terminal.type(b"\x04")
    assert terminal.end() == (
        ["你好", "a\nb"],
        ["Ctrl-C once more leaves", "resume with --continue"],
        True,
        [True, True],
    )


def test_a_dumb_terminal_is_left_by_two_ctrl_c(terminal: Terminal) -> None:
    terminal.start(term="dumb")
    terminal.expect(">")
    terminal.type(b"\x03")
    terminal.expect(">")
    terminal.type(b"\x03")
    assert terminal.end()[:2] == ([], ["Ctrl-C once more leaves", "resume with --continue"])


def test_a_dumb_terminal_that_vanishes_ends_the_lines(terminal: Terminal) -> None:
    terminal.start(term="dumb")
    terminal.expect(">")
    terminal.hang_up()
    assert terminal.end()[0] == []
