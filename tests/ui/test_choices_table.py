"""Choices and results as tables, remarks about endings, and their objects."""

from __future__ import annotations

import io
import math

import pytest
from rich.cells import cell_len

from chatcli.probe.choices import Choice, Ending, Norm, Verdict
from chatcli.ui.choices_table import (
    Result,
    choice_remarks,
    result_object,
    show_results,
    show_verdict,
    summary_object,
)
from chatcli.ui.environment import Environment
from tests.ui.replies import PieceTokenizer

PIECES = [" 正", "面", " b", "\x1b[2J"]


def verdict(norm: Norm = "sum", best: int = 0) -> Verdict:
    choices = (
        Choice(Ending(" 正面", " 正面", (0, 1)), -1.0, -2.5, 1.5, 0.75),
        Choice(Ending(" b\x1b", " b\x1b", (2, 3)), -math.inf, -3.0, -math.inf, 0.25),
    )
    return Verdict((7, 8), norm, choices, best)


def world(columns: int | None) -> tuple[Environment, io.StringIO]:
    out = io.StringIO()
    terminal = columns is not None
    env = Environment(
        *(io.StringIO(), out, io.StringIO()),
        stdout_is_terminal=terminal,
        size=lambda: (columns or 80, 24),
    )
    return env, out


def shown(norm: Norm, columns: int | None = None) -> list[str]:
    env, out = world(columns)
    show_verdict(env, verdict(norm), PieceTokenizer(PIECES), "N/A")
    return out.getvalue().splitlines()


def test_the_likeliest_is_marked_and_spaces_are_seen() -> None:
    assert shown("prior") == [
        "   choice   share  log-likelihood, bits   prior  by prior  tokens",
        "▶  ␣正面   75.0 %                -1.443  -3.607     2.164  ␣正 面",
        "   ␣b␛     25.0 %                    -∞  -4.328        -∞  ␣b ␛[2J",
        "",
        "2 tokens of prompt · by their log-likelihood, less that after 'N/A' in the text's place",
    ]


@pytest.mark.parametrize("columns", [30, 60, 120])
@pytest.mark.parametrize("norm", ["sum", "token", "byte", "prior"])
def test_no_row_is_wider_than_the_terminal(norm: Norm, columns: int) -> None:
    assert max(map(cell_len, shown(norm, columns)[:3])) <= columns


def results() -> list[Result]:
    labels = [" 正面", " b\x1b", " b\x1b", None]
    return [
        Result(line, verdict(best=line % 2), label, "zh" if line < 3 else "en")
        for line, label in enumerate(labels, 1)
    ]


def test_results_have_a_row_a_line_and_what_was_taken_for_what() -> None:
    env, out = world(None)
    show_results(env, results(), "N/A")
    assert out.getvalue().splitlines() == [
        "line  chosen   share  label",
        "   1  ␣b␛     25.0 %  ␣正面  ✗",
        "   2  ␣正面   75.0 %  ␣b␛    ✗",
        "   3  ␣b␛     25.0 %  ␣b␛    ✓",
        "   4  ␣正面   75.0 %",
        "",
        "accuracy 33.3 % · 1 of 3 · 95 % interval 6.1 % to 79.2 % · chance 50.0 %",
        "zh 0.0 % of 2 · en 100.0 % of 1",
        "",
        "label  → ␣正面  → ␣b␛",
        "␣正面        0      1",
        "␣b␛          1      1",
        "",
        "4 lines · by their log-likelihood",
    ]


def test_objects_say_what_was_right() -> None:
    known = results()
    objects = [result_object(one, {"line": one.line}) for one in known]
    assert [one["right"] for one in objects] == [False, False, True, None]
    summary = summary_object(known, "m", "sum")
    assert (summary["lines"], summary["labelled"], summary["right"]) == (4, 3, 1)
    assert summary["by_language"]["zh"]["accuracy"] == 0.0
    assert summary_object(known[3:], "m", "sum")["accuracy"] is None


def test_remarks_are_made_once_and_counted() -> None:
    merged = Ending("a", "a", (1,), merged=True)
    longer = Ending("ab", "ab", (1, 2))
    assert list(choice_remarks([[longer]])) == []
    once = list(choice_remarks([[merged, longer]]))
    assert len(once) == 2 and "more like it" not in "".join(once)
    often = list(choice_remarks([[merged, longer]] * 3))
    assert all("(and 2 more like it)" in remark for remark in often)
