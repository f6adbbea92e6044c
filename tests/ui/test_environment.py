"""The environment: what it finds out, and what it makes of output that fails."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import OutputError, UsageError
from chatcli.ui.environment import Environment
from tests.ui.replies import payloads


class Failing(io.StringIO):
    """A stream whose flush fails as the system's would."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def flush(self) -> None:
        raise OSError(self.number, os.strerror(self.number))


def environment(**changes: Any) -> Environment:
    streams = {name: io.StringIO() for name in ("stdin", "stdout", "stderr")}
    return Environment(**streams | changes)


def stdin_of(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | environ, check=False
    )


def test_a_full_disk_is_one_clear_error() -> None:
    env = environment(stdout=Failing(errno.ENOSPC))
    with pytest.raises(OutputError, match="No space left on device"):
        env.write("text")


def test_a_closed_pipe_passes_through_for_the_command_line_to_end_quietly() -> None:
    with pytest.raises(BrokenPipeError):
        environment(stdout=Failing(errno.EPIPE)).write("text")


def test_an_abandoned_pipe_is_silent_at_exit() -> None:
    code = """if True:
        import os, sys
        from chatcli.ui.environment import Environment
        env = Environment.from_process()
        reader, writer = os.pipe()
        os.dup2(writer, 1), os.close(writer), os.close(reader)
        try:
            env.write("text")
        except BrokenPipeError:
            env.abandon()
    """
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_complains_once() -> None:
    code = """if True:
        import os, sys
        from chatcli.errors import OutputError
        from chatcli.ui.environment import Environment
        env = Environment.from_process()
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        try:
            env.write("text")
        except OutputError as error:
            env.error(str(error))
            sys.exit(error.exit_status)
    """
    done = run_python(code)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert b"No space left" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1", "utf-8"])
def test_no_encoding_of_the_output_can_fail(encoding: str) -> None:
    code = """if True:
        from chatcli.ui.environment import Environment
        env = Environment.from_process()
        env.write("世 \\udc80 ▶ \\U0001f44d\\n")
        env.say("世 \\udc80")
    """
    done = run_python(code, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert ("世".encode() in done.stdout) == (encoding == "utf-8")


def test_remarks_and_errors_go_to_stderr_made_inert() -> None:
    env = environment()
    env.say("red \x1b[31m")
    env.error("no model at /a\nb\x1b]0;t\x07")
    said = env.stderr.getvalue()  # type: ignore[attr-defined]
    assert env.stdout.getvalue() == ""  # type: ignore[attr-defined]
    assert "\x1b" not in said and "\x07" not in said
    assert said.count("\n") == 2
    assert said.splitlines()[1].startswith("chatcli: no model at /a")


def test_payloads_that_terminals_obey_are_not_said_raw() -> None:
    for case, payload, forbidden in payloads():
        env = environment()
        env.say(payload)
        said = env.stderr.getvalue().removesuffix("\n")  # type: ignore[attr-defined]
        assert not [raw for raw in forbidden if raw in said], case


def test_stdin_is_read_as_utf8() -> None:
    assert environment(stdin=stdin_of("世界\r\n".encode())).read() == "世界\r\n"
    assert environment(stdin=io.StringIO("text")).read() == "text"


def test_stdin_that_is_not_utf8_is_named_with_its_first_bad_byte() -> None:
    env = environment(stdin=stdin_of("世".encode() + "界".encode("gbk")))
    with pytest.raises(UsageError, match="byte 0xBD at offset 3"):
        env.read()


@pytest.mark.parametrize(
    ("environ", "color_system"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm"}, "standard"),
        ({"TERM": "dumb"}, None),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, None),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
    ],
)
def test_colour_by_the_variables(
    environ: dict[str, str], color_system: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", terminal)
    env = Environment.from_process()
    assert env.color_system == color_system
    assert env.no_color == (color_system is None)
    assert env.cursor == (environ["TERM"] != "dumb")
    assert (env.columns(), env.rows()) == (80, 24)


def test_a_pipe_has_no_colour_no_cursor_and_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    env = Environment.from_process()
    assert not env.stdout_is_terminal and not env.cursor and not env.interactive
    assert env.color_system is None and env.keyboard is None


def test_a_terminal_that_is_not_utf8_gets_no_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="gbk")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", terminal)
    assert not Environment.from_process().cursor


@pytest.mark.parametrize("terminal", [True, False])
def test_remarks_and_errors_keep_words_whole_on_a_terminal_and_lines_in_a_log(
    terminal: bool,
) -> None:
    err = io.StringIO()
    env = Environment(
        io.StringIO(), io.StringIO(), err, stdout_is_terminal=terminal, size=lambda: (20, 24)
    )
    env.say("digest 7ad8cb9b and more\nshort")
    env.error("no such thing as this one")
    whole = ["digest 7ad8cb9b and more", "short", "chatcli: no such thing as this one"]
    rows = ["digest 7ad8cb9b and", "more", "short", "chatcli: no such", "thing as this one"]
    assert err.getvalue().splitlines() == (rows if terminal else whole)
