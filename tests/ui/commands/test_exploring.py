"""/explore: from where it lets somebody walk, and that the conversation stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcli.probe.walk import Walk
from chatcli.ui.commands import exploring
from tests.fakes import END
from tests.ui.talking import Talk, prompt, tiny_talk


@pytest.fixture
def explored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Walk]]:
    """The config and the walk of each exploration."""
    found: list[tuple[Any, Walk]] = []

    def explore(env: object, model: object, config: object, walk: Walk) -> None:
        found.append((config, walk))

    monkeypatch.setattr(exploring, "explore", explore)
    return found


def test_a_reply_is_walked_token_by_token(explored: list[tuple[Any, Walk]]) -> None:
    talk = Talk("山。", "two", terminal=True)
    talk.say("one", "again", "/explore 1")
    ((_, walk),) = explored
    assert walk.ids == (*prompt(talk, "one"), *"山。".encode())
    assert walk.ids[-1] != END and walk.prompt_length == len(prompt(talk, "one"))
    for byte in reversed("山。".encode()):
        left = walk.back()
        assert left is not None and left.ids == (byte,)
    assert walk.at.number == 0 and walk.ids == tuple(prompt(talk, "one"))


def test_the_last_reply_is_meant_and_its_luck_is_the_same(
    tiny: Path, explored: list[tuple[Any, Walk]]
) -> None:
    talk = tiny_talk(tiny, terminal=True, seed=None)
    talk.say("hi", "more", "/explore")
    ((config, walk),) = explored
    assert config.seed == talk.conversation.session.seed
    turn = talk.rows[-1]
    assert walk.prompt_length == turn.prompt_length


def test_exploring_changes_nothing(explored: list[tuple[Any, Walk]]) -> None:
    talk = Talk("ok", terminal=True)
    talk.say("hi")
    before = (talk.cache, talk.rows, talk.kept)
    talk.say("/explore")
    assert (talk.cache, talk.rows, talk.kept) == before and talk.is_whole()


def test_a_chat_without_a_turn_is_explored_from_its_start(
    explored: list[tuple[Any, Walk]],
) -> None:
    talk = Talk(terminal=True)
    talk.say("/explore")
    ((_, walk),) = explored
    assert walk.ids == tuple(talk.conversation.prompt_ids())


@pytest.mark.parametrize(
    ("terminal", "line", "named"),
    [(True, "/explore 9", "9"), (True, "/explore x", "'x'"), (False, "/explore", "a terminal")],
)
def test_what_cant_be_explored_is_one_line(
    terminal: bool, line: str, named: str, explored: list[tuple[Any, Walk]]
) -> None:
    talk = Talk("ok", terminal=terminal)
    assert not talk.say("hi", line)
    assert named in talk.err and not explored
