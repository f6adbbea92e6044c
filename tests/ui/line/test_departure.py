"""SIGHUP and SIGTERM ask for the end, and nothing more."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from chatcli.ui.line.departure import Departure, lost_terminal

if sys.platform == "win32":
    pytest.skip("these signals are a Unix thing", allow_module_level=True)
BOTH = [signal.SIGHUP, signal.SIGTERM]


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_calls_leave_and_the_handlers_are_put_back(number: signal.Signals) -> None:
    before, calls = [signal.getsignal(each) for each in BOTH], list[str]()
    with Departure(lambda: calls.append("leave")) as departure:
        assert not departure.asked
        signal.raise_signal(number)
        assert departure.asked
    assert calls == ["leave"]
    assert [signal.getsignal(each) for each in BOTH] == before


def test_one_within_another_has_the_signal_to_itself() -> None:
    with Departure(lambda: None) as outer:
        with Departure(lambda: None) as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (outer.asked, inner.asked) == (False, True)
        signal.raise_signal(signal.SIGTERM)
        assert outer.asked


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Departure(lambda: None) as departure:
            signal.raise_signal(signal.SIGHUP)
        assert not departure.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_changes_nothing() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), list[object]()

    def inside() -> None:
        with Departure(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_terminal_that_hung_up_is_lost_and_a_pipe_is_not() -> None:
    master, slave = os.openpty()
    reader, writer = os.pipe()
    try:
        assert not lost_terminal(slave)
        assert not lost_terminal(reader)
        os.close(master)
        assert lost_terminal(slave)
    finally:
        for descriptor in (slave, reader, writer):
            os.close(descriptor)
