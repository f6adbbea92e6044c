"""Breakpoints: how they are written, and on which steps each of them stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from chatcli.engine.types import Step
from chatcli.errors import UsageError
from chatcli.probe.breakpoints import (
    Breakpoint,
    most_candidates,
    parse_breakpoints,
    spell_breakpoints,
)
from chatcli.sampling.types import Candidate, Draw

CANDIDATES = tuple(Candidate(token, rank, 0.0, 0.2, 0.2) for rank, token in enumerate((7, 8, 9), 1))
STEP = Step(
    index=0,
    position=3,
    token=9,
    raw_prob=0.04,
    prob=0.1,
    rank=21,
    entropy_bits=3.5,
    draw=Draw(9, torch.zeros(10), (), 0.5, (0.4, 0.5), CANDIDATES),
    seconds=0.0,
)


def stops(written: str, step: Step = STEP, text: str = "山") -> bool:
    (one,) = parse_breakpoints(written)
    return one.reason(step, text, {8}) is not None


@pytest.mark.parametrize(
    ("written", "stopping"),
    [
        ("entropy>3.4", True),
        ("entropy>3.5", False),
        ("rank>20", True),
        ("rank>21", False),
        ("p<5%", True),
        ("p<0.05", True),
        ("p<4%", False),
        ("watch<=2", True),
        ("watch≤2", True),
        ("watch<=1", False),
        ("sentence", False),
    ],
)
def test_a_breakpoint_stops_beyond_its_limit(written: str, stopping: bool) -> None:
    assert stops(written) is stopping


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        *((text, True) for text in ("。", "！”", "?", "end.", ".”", "\n")),
        *((text, False) for text in ("3.1", "，", "")),
    ],
)
def test_a_sentence_ends_in_either_language(text: str, ended: bool) -> None:
    assert stops("sentence", text=text) is ended


def test_only_the_end_of_a_sentence_stops_behind_the_token() -> None:
    written = parse_breakpoints("entropy>3, rank>20 p<5% watch<=10 sentence")
    assert [one.before for one in written] == [True, True, True, True, False]
    assert most_candidates(written) == 10


def test_what_is_spelt_is_read_again() -> None:
    written = parse_breakpoints("entropy > 3.25 p<0.5% p<0.5% rank>7 watch<=3 sentence")
    assert spell_breakpoints(written) == "entropy>3.25 p<0.5% rank>7 watch<=3 sentence"
    assert parse_breakpoints(spell_breakpoints(written)) == written
    assert parse_breakpoints("") == ()


def test_a_step_says_what_stopped_it() -> None:
    reason = Breakpoint("p", 0.05).reason(replace(STEP, raw_prob=0.031), "")
    assert reason == "probability 3.1 %, under 5 %"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("entropy<3", "'entropy<3'"),
        ("entropy", "'entropy'"),
        ("rank>3%", "'rank>3%'"),
        ("p<0", "above 0"),
        ("p<200%", "at most 1"),
        ("watch<=1.5", "among 1 to 1,000"),
        ("rank>1.2.3", "no number"),
        ("sentences", "'sentences'"),
    ],
)
def test_a_breakpoint_that_is_none_is_named(written: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        parse_breakpoints(written)
