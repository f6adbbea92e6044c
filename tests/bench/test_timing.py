"""Pairs and spreads, on a clock that the test winds."""

from __future__ import annotations

import pytest

from chatcli.bench.timing import paired, stopwatch
from chatcli.bench.types import Bar, Figure, Spread


class WoundClock:
    """A clock that stands still except where `pass_` is called."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def test_a_stopwatch_tells_the_seconds_of_each_call() -> None:
    clock = WoundClock()
    durations = iter([2.0, 0.5])
    timed = stopwatch(lambda: clock.pass_(next(durations)), clock)
    clock.pass_(7)
    assert [timed(), timed()] == [2.0, 0.5]


def test_pairs_alternate_and_the_warm_up_does_not_count() -> None:
    calls: list[str] = []

    def ours() -> float:
        calls.append("ours")
        return float(len(calls))

    def theirs() -> float:
        calls.append("theirs")
        return float(len(calls))

    pairs = paired(ours, theirs, rounds=2, warm_up=1)
    assert calls == ["ours", "theirs"] * 3
    assert pairs == [(3.0, 4.0), (5.0, 6.0)]


def test_a_ratio_of_pairs_survives_a_machine_that_slows_down() -> None:
    slowness = [1.0, 2.0, 4.0, 8.0, 16.0]
    ours, theirs = iter([3 * s for s in slowness]), iter([6 * s for s in slowness])
    pairs = paired(lambda: next(ours), lambda: next(theirs), rounds=4)
    assert Spread.of(theirs / ours for ours, theirs in pairs) == Spread(2, 2, 2, 4)


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([5.0], Spread(5, 5, 5, 1)),
        ([1.0, 3.0], Spread(2, 1.5, 2.5, 2)),
        ([9.0, 1.0, 5.0, 3.0, 7.0], Spread(5, 3, 7, 5)),
    ],
)
def test_a_spread_is_the_median_and_the_quartiles(values: list[float], spread: Spread) -> None:
    assert Spread.of(values) == spread


def test_a_bar_is_met_at_its_limit_and_on_its_side() -> None:
    most, least = Bar(0.3), Bar(2, at_least=True)
    assert [most.met_by(x) for x in (0.2, 0.3, 0.4)] == [True, True, False]
    assert [least.met_by(x) for x in (1.9, 2.0, 2.1)] == [False, True, True]
    assert (str(most), str(least)) == ("≤ 0.3", "≥ 2")


def test_a_figure_is_judged_by_its_median() -> None:
    spread = Spread(1.9, 1.0, 3.0, 5)
    assert Figure("decode", "x", spread, "×", Bar(2, at_least=True)).met is False
    assert Figure("decode", "x", spread, "×", Bar(1.9, at_least=True)).met is True
    assert Figure("decode", "x", spread, "×", None).met is None
