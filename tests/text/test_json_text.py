"""JSON that a terminal can only show, and that is equal when it is read again."""

from __future__ import annotations

import json

import pytest

from chatcli.text.json_text import json_text

ACTING = "\x00\x1b\x7f\x9b\u061c\u200e\u2028\u2029\u202e\u2066\ud800\r\n"


def test_text_stays_as_it_is_but_for_what_acts() -> None:
    assert json_text({"山": "é😀"}) == '{"山": "é😀"}'
    text = json_text([f"a{ACTING}b"])
    assert not set(ACTING) & set(text) and text.isascii()
    assert json.loads(text) == [f"a{ACTING}b"]


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError):
        json_text(float("nan"))
