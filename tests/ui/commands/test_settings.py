"""/set, /get and /preset: what the next reply is drawn by, in the chat and in the store."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.chat.types import Settings
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.presets import PRESETS
from chatcli.ui.commands.values import KEYS
from tests.fakes import EOS
from tests.ui.talking import Talk, prompt, tiny_talk


def drawn_by(talk: Talk) -> SamplingConfig:
    """What the newest reply in the store was drawn by."""
    return talk.rows[-1].runs[-1].sampling


def test_a_setting_holds_from_the_next_reply_on_and_is_kept(tiny: Path) -> None:
    talk = tiny_talk(tiny)
    assert talk.say("你好", "/set temperature 0.5", "/set seed 7", "again")
    first, second = (turn.runs[-1].sampling for turn in talk.rows)
    assert (first.temperature, first.seed) == (1.5, 3)
    assert (second.temperature, second.seed) == (0.5, 7)
    assert talk.kept.settings.sampling == second
    assert talk.is_whole()


def test_a_seed_and_none_decide_the_ids(tiny: Path) -> None:
    plain, set_anew = tiny_talk(tiny, seed=9), tiny_talk(tiny, seed=3)
    plain.say("你好")
    set_anew.say("/set seed 9", "你好", "/set seed none")
    assert set_anew.ids == plain.ids
    assert set_anew.kept.settings.sampling.seed is None


def test_several_settings_are_set_at_once_or_none_of_them() -> None:
    talk = Talk()
    assert talk.say("/set top_k=20 top_p=0.9 max_tokens=3", "hi")
    sampling = talk.kept.settings.sampling
    assert (sampling.top_k, sampling.top_p) == (20, 0.9)
    assert talk.kept.settings.max_tokens == 3
    assert not talk.say("/set top_k=1 top_p=2")
    assert talk.conversation.config == sampling


def test_a_bias_changes_what_is_said() -> None:
    talk = Talk("ab")
    talk.say(f"/set logit_bias {ord('a')}=-inf,{ord('x')}=100", "hi")
    assert talk.ids[len(prompt(talk, "hi")) :][0] == ord("x")
    assert drawn_by(talk).logit_bias == {ord("a"): float("-inf"), ord("x"): 100.0}


def test_a_stop_text_and_max_tokens_end_a_reply() -> None:
    talk = Talk("one two three")
    talk.say('/set stop " three"', "hi", "/set stop none", "/set max_tokens 2", "again")
    assert talk.said == [("hi", "one two"), ("again", "on")]
    assert [turn.finish for turn in talk.rows] == ["stop", "length"]
    assert talk.ids[-2:] == list(b"on") and talk.is_whole()


def test_an_order_is_a_preset_or_stages() -> None:
    talk = Talk()
    talk.say("/set order llamacpp", "hi", "/set order temperature,top_k", "hi")
    orders = [turn.runs[-1].sampling.order for turn in talk.rows]
    assert orders == ["llamacpp", ("temperature", "top_k")]


def test_an_overflow_policy_is_obeyed() -> None:
    talk = Talk("one", context_length=60)
    talk.say("/set overflow error", "long " * 4, "long " * 6)
    assert len(talk.rows) == 1 and "/set overflow drop-oldest" in talk.err
    talk.say("/set overflow drop-oldest", "long " * 6)
    assert talk.rows[-1].forgotten == 1


@pytest.mark.parametrize("line", ["/set", "/set temperature", "/set temp 1", "/set top_k x"])
def test_what_cannot_be_set_changes_nothing(line: str) -> None:
    talk = Talk()
    before = talk.conversation.settings
    assert not talk.say(line)
    assert talk.conversation.settings == before
    assert talk.err.count("\n") == 1 and talk.err.startswith("chatcli: ")


def test_get_marks_what_is_not_the_default() -> None:
    talk = Talk()
    talk.say("/set top_k 7", "/get")
    lines = talk.err.splitlines()
    marked = [line.split()[1] for line in lines if line.startswith("•")]
    assert marked == ["top_k"]
    assert "next reply: greedy" in lines
    talk.say("/get top_k")
    assert talk.err.splitlines()[-1] == "top_k is 7 (default 0)"


@pytest.mark.parametrize("columns", [60, 120])
def test_get_fits_the_screen_and_names_every_setting(columns: int) -> None:
    bias = {token: -5.5 for token in range(40)}
    talk = Talk(settings=Settings(SamplingConfig(logit_bias=bias), stop=("用户：\x1b",)))
    talk.repl.env = dataclasses.replace(talk.env(), size=lambda: (columns, 24))
    talk.say("/get")
    assert max(map(cell_len, talk.err.splitlines())) <= columns
    assert all(key in talk.err for key in KEYS)
    assert "\x1b" not in talk.err


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_decides_the_whole_chain(name: str) -> None:
    talk = Talk()
    talk.say("/set typical_p 0.5", "/set seed 5", "/set order mlx", f"/preset {name}", "hi")
    expected = SamplingConfig(**PRESETS[name], seed=5, order="mlx")
    assert drawn_by(talk) == expected == talk.kept.settings.sampling


def test_a_greedy_preset_says_the_likeliest(tiny: Path) -> None:
    talk, again = tiny_talk(tiny, seed=1), tiny_talk(tiny, seed=2)
    for one in (talk, again):
        one.say("/preset greedy", "你好")
    assert talk.ids == again.ids


def test_the_users_own_presets_stand_beside_and_before_ours() -> None:
    talk = Talk(presets={"mine": {"top_k": 3, "seed": 4}, "greedy": {"temperature": 0.1}})
    talk.say("/preset mine", "hi")
    assert (drawn_by(talk).top_k, drawn_by(talk).seed) == (3, 4)
    talk.say("/preset greedy", "hi")
    assert drawn_by(talk).temperature == 0.1


@pytest.mark.parametrize(
    ("line", "message"),
    [("/preset presice", "did you mean precise?"), ("/preset bad", "preset bad: top_k is -1")],
)
def test_a_preset_that_is_none_or_wrong_changes_nothing(line: str, message: str) -> None:
    talk = Talk(presets={"bad": {"top_k": -1}})
    before = talk.conversation.config
    assert not talk.say(line)
    assert message in talk.err and talk.conversation.config == before


def test_presets_are_listed_with_their_chains_and_the_one_in_force() -> None:
    talk = Talk()
    talk.say("/preset balanced", "/preset")
    rows = talk.err.splitlines()[-len(PRESETS) :]
    assert [row[0] for row in rows] == [" ", " ", "•", " "]
    assert "temperature 0.8 → top_k 40 → top_p 0.95" in rows[2]


def test_settings_may_change_between_turns_and_no_token_is_fed_again() -> None:
    talk = Talk("one", "two")
    talk.say("first", "/set top_k 3", "/preset creative", "/set temperature 0", "second")
    assert talk.fed == len(talk.cache) and talk.is_whole()
    assert talk.ids[-1] == EOS
