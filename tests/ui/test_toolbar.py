"""The line below the prompt."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tests.ui.talking import Talk


def shown(talk: Talk, columns: int = 120) -> str:
    return "".join(text for _, text in talk.repl.toolbar(columns))


def test_it_has_context_model_chain_and_speed() -> None:
    talk = Talk("a longer reply")
    assert shown(talk) == "context 0/2,048 · scripted · greedy"
    talk.say("hi")
    used = len(talk.ids)
    assert shown(talk).startswith(f"context {used}/2,048 · scripted · greedy · ")
    assert shown(talk).endswith(" tok/s")


def test_it_names_a_branch_other_than_the_first() -> None:
    talk = Talk("one")
    talk.say("hi", "/branch 另一条")
    assert "on 另一条" in shown(talk)


@pytest.mark.parametrize("columns", range(1, 130, 7))
def test_it_fits_and_keeps_the_context_longest(columns: int) -> None:
    talk = Talk("one")
    talk.say("/preset balanced", "hi", "/branch 另一条")
    bar = shown(talk, columns)
    assert cell_len(bar) <= columns
    assert bar.startswith("context"[: columns - 1])


def test_what_falls_out_next_is_a_warning_that_comes_first() -> None:
    talk = Talk("one", context_length=100)
    talk.say("/set max_tokens 10", "long " * 10, "again " * 2)
    (style, warning), (_, rest) = talk.repl.toolbar(120)
    assert style == "class:warning" and warning == "1 turn falls out next"
    assert rest.startswith(" · context ")


def test_what_is_not_kept_is_a_warning() -> None:
    class Troubled:
        problem = "the disk\x1b is full"

    talk = Talk("one")
    talk.repl.keeper = Troubled()  # type: ignore[assignment]
    (style, warning), _ = talk.repl.toolbar(120)
    assert style == "class:warning" and warning == "not kept: the disk␛ is full"


def test_it_has_the_name_and_the_prompt_where_there_is_room() -> None:
    talk = Talk("one")
    talk.say("/prompt assistant", "/rename 山")
    assert shown(talk).startswith("context 0/2,048 · scripted · 山 · ")
    assert shown(talk).endswith(" · prompt assistant")
    assert shown(talk, 32) == "context 0/2,048 · scripted · 山"
