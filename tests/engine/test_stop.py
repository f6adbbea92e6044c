"""Stop strings: the first to complete wins, and nothing of it is released."""

from __future__ import annotations

from typing import Any

import pytest

from chatcli.engine.stop import StopMatcher
from chatcli.errors import UsageError
from tests.shared import shared_json


def released(stops: list[str], pieces: list[str]) -> tuple[list[str], str | None]:
    matcher = StopMatcher(stops)
    out = [matcher.feed(piece) for piece in pieces]
    return [*out, matcher.finish()], matcher.matched


def test_text_that_can_not_become_a_stop_is_released_at_once() -> None:
    assert released(["\n\n"], ["你好", "。"]) == (["你好", "。", ""], None)


def test_what_could_begin_a_stop_is_held_until_it_can_not() -> None:
    assert released(["END"], ["aE", "N", "d"]) == (["a", "", "ENd", ""], None)


def test_what_is_held_at_the_end_is_released() -> None:
    assert released(["END"], ["aEN"]) == (["a", "EN"], None)


def test_a_stop_across_pieces_is_cut_out_with_what_follows() -> None:
    assert released(["User:"], ["好。Us", "er", ": hi"]) == (["好。", "", "", ""], "User:")


def test_nothing_is_released_after_a_stop() -> None:
    matcher = StopMatcher(["."])
    assert matcher.feed("a.b") == "a"
    assert matcher.feed("c") == ""


def test_the_stop_that_completes_first_wins_whatever_the_order() -> None:
    assert released(["abc", "b"], ["abc"]) == (["a", ""], "b")


def test_a_tie_goes_to_the_stop_named_first() -> None:
    assert released(["ab", "b"], ["ab"])[1] == "ab"
    assert released(["b", "ab"], ["ab"])[1] == "b"


@pytest.mark.parametrize(
    ("stops", "message"),
    [("abc", "stop is the string 'abc', but"), (["a", ""], "a stop string is empty,")],
)
def test_an_empty_stop_or_a_bare_string_is_refused(stops: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        StopMatcher(stops)


def cases() -> list[Any]:
    wanted = []
    for case in shared_json("conformance", "stop_strings.json"):
        given = case["input"]
        plain = not given.get("include_stop_in_output") and "text" in given
        if case["kind"] == "check_after_append" and plain and given["new_char_count"]:
            wanted.append(case)
        elif case["kind"] == "stop_in_stream" and not given.get("include_stop_in_output"):
            wanted.append(case)
    return wanted


def test_shared_cases_give_the_expected_text() -> None:
    checked = 0
    for case in cases():
        given, expected = case["input"], case["expected"]
        stops = given["stops"] if isinstance(given["stops"], list) else [given["stops"]]
        if "text" in given:
            new = given["new_char_count"]
            pieces = [given["text"][:-new], given["text"][-new:]]
            if any(stop in pieces[0] for stop in stops):
                continue  # text that was shown before the stop was asked for
        else:
            pieces = list(given["generated_text"])
        for split in (pieces, ["".join(pieces)]):
            texts, matched = released(stops, split)
            assert "".join(texts) == expected["output"], case["id"]
            assert matched == expected.get("matched", expected.get("stop_reason")), case["id"]
        checked += 1
    assert checked >= 5
