"""What is said of kept conversations, sound or damaged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chatcli.chat.records import branch_path, facts_of, moment, said, sampling_words, title_of
from chatcli.errors import StoreError
from chatcli.sampling.types import SamplingConfig
from tests.chat.kept import kept_session, kept_turns, said_run

TURNS = kept_turns(("a", "1"), ("b", "2"), ("c", ""))


def test_a_branch_is_its_turns_and_the_message_that_waits_after_them() -> None:
    session = replace(kept_session(TURNS), branches={"main": 2, "early": 1, "none": None})
    assert branch_path(TURNS, session) == TURNS
    assert branch_path(TURNS, session, "early") == TURNS[:1]
    assert branch_path(TURNS, session, "none") == []
    assert branch_path(TURNS[::-1], kept_session(TURNS[:2])) == TURNS


def test_a_damaged_branch_is_named_and_leaves_the_others() -> None:
    session = replace(kept_session(TURNS), branches={"main": 2, "gone": 9, "round": 7})
    turns = [*TURNS, replace(TURNS[0], id=7, parent=8), replace(TURNS[0], id=8, parent=7)]
    assert branch_path(turns, session) == TURNS
    for branch, turn in (("gone", 9), ("round", 7)):
        with pytest.raises(StoreError, match=f"branch '{branch}' is damaged: turn {turn}"):
            branch_path(turns, session, branch)
    with pytest.raises(StoreError, match="no branch 'x'; there are gone, main, round"):
        branch_path(turns, session, "x")


def test_an_end_without_a_name_is_found_by_the_beginning_of_its_id() -> None:
    ends = [replace(TURNS[1], id=0x1D6F7 << 36 | low, reply=f"{low}") for low in (1, 2)]
    other = replace(TURNS[1], id=0x2A << 48)
    session = replace(kept_session(TURNS), branches={"main": 2})
    turns = [*TURNS[:2], *ends, other]
    assert branch_path(turns, session, "@1d6f7000000001") == [TURNS[0], ends[0]]
    assert branch_path(turns, session, "@2") == [TURNS[0], other]
    with pytest.raises(StoreError, match="'@1d6f7' may be any of @1d6f7000000001, @1d6f70000000"):
        branch_path(turns, session, "@1d6f7")
    for wrong in ("@", "@f", "@0"):  # turn 2 is the end of main, turn 1 is none
        with pytest.raises(StoreError, match=r"there are main, @1d6f7, @1d6f7, @2a000"):
            branch_path(turns, session, wrong)


def test_a_title_is_the_name_or_the_first_message_or_the_id() -> None:
    long = kept_turns(("很长的\n话  " * 40, "b"))
    assert title_of(kept_session(long, "名字"), long) == "名字"
    title = title_of(kept_session(long), long)
    assert title.startswith("很长的 话 很长的 话") and len(title) == 60 and title.endswith("…")
    assert title_of(kept_session(), ()) == kept_session().id


def test_facts_name_another_branch() -> None:
    session = replace(kept_session(TURNS), branch="支线", branches={"支线": 1})
    assert "branch 支线" in facts_of(session)
    assert not any("branch" in fact for fact in facts_of(kept_session(TURNS)))


def test_a_time_that_no_calendar_has_is_no_failure() -> None:
    assert len(moment(0.0)) == len("1970-01-01 00:00")
    for broken in (float("nan"), float("inf"), 1e300):
        assert moment(broken) == "at an unknown time"


def test_settings_that_do_something_are_named() -> None:
    assert sampling_words(SamplingConfig(seed=3)) == "temperature 1, seed 3"
    assert sampling_words(SamplingConfig(temperature=0.0, top_k=4)) == "greedy"
    config = SamplingConfig(logit_bias={5: -1.5}, order=("top_k", "logit_bias"), top_k=4)
    assert (
        sampling_words(config)
        == "temperature 1, top_k 4, logit_bias 5=-1.5, order top_k,logit_bias"
    )


def test_a_reply_that_went_on_or_was_cut_off_says_so() -> None:
    (turn,) = kept_turns(("a", "b"))
    assert said(turn)[2:] == ["3 tokens", "eos"]
    cut = replace(said_run(), finish=None)
    assert said(replace(turn, runs=(said_run(), cut)))[2:] == [
        *("3 tokens", "in 2 stretches"),
        "cut off",
    ]
    assert said(replace(turn, runs=())) == []
