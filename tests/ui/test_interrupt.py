"""Ctrl-C: first a flag, then an exception."""

from __future__ import annotations

import signal
import threading

import pytest

from chatcli.ui.interrupt import Interrupt


def test_the_first_ctrl_c_is_a_flag_and_the_second_an_exception() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        assert not interrupt.cancelled()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.cancelled()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_cancel_is_a_ctrl_c_without_a_signal() -> None:
    with Interrupt() as interrupt:
        interrupt.cancel()
        assert interrupt.cancelled()


def test_contexts_nest() -> None:
    with Interrupt() as outer:
        with Interrupt() as inner:
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert inner.cancelled() and outer.cancelled()


def test_it_changes_nothing_outside_the_main_thread() -> None:
    seen: list[bool] = []
    handler = signal.getsignal(signal.SIGINT)

    def run() -> None:
        with Interrupt() as interrupt:
            seen.append(signal.getsignal(signal.SIGINT) is handler)
            interrupt.cancel()
            seen.append(interrupt.cancelled())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [True, True]
