"""Facts in a row, on screens of every width."""

from __future__ import annotations

import pytest

from chatcli.ui.folding import fold

FACTS = ["10 tokens, length", "seed 7", "temperature 0.8 → top_k 40 → top_p 0.95"]


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (None, ["10 tokens, length · seed 7 · temperature 0.8 → top_k 40 → top_p 0.95"]),
        (60, ["10 tokens, length · seed 7", "temperature 0.8 → top_k 40 → top_p 0.95"]),
        (40, ["10 tokens, length · seed 7", "temperature 0.8 → top_k 40 → top_p 0.95"]),
        (39, ["10 tokens, length · seed 7", "temperature 0.8 → top_k 40 →", "top_p 0.95"]),
        (20, ["10 tokens, length", "seed 7", "temperature 0.8 →", "top_k 40 →", "top_p 0.95"]),
        (17, ["10 tokens,", "length · seed 7", "temperature 0.8 →", "top_k 40 →", "top_p 0.95"]),
        (2, ["10 tokens,", "length", "seed 7", "temperature 0.8 →", "top_k 40 →", "top_p 0.95"]),
    ],
)
def test_a_line_ends_between_facts_or_after_an_arrow_or_a_comma(
    columns: int | None, lines: list[str]
) -> None:
    assert fold(FACTS, columns) == lines


def test_nothing_takes_no_line() -> None:
    assert fold([], 20) == []
