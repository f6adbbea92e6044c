"""Accuracy, its interval, chance and confusion; the interval against scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from chatcli.probe.accuracy import Answer, tally, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (3, 7), (60, 120), (119, 120)])
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int) -> None:
    theirs = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_an_interval_stays_within_0_and_1() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


def test_a_tally_counts_what_was_taken_for_what() -> None:
    answers = [Answer("a", "a", 2), Answer("b", "a", 2), Answer("b", "b", 4)]
    found = tally(answers)
    assert found is not None
    assert (found.right, found.count) == (2, 3)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.chance == pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3)
    assert found.confusion == {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1}


def test_no_answers_are_no_accuracy() -> None:
    assert tally([]) is None
