"""Ctrl-Z: what is done before the process stops, when, and that it does stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chatcli.engine.types import Chunk
from chatcli.ui.display import DisplayOptions, Frames, show_reply
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.suspension import Suspension
from tests.ui.replies import chain, chunks, model
from tests.ui.screen import Screen, screen_environment

if sys.platform == "win32":
    pytest.skip("job control is a Unix thing", allow_module_level=True)
SIGTSTP = signal.SIGTSTP


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What happened in turn; the process isn't really stopped, and has job control."""
    did: list[str] = []
    monkeypatch.setattr("chatcli.ui.suspension._stop", lambda: did.append("stop"))
    before = signal.signal(SIGTSTP, signal.SIG_DFL)
    yield did
    assert signal.signal(SIGTSTP, before) is signal.SIG_DFL, "the handler was left behind"


def test_it_waits_until_it_is_obeyed(did: list[str]) -> None:
    with Suspension(lambda: did.append("leave")) as suspension:
        suspension.obey()
        signal.raise_signal(SIGTSTP)
        did.append("redraw")
        suspension.obey()
        suspension.obey()
    assert did == ["redraw", "leave", "stop"]


def test_it_is_obeyed_at_once_while_the_next_item_is_made(did: list[str]) -> None:
    def items() -> Iterator[int]:
        yield 1
        signal.raise_signal(SIGTSTP)
        did.append("made")
        yield 2

    with Suspension(lambda: did.append("leave")) as suspension:
        for item in suspension.around(items()):
            signal.raise_signal(SIGTSTP)
            did.append(f"shown {item}")
    assert did == [
        *("shown 1", "leave", "stop"),
        *("leave", "stop", "made"),
        *("shown 2", "leave", "stop"),
    ]


def test_a_shell_without_job_control_stays_without(did: list[str]) -> None:
    signal.signal(SIGTSTP, signal.SIG_IGN)
    with Suspension(lambda: did.append("leave")) as suspension:
        signal.raise_signal(SIGTSTP)
        suspension.obey()
    assert did == []
    signal.signal(SIGTSTP, signal.SIG_DFL)


def test_the_panel_goes_before_the_stop_and_comes_back_after(
    did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(80, 16)
    env = screen_environment(screen)
    frames = Frames(env, DisplayOptions(pace=1e6))
    stopped: list[list[str]] = []
    monkeypatch.setattr("chatcli.ui.suspension._stop", lambda: stopped.append(screen.lines()))

    def watched() -> Iterator[Chunk]:
        for index, chunk in enumerate(chunks(["是", "珠穆", "朗", "玛"], frames)):
            if index == 2:
                signal.raise_signal(SIGTSTP)
            yield chunk
            if index == 2:
                assert screen.lines()[1] == "朗" and screen.lines()[2].startswith("╭")

    show_reply(
        env,
        watched(),
        model=model(["是", "珠穆", "朗", "玛"]),
        chain=chain(),
        frames=frames,
        interrupt=Interrupt(),
    )
    assert stopped == [["是珠穆"]]
    assert screen.lines()[:2] == ["是珠穆", "朗玛"]


def test_the_process_stops_and_goes_on() -> None:
    code = (
        "import os, signal\nfrom chatcli.ui.suspension import Suspension\n"
        "signal.signal(signal.SIGTSTP, signal.SIG_DFL)\n"
        "with Suspension(lambda: print('left', flush=True)) as suspension:\n"
        "    for round in range(2):\n"
        "        signal.raise_signal(signal.SIGTSTP)\n"
        "        suspension.obey()\n"
        "print('done')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, process_group=0
    )
    for _ in range(2):
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == SIGTSTP
        process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=60)[0] == "left\nleft\ndone\n"
