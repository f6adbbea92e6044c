"""/help, /probs, /clear and /exit, which touch neither the model nor the store."""

from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len

from chatcli.ui.commands.all import COMMANDS
from chatcli.ui.commands.registry import GROUPS
from chatcli.ui.commands.values import ABOUT, EXAMPLES, KEYS
from tests.ui.talking import Talk


def test_names_are_unique_and_groups_are_known() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(set(names)) == len(names)
    assert {command.group for command in COMMANDS} == set(GROUPS)


@pytest.mark.parametrize("columns", [60, 120])
def test_help_lists_every_command_under_its_group(columns: int) -> None:
    talk = Talk()
    talk.repl.env = dataclasses.replace(talk.env(), size=lambda: (columns, 24))
    talk.say("/help")
    lines = talk.err.splitlines()
    assert talk.out == "" and max(map(cell_len, lines)) < columns
    assert [line for line in lines if line in GROUPS] == list(GROUPS)
    assert all(any(line.startswith(f"  /{one.name}") for line in lines) for one in COMMANDS)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_help_says_more_of_each_command(name: str) -> None:
    talk = Talk()
    assert talk.say(f"/help {name}")
    assert talk.err.startswith(f"/{name}")
    assert max(map(cell_len, talk.err.splitlines())) < 80


def test_help_of_no_command_suggests_one() -> None:
    talk = Talk()
    assert not talk.say("/help /rety")
    assert "did you mean /retry?" in talk.err
    assert not talk.say("/help x")
    assert "(a message that starts so: //help x)" in talk.err


@pytest.mark.parametrize("key", KEYS)
def test_help_has_a_line_for_every_setting(key: str) -> None:
    talk = Talk()
    assert talk.say(f"/help {key}", f"/help set {key.replace('_', '-')}")
    shown = " ".join(talk.err.split())
    assert shown.startswith(f"/set {key}: {ABOUT[key]} now ")
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 + 1 :]
    assert max(map(cell_len, talk.err.splitlines())) < 80
    assert talk.say(f"/set {key} {EXAMPLES[key]}") and f"/set {key} {EXAMPLES[key]}" in shown


def test_help_tells_a_setting_s_value_and_range() -> None:
    talk = Talk()
    assert talk.say("/set temperature 0.4", "/help temperature")
    last = talk.err.splitlines()[-1]
    assert last == "now 0.4 · 0 (greedy), or from 1e-38 to 3.4e38 · /set temperature 0.7"


def test_tab_says_what_each_setting_does() -> None:
    talk = Talk()
    for line in ("/set typ", "/get typ", "/retry typ", "/help typ"):
        (word,) = talk.repl.complete(line)
        assert word.description == ABOUT["typical_p"], line


def test_an_option_s_spelling_of_a_setting_works() -> None:
    talk = Talk()
    assert talk.say("/set top-k 5", "/set min-p=0.1", "/get top-k")
    assert (talk.conversation.config.top_k, talk.conversation.config.min_p) == (5, 0.1)


@pytest.mark.parametrize("alias", ["?", "quit", "bye", "regen", "reset"])
def test_names_that_people_bring_along_work(alias: str) -> None:
    talk = Talk("one")
    assert talk.say("hi", f"/{alias}")


def test_probs_changes_the_display_alone() -> None:
    talk = Talk("one")
    talk.say("hi", "/probs off")
    assert not talk.repl.display.probs
    talk.say("/probs 3")
    assert talk.repl.display.probs and talk.repl.display.top == 3
    talk.say("/probs off", "/probs on")
    assert talk.repl.display.probs and talk.repl.display.top == 3
    assert talk.fed == len(talk.cache) and len(talk.rows) == 1


def test_probs_says_how_many_alternatives_fit() -> None:
    talk = Talk()
    talk.repl.env = dataclasses.replace(talk.env(), cursor=True)
    talk.repl.display = dataclasses.replace(talk.repl.display, live=True)
    talk.say("/probs 30", "/probs 10")
    first, second = talk.err.splitlines()
    assert first == "probabilities are on, 30 alternatives, of which 10 fit in 24 rows"
    assert second == "probabilities are on, 10 alternatives"


@pytest.mark.parametrize("argument", ["maybe", "-1", "1.5", "²"])
def test_probs_of_something_else_is_an_error(argument: str) -> None:
    talk = Talk()
    assert not talk.say(f"/probs {argument}")


def test_the_display_does_not_change_what_is_said() -> None:
    shown, calm = Talk("one", terminal=True), Talk("one", terminal=True)
    shown.say("/probs 5", "hi")
    calm.say("/probs off", "hi")
    assert shown.ids == calm.ids


def test_clear_clears_the_screen_and_nothing_else() -> None:
    talk = Talk("one")
    talk.say("hi")
    talk.say("/clear")
    assert "\x1b" not in talk.out  # no terminal, nothing to clear
    talk.repl.env = dataclasses.replace(talk.env(), cursor=True)
    talk.say("/clear")
    assert talk.out.endswith("\x1b[H\x1b[2J")
    assert talk.is_whole() and len(talk.rows) == 1
