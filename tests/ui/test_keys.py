"""Keys through a pseudo-terminal; its modes come back whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.keys import Keys
from chatcli.ui.pace import Pace
from tests.ui.screen import Screen, screen_environment

pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
termios = pytest.importorskip("termios", reason="terminal modes are a Unix thing")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The person's end and the program's end of a terminal in the foreground."""
    person, program = pty.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
    yield person, program
    os.close(person)
    os.close(program)


def modes(descriptor: int) -> int:
    flags: int = termios.tcgetattr(descriptor)[3]
    watched: int = termios.ICANON | termios.ECHO | termios.ISIG
    return flags & watched


def test_keys_come_one_by_one_and_unechoed(terminal: tuple[int, int]) -> None:
    person, program = terminal
    with Keys(program) as keys:
        assert keys.read() == ""
        os.write(person, b" ")
        assert keys.read(5) == " "
        assert modes(program) == termios.ISIG


def test_modes_come_back_after_an_exception(terminal: tuple[int, int]) -> None:
    before = modes(terminal[1])
    with pytest.raises(ZeroDivisionError), Keys(terminal[1]):
        raise ZeroDivisionError
    assert modes(terminal[1]) == before


def test_a_terminal_can_be_named_by_its_path(terminal: tuple[int, int]) -> None:
    with Keys(os.ttyname(terminal[1])) as keys:
        os.write(terminal[0], b"g")
        assert keys.read(5) == "g"
    assert keys.read() == ""


@pytest.mark.parametrize("device", [None, "/nowhere", "/dev/null"])
def test_without_a_terminal_reading_is_waiting(device: str | None) -> None:
    with Keys(device) as keys:
        assert keys.read() == keys.read(0.001) == ""


def test_a_job_in_the_background_leaves_the_terminal_alone(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
    before = modes(terminal[1])
    with Keys(terminal[1]) as keys:
        os.write(terminal[0], b"typed for the shell\n")
        assert keys.read() == ""
        assert modes(terminal[1]) == before


def test_a_job_that_has_the_terminal_again_sets_its_modes_again(
    terminal: tuple[int, int],
) -> None:
    before = termios.tcgetattr(terminal[1])
    with Keys(terminal[1]) as keys:
        keys.release()
        assert termios.tcgetattr(terminal[1]) == before, "a stopped job leaves it as it was"
        assert keys.read() == ""
        assert modes(terminal[1]) == termios.ISIG
        termios.tcsetattr(terminal[1], termios.TCSANOW, before)  # a shell took it meanwhile
        assert keys.read() == ""
        assert modes(terminal[1]) == termios.ISIG
    assert termios.tcgetattr(terminal[1]) == before


class Typist(Keys):
    """Keys typed by a list: one entry for each look."""

    def __init__(self, typed: list[str]) -> None:
        super().__init__(None)
        self.typed = typed

    def read(self, seconds: float = 0.0) -> str:
        return self.typed.pop(0) if self.typed else super().read(0)


def pace(
    typed: list[str],
    rate: float | None = None,
    *,
    live: bool = True,
    ahead: list[str] | None = None,
    begun: bool = False,
) -> tuple[Pace, Frames, Interrupt, Typist]:
    frames = Frames(screen_environment(Screen()), DisplayOptions(pace=rate, live=live))
    interrupt, keys = Interrupt(), Typist(typed)
    later = None if ahead is None else ahead.append
    return Pace(frames, keys, interrupt, later, begun=begun), frames, interrupt, keys


def test_space_pauses_steps_and_another_key_goes_on() -> None:
    drawn: list[bool] = []
    watch, frames, _, keys = pace([" ", "", "\x1b[A", " ", "", "\r", ""])
    watch.listen()
    assert watch.paused and frames.every, "what is stepped through is drawn, token by token"
    watch.wait(lambda: drawn.append(watch.paused))
    assert len(drawn) == 2, "nothing and an arrow key leave it paused"
    assert watch.paused and keys.typed == ["", "\r", ""]
    watch.wait(lambda: drawn.append(watch.paused))
    assert not watch.paused and not frames.every
    watch.wait(lambda: drawn.append(watch.paused))
    assert drawn == [True] * 3


def test_q_stops_the_reply_in_a_pause() -> None:
    watch, _, interrupt, _ = pace([" ", "", "q"])
    watch.listen()
    watch.wait(lambda: None)
    assert interrupt.cancelled() and not watch.paused


def test_ctrl_c_ends_a_pause() -> None:
    watch, _, interrupt, _ = pace([" "])
    watch.listen()
    watch.wait(interrupt.cancel)
    assert watch.paused


def test_pace_waits_for_its_turn_and_space_cuts_the_wait_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch, _, _, keys = pace(["", "", " ", " "], rate=2.0)

    def read(seconds: float = 0.0) -> str:
        now[0] += seconds
        return keys.typed.pop(0) if keys.typed else ""

    monkeypatch.setattr(keys, "read", read)
    drawn: list[float] = []
    watch.wait(lambda: drawn.append(now[0]))
    assert drawn == pytest.approx([0.05, 0.1, 0.15]), "the pause is on the screen at once"
    watch, _, _, keys = pace([], rate=2.0)
    monkeypatch.setattr(keys, "read", read)
    start = now[0]
    for _ in range(4):
        watch.wait(lambda: None)
    assert now[0] - start == pytest.approx(2.0)


def test_where_a_line_is_begun_every_key_edits_it() -> None:
    kept: list[str] = []
    watch, _, _, _ = pace(["\x15", "\x1b[D \r"], ahead=kept, begun=True)
    watch.listen()
    watch.listen()
    assert "".join(kept) == "\x15\x1b[D \r" and not watch.paused


@pytest.mark.parametrize(
    ("live", "typed", "ahead"),
    [
        (True, ["\x1b[A\r", "你 q", "\r ", "\x1b[D"], "你 q\r \x1b[D"),
        (True, [" q\r"], ""),
        (True, ["q"], "q"),
        (True, [" ", " x ", "q"], "x q"),
        (False, [" ", "q", "\x1b[A"], " q\x1b[A"),
    ],
)
def test_the_first_key_that_is_none_of_the_panels_begins_the_next_line(
    live: bool, typed: list[str], ahead: str
) -> None:
    kept: list[str] = []
    watch, _, interrupt, _ = pace(list(typed), live=live, ahead=kept)
    for _ in typed:
        watch.listen()
    assert "".join(kept) == ahead and not watch.paused
    assert interrupt.cancelled() is (typed == [" q\r"])


def test_a_character_may_come_in_two_pieces(terminal: tuple[int, int]) -> None:
    first, second = "山".encode()[:2], "山".encode()[2:]
    with Keys(terminal[1]) as keys:
        os.write(terminal[0], first)
        assert keys.read(5) == ""
        os.write(terminal[0], second)
        assert keys.read(5) == "山"
