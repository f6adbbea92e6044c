"""The meter of the context on screens of several widths."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rich.cells import cell_len

from chatcli.ui.context_view import ContextUse, context_lines
from chatcli.ui.theme import Paint
from tests.ui.screen import Screen, screen_environment

USE = ContextUse(
    preamble=100,
    turns=1_000,
    reserve=512,
    total=2_048,
    count=9,
    forgotten=0,
    next_out=3,
    near=False,
    policy="drop-oldest",
)


def shown(columns: int = 60, **changes: Any) -> list[str]:
    screen = Screen(max(columns, 80), 40)
    paint = Paint(screen_environment(screen, color_system=None))
    screen.write("\n".join(context_lines(dataclasses.replace(USE, **changes), paint, columns)))
    return screen.lines()


def test_the_meter_says_what_takes_how_much() -> None:
    assert shown() == [
        "context 1,100/2,048 · 53.7 %",
        "▓" * 3 + "█" * 28 + "░" * 15 + "·" * 13,
        "▓ system prompt and examples      100",
        "█ turns 1–9                     1,000",
        "░ kept free for the next reply    512",
        "· free                            436",
        "overflow drop-oldest",
        "the oldest turns fall out before a reply",
        "the system prompt stays",
        "turn 1 falls out first, once the context is full",
        "/set overflow error or slide changes that",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_bar_fits_and_every_share_has_a_cell(columns: int) -> None:
    for turns in (0, 1, 900, 1_436, 1_948):
        lines = shown(columns, turns=turns)
        bar = next(line for line in lines if line.startswith("▓"))
        assert cell_len(bar) == min(columns - 1, 72)
        assert ("█" in bar) == (turns > 0)
        assert max(map(cell_len, lines[:6])) < columns


def test_turns_that_are_out_are_named() -> None:
    lines = shown(forgotten=2)
    assert "█ turns 3–9                     1,000" in lines
    assert "out already: turns 1–2" in lines
    assert "turn 3 falls out first, once the context is full" in lines


def test_when_it_is_nearly_full_what_goes_next_is_named() -> None:
    lines = shown(near=True, turns=1_700, forgotten=1)
    assert lines[0] == "context 1,800/2,048, nearly full · 87.9 %"
    assert "turns 2–4 may fall out with the next message" in lines


def test_a_policy_that_lets_nothing_fall_out_says_so() -> None:
    lines = shown(policy="error", near=True)
    assert "nothing falls out" in "\n".join(lines)
    assert "/set overflow drop-oldest or slide changes that" in lines
    assert not any("fall out with" in line or "falls out first" in line for line in lines)


def test_an_empty_context_has_no_turns() -> None:
    lines = shown(preamble=0, turns=0, count=0, reserve=0)
    assert lines[1] == "·" * 59
    assert "█ no turns yet                      0" in lines
