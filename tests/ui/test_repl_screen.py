"""A whole conversation typed on a terminal, and the screen it leaves, at 60 and 120 columns."""

from __future__ import annotations

import dataclasses

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.cells import cell_len

from chatcli.ui.frames import DisplayOptions
from chatcli.ui.remarks import Remarks
from chatcli.ui.repl import run_repl
from tests.ui.screen import Screen, screen_environment
from tests.ui.talking import Talk

KEYS = [
    "你好\r",
    "/set max_tokens 3\r",
    "世界上最高的山？\r",
    "/continue\r",
    "/branch 另一条\r",
    "/undo\r",
    "/set temprature 1\r",
    "/branches\r",
    "/rename 山\r",
    "\x04",
]
WIDE = """\
你好！很高兴认识你。
max_tokens is 3 (was 40) · next reply: greedy
珠
— cut at 3 tokens; /continue goes on —
…穆
— cut at 3 tokens; /continue goes on —
on the new branch 另一条, 2 turns
back to before turn 2 (世界上最高的山？); /switch main leads there again
chatcli: no setting 'temprature'; did you mean temperature?
   branch  turns  last turn
↳  main        2  世界上最高的山？ → 珠穆
•  另一条      1  你好 → 你好！很高兴认识你。
this conversation is 山
to go on: chatcli chat --session '山'"""
NARROW = WIDE.replace("main leads", "main\nleads")


@pytest.mark.parametrize(("columns", "expected"), [(120, WIDE), (60, NARROW)])
def test_a_conversation_leaves_this_screen(columns: int, expected: str) -> None:
    talk = Talk("你好！很高兴认识你。", "珠穆朗玛峰", terminal=True)
    screen = Screen(columns, 40)
    env = screen_environment(screen, stderr=screen)
    talk.repl.env = dataclasses.replace(env, stdin_is_terminal=True)
    talk.repl.remarks = Remarks(talk.repl.env)
    talk.repl.display = DisplayOptions(probs=False)
    with create_pipe_input() as pipe, create_app_session(pipe, DummyOutput()):
        pipe.send_text("".join(KEYS))
        run_repl(talk.repl)
    shown = [line.replace(talk.kept.id, "ID") for line in screen.lines() if line]
    assert shown == expected.splitlines()
    assert max(map(cell_len, shown)) <= columns
    assert screen.cursor_visible and screen.autowrap
    assert talk.said == [("你好", "你好！很高兴认识你。"), ("世界上最高的山？", "珠穆")]
    assert talk.kept.name == "山" and talk.kept.branch == "另一条"
