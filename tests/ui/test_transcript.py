"""A conversation so far, whole, at several widths and in a pipe."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest

from chatcli.chat.types import Origin, Run, Turn
from chatcli.engine.types import Finish
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from chatcli.ui.environment import Environment
from chatcli.ui.transcript import show_transcript
from tests.ui.replies import payloads
from tests.ui.screen import Screen, screen_environment

ORIGIN = Origin("tiny", "builtin", "0" * 64, "native", "cpu", "float32", 1, "1.0")


def turn(user: str, reply: str = "", finish: Finish | None = "eos", **changes: Any) -> Turn:
    ids = tuple(range(len(reply)))
    runs = (Run(len(ids), SamplingConfig(), ORIGIN, finish),) if ids else ()
    return Turn(1, None, user, 0.0, reply, tail=ids, runs=runs, **changes)


TALK = [
    turn("世界上最高的山", "珠穆朗玛峰。"),
    turn("And the\nsecond?", "K2,\nin the north.", "length"),
    turn("为什么？", "因为", "interrupted"),
    turn("再说"),
]


def shown(turns: Sequence[Turn], columns: int = 60, **options: Any) -> list[str]:
    screen = Screen(columns, 40)
    show_transcript(screen_environment(screen, color_system=None), turns, **options)
    assert screen.cursor()[1] == 0
    return screen.lines()


def piped(turns: Sequence[Turn], **options: Any) -> str:
    out = io.StringIO()
    show_transcript(Environment(io.StringIO(), out, io.StringIO()), turns, **options)
    return out.getvalue()


WHOLE = [
    "1 > 世界上最高的山",
    "珠穆朗玛峰。",
    "",
    "2 > And the",
    "    second?",
    "K2,",
    "in the north.",
    "— cut at 17 tokens —",
    "",
    "— the model no longer sees turns 1–2 —",
    "",
    "3 > 为什么？",
    "因为",
    "— interrupted —",
    "",
    "4 > 再说",
    "— no reply —",
]


@pytest.mark.parametrize("columns", [60, 120])
def test_the_whole_screen(columns: int) -> None:
    assert shown(TALK, columns, forgotten=2) == WHOLE


def test_a_pipe_gets_the_same_without_escape_sequences() -> None:
    assert piped(TALK, forgotten=2) == "\n".join(WHOLE) + "\n"


def test_of_earlier_turns_only_the_number_is_told() -> None:
    assert shown(TALK, last=2) == ["… 2 earlier turns", "", *WHOLE[11:]]
    assert shown(TALK, last=1, forgotten=1)[0] == (
        "… 3 earlier turns; the model no longer sees turn 1"
    )
    assert shown(TALK, last=3, forgotten=2)[0] == "… 1 earlier turn"
    assert shown(TALK, last=3, forgotten=2)[8] == WHOLE[9]
    assert shown(TALK, last=4) == shown(TALK, last=9) == shown(TALK)


def test_a_narrow_screen_wraps_text_and_clips_remarks() -> None:
    assert shown(TALK[:2], 20, forgotten=2)[-1] == "— the model no lon…"
    assert shown([turn("山" * 12, "峰" * 12)], 20) == [
        *("1 > " + "山" * 8, "山" * 4),
        *("峰" * 10, "峰" * 2),
    ]


def test_no_turns_are_no_lines() -> None:
    assert piped([]) == ""


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        ("error", "broken off by an error"),
        (None, "broken off"),
        ("context", "cut where the context is full"),
    ],
)
def test_a_reply_without_its_end_says_why(finish: Finish | None, words: str) -> None:
    assert shown([turn("?", "x", finish)])[-1] == f"— {words} —"


@pytest.mark.parametrize("finish", ["eos", "stop"])
def test_a_whole_reply_has_no_mark(finish: Finish) -> None:
    assert shown([turn("?", "x", finish)]) == ["1 > ?", "x"]


def test_a_system_prompt_stands_where_it_begins_to_hold() -> None:
    brief, long = ((Message("system", text),) for text in ("brief", "long\nwinded"))
    turns = [turn("a", "x", preamble=brief), turn("b", "y", preamble=brief), turn("c", "z")]
    changed = [*turns, turn("d", "w", preamble=long)]
    assert shown(changed)[:4] == ["system > brief", "", "1 > a", "x"]
    assert shown(changed)[-5:] == ["system > long", "         winded", "", "4 > d", "w"]
    assert shown(changed, last=3)[:3] == ["… 1 earlier turn", "", "2 > b"]


def test_thinking_is_dimmed_or_folded() -> None:
    talk = [turn("山？", "<think>\n山\n</think>\n\n峰")]
    screen = Screen()
    show_transcript(screen_environment(screen), talk)
    assert [row[0][2] for row in screen.styled() if row] == [";2", ";2", ";2", ";2", ""]
    assert shown(talk) == ["1 > 山？", "<think>", "山", "</think>", "", "峰"]
    assert shown(talk, thinking="fold") == ["1 > 山？", "thinking… 18 characters", "峰"]
    assert shown(TALK, thinking="fold") == shown(TALK)


def test_payloads_that_terminals_obey_never_reach_one() -> None:
    for case, payload, forbidden in payloads():
        talk = [turn(payload, payload, preamble=(Message("system", payload),))]
        screen = Screen()  # it refuses what a transcript has no use for
        show_transcript(screen_environment(screen), talk)
        assert not [raw for raw in forbidden if raw in screen.text() + piped(talk)], case
