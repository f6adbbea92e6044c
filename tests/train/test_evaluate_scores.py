"""Intervals, against scipy and known numbers."""

from __future__ import annotations

import pytest
from scipy.stats import bootstrap

from chatcli.train.evaluation.scores import Estimate, Passage, Result, bits, share


def test_shares_are_of_all_and_of_each_language_that_is_named() -> None:
    score = share("a", [Result("zh", True), Result("en", False), Result("", True)])
    assert score.overall.value == pytest.approx(2 / 3)
    assert {name: (part.value, part.count) for name, part in score.by_language.items()} == {
        "zh": (1.0, 1),
        "en": (0.0, 1),
    }


def test_bits_weigh_passages_by_their_length() -> None:
    score = bits("a", [Passage(10.0, 10), Passage(90.0, 30)])
    assert score.overall.value == 2.5
    assert score.overall.count == 2


def test_the_interval_of_bits_is_a_bootstrap_over_passages() -> None:
    sizes = range(40, 140, 5)
    read = [Passage(size * (1.5 + (size * 7 % 11) / 10), size) for size in sizes]
    ours = bits("a", read).overall
    weights, lengths = [each.bits for each in read], [float(each.characters) for each in read]
    theirs = bootstrap(
        (weights, lengths),
        lambda b, n, axis: b.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=9999,
        method="percentile",
        random_state=1,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert ours == bits("a", read).overall


def test_one_passage_has_no_interval() -> None:
    only = bits("a", [Passage(30.0, 10)]).overall
    assert only == Estimate(3.0, 1, None, None)
    assert only.shown_interval("bits") == ""


def test_values_are_shown_as_people_read_them() -> None:
    assert Estimate(0.9417, 240, 0.9, 0.9651).shown("share") == "94.2%"
    assert Estimate(0.9417, 240, 0.9, 0.9651).shown_interval("share") == "90.0% to 96.5%"
    assert Estimate(7.13649, 17, 6.9, 7.3581).shown("bits") == "7.136"
    assert Estimate(7.13649, 17, 6.9, 7.3581).shown_interval("bits") == "6.900 to 7.358"
