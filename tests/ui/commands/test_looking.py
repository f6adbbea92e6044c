"""The commands that look: what they show, and that they leave everything as it is."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import chatcli
from chatcli.chat.conversation import Conversation
from chatcli.chat.keeper import Keeper
from chatcli.chat.store import Store
from chatcli.chat.types import Settings
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from chatcli.ui.environment import ColorSystem, Environment
from chatcli.ui.frames import DisplayOptions
from chatcli.ui.repl import Repl
from tests.fakes import ScriptedModel
from tests.ui.screen import Screen, screen_environment

SAMPLING = SamplingConfig(temperature=0.8, top_k=20, top_p=0.95, seed=7)
PREAMBLE = (Message("system", "简短"),)
COMMANDS = ("tokens", "tokens 1", "tokens 2 table", "why", "why 1", "context", "stats", "diff a")


class Talk:
    """A kept conversation on a terminal of `columns`."""

    def __init__(
        self,
        model: LanguageModel,
        columns: int = 80,
        color_system: ColorSystem | None = None,
        **settings: Any,
    ) -> None:
        self.store = Store.open()
        self.screen, self.err = Screen(columns, 400), io.StringIO()
        env = screen_environment(self.screen, color_system=color_system, stderr=self.err)
        given: dict[str, Any] = {"sampling": SAMPLING, "preamble": PREAMBLE} | settings
        self.conversation = Conversation(
            model,
            settings=Settings(**given),
            keeper=Keeper(self.store, env.say),
        )
        self.repl = Repl(
            env,
            self.conversation,
            DisplayOptions(live=False),
            load=lambda name: model,
            store=self.store,
        )

    def ask(self, *messages: str) -> Talk:
        for message in messages:
            list(self.conversation.ask(message))
        return self

    def do(self, line: str) -> list[str]:
        """What a command leaves on the screen; it must not fail."""
        before = len(self.screen.lines())
        assert self.repl.take(f"/{line}")
        assert not self.repl.failed, self.err.getvalue()
        return self.screen.lines()[before:]

    def refused(self, line: str) -> str:
        """What says why a command can't be, one line but for the width of the screen."""
        said = len(self.err.getvalue())
        assert self.repl.take(f"/{line}")
        assert self.repl.failed
        told = " ".join(self.err.getvalue()[said:].splitlines())
        return told

    def state(self) -> object:
        """All that a command might have touched."""
        talk = self.conversation
        session = talk.session
        return (
            session,
            {id: talk.tree[id] for id in talk.tree},
            list(talk.cache.tokens),
            list(talk.ids),
            self.store.session(session.id),
            self.store.turns(session.id),
        )


def scripted(**options: Any) -> ScriptedModel:
    return ScriptedModel(["你好！", "最高的山。"], peak=4.0, noise=1.0, **options)


@pytest.fixture(scope="module")
def real(tiny: Path) -> LanguageModel:
    return chatcli.load(str(tiny), device="cpu")


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("line", COMMANDS)
def test_looking_changes_nothing_and_fits(line: str, columns: int) -> None:
    talk = Talk(scripted(), columns, max_tokens=20).ask("你好", "山？")
    talk.conversation.branch("a")
    talk.conversation.undo()
    talk.ask("hi\x1b[2J", "bye")
    before = talk.state()
    lines = talk.do(line)
    assert talk.state() == before
    assert lines and max(map(cell_len, lines)) <= columns
    assert not {"\x1b[2J"} & set(talk.screen.sent)


@pytest.mark.parametrize("line", COMMANDS[:5])
def test_looking_feeds_the_conversations_cache_nothing(line: str, real: LanguageModel) -> None:
    talk = Talk(real, max_tokens=8).ask("the highest", "世界上")
    held = list(talk.conversation.cache.tokens)
    talk.do(line)
    assert list(talk.conversation.cache.tokens) == held
    again = Talk(real, max_tokens=8).ask("the highest", "世界上")
    assert again.conversation.ids == talk.conversation.ids
    for each in (talk, again):
        each.ask("north")
    assert again.conversation.ids == talk.conversation.ids


def test_tokens_are_those_of_the_whole_context() -> None:
    talk = Talk(scripted(), 400, sampling=SamplingConfig(temperature=0)).ask("hi")
    ids = talk.conversation.prompt_ids()
    lines = talk.do("tokens")
    below = [line.split() for line in lines[2::2]]
    assert [int(word) for words in below for word in words] == ids
    assert "the last one is read with the next message" in lines[0]


def test_tokens_of_a_turn_that_fell_out_are_refused_with_the_reason() -> None:
    talk = Talk(scripted(context_length=96), max_tokens=8, preamble=())
    talk.ask(*(f"message {number}" for number in range(8)))
    forgotten = talk.conversation.window().forgotten
    assert forgotten > 0
    assert f"the model no longer sees turns 1–{forgotten}" in talk.do("tokens")
    assert "doesn't see turn 1 any more" in talk.refused("tokens 1")


def test_why_tells_of_each_token_of_a_reply(real: LanguageModel) -> None:
    talk = Talk(real, max_tokens=8)
    steps = [step for chunk in talk.conversation.ask("the highest") for step in chunk.steps]
    lines = talk.do("why 1")
    assert lines[0] == "reply 1 · temperature 0.8 → top_k 20 → top_p 0.95 · seed 7"
    rows = [line for line in lines if re.match(r" *\d+  ", line)]
    assert len(rows) == len(steps)
    for row, step in zip(rows, steps, strict=True):
        shares = [float(each) for each in re.findall(r"[\d.]+(?= %)", row)]
        assert shares[0] == pytest.approx(100 * step.prob, abs=0.06)
        assert shares[1] == pytest.approx(100 * step.raw_prob, abs=0.06)


def test_why_knows_the_settings_of_each_stretch(real: LanguageModel) -> None:
    talk = Talk(real, max_tokens=4).ask("the highest")
    talk.conversation.config = SamplingConfig(temperature=0)
    list(talk.conversation.resume())
    talk.conversation.config = SamplingConfig(seed=1)  # since then
    lines = talk.do("why")
    assert lines[:2] == [
        "reply 1, tokens 1–4 · temperature 0.8 → top_k 20 → top_p 0.95 · seed 7",
        "reply 1, tokens 5–8 · greedy",
    ]
    assert sum("100.0 %" in line for line in lines) >= 4


def test_why_of_one_token_tells_the_number_that_drew_it(real: LanguageModel) -> None:
    talk = Talk(real, max_tokens=8)
    steps = [step for chunk in talk.conversation.ask("the highest") for step in chunk.steps]
    for number, step in ((1, steps[0]), (5, steps[4]), (8, steps[7])):
        lines = talk.do(f"why 1 {number}")
        assert lines[0].startswith(f"reply 1, token {number} of 8 · temperature 0.8")
        whole = " ".join(lines)
        assert step.draw.interval is not None
        low, high = step.draw.interval
        assert f"u = {step.draw.u:.6f} lies in its slice" in whole
        assert f"from {low:.6f} to {high:.6f}" in whole
        assert "drawn now is another" not in whole


def test_why_of_one_token_knows_what_the_sampler_had_learnt(real: LanguageModel) -> None:
    sampling = SamplingConfig(mirostat=2, mirostat_tau=3.0, mirostat_eta=0.5, seed=7)
    talk = Talk(real, max_tokens=4, sampling=sampling)
    chunks = [*talk.conversation.ask("the highest"), *talk.conversation.resume()]
    steps = [step for chunk in chunks for step in chunk.steps]
    for number in (3, 6, 8):
        interval = steps[number - 1].draw.interval
        assert interval is not None
        whole = " ".join(talk.do(f"why 1 {number}"))
        assert f"from {interval[0]:.6f}" in whole and "drawn now is another" not in whole


@pytest.mark.parametrize("line", ["why 1 0", "why 1 9", "why 1 x", "why x 1"])
def test_why_of_a_token_that_is_not_there_is_one_line(real: LanguageModel, line: str) -> None:
    Talk(real, max_tokens=4).ask("hi").refused(line)


def test_why_of_a_reply_by_another_checkpoint_names_the_remedy(real: LanguageModel) -> None:
    talk = Talk(scripted()).ask("hi")
    talk.conversation.use(real, "other")
    told = talk.refused("why")
    assert "turn 1 was written by scripted" in told and "/model builtin" in told


@pytest.mark.parametrize("line", ["why", "why 3", "why x", "tokens 9", "stats", "copy", "diff"])
def test_what_is_not_there_is_one_line(line: str) -> None:
    Talk(scripted()).refused(line)


def test_context_counts_every_token_once() -> None:
    talk = Talk(scripted(), max_tokens=20).ask("你好", "山？")
    lines = talk.do("context")
    shares = [int(line.split()[-1].replace(",", "")) for line in lines[2:6]]
    assert shares[0] + shares[1] == len(talk.conversation.prompt_ids())
    assert sum(shares) == talk.conversation.model.checkpoint.context_length
    assert shares[2] == 20
    assert any(line.startswith("/set overflow") for line in lines)


def test_stats_are_those_of_the_turns() -> None:
    talk = Talk(scripted(), max_tokens=20).ask("你好", "山？")
    lines = talk.do("stats")
    written = [turn.new_tokens for turn in talk.conversation.path]
    row = next(line for line in lines if line.startswith("tokens written")).split()
    assert [int(number) for number in row[2:]] == [written[-1], sum(written)]
    assert "seed 7" in lines[-1] and "digest 000000000000" in "\n".join(lines)


def test_stats_know_the_surprise_of_a_reply_that_was_shown() -> None:
    talk = Talk(scripted(), max_tokens=20)
    talk.repl.ask("你好")
    assert "perplexity" in "\n".join(talk.do("stats"))
    talk.ask("山？")  # not shown
    assert "perplexity" not in "\n".join(talk.do("stats"))


def test_two_branches_are_compared_by_name() -> None:
    talk = Talk(scripted(), sampling=SamplingConfig(temperature=0)).ask("你好")
    talk.conversation.branch("other one")
    talk.ask("山？")
    for line in ("diff main", 'diff "other one" main', "diff"):
        assert "other one and main share 1 turn · main ends there" in talk.do(line)
    assert talk.do("diff main main") == ["main and main share 1 turn · there is no difference"]
    assert "did you mean main?" in talk.refused("diff mian")


def copied(talk: Talk) -> str:
    (sequence,) = (sent for sent in talk.screen.sent if "]52;" in sent)
    return b64decode(sequence.split(";")[2].rstrip("\x07")).decode()


class Clipboard(Screen):
    """A screen with a clipboard, which shows nothing of it."""

    def write(self, text: str) -> int:
        if text.startswith("\x1b]52;"):
            self.sent.append(text)
            return len(text)
        return super().write(text)


def with_clipboard(talk: Talk) -> Talk:
    talk.screen = Clipboard(80, 24)
    talk.repl.env = screen_environment(talk.screen, stderr=talk.err)
    return talk


CODE = "Look:\n```python\nprint('你好')\n```\nand\n~~~\nlast\x1b[2J\n~~~\nbye"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("copy", "fine"),
        ("copy 1", CODE),
        ("copy 1 code", "last\x1b[2J"),
        ("copy code 1", "last\x1b[2J"),
    ],
)
def test_a_reply_is_copied(line: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    model = ScriptedModel([CODE, "fine"])
    talk = with_clipboard(Talk(model, sampling=SamplingConfig(temperature=0)).ask("a", "b"))
    before = talk.state()
    talk.do(line)
    assert copied(talk) == text
    assert talk.state() == before
    assert "clipboard" in talk.err.getvalue()


def test_a_reply_without_code_says_so() -> None:
    talk = with_clipboard(Talk(scripted()).ask("a"))
    assert "no block of code" in talk.refused("copy code")


def pipe(talk: Talk) -> Environment:
    """A world in which replies go to a pipe."""
    return Environment(io.StringIO(), io.StringIO(), talk.err)


def test_without_a_terminal_nothing_is_copied() -> None:
    talk = Talk(scripted()).ask("a")
    talk.repl.env = pipe(talk)
    assert "/export FILE" in talk.refused("copy")


def test_a_pipe_gets_no_views() -> None:
    talk = Talk(scripted()).ask("a")
    env = talk.repl.env = pipe(talk)
    talk.repl.remarks = type(talk.repl.remarks)(env)
    for line in ("tokens", "why", "context", "stats"):
        assert talk.repl.take(f"/{line}")
    assert isinstance(env.stdout, io.StringIO) and env.stdout.getvalue() == ""
    assert "◆<bos>" in talk.err.getvalue() and "\x1b" not in talk.err.getvalue()


def test_tab_offers_turns_newest_first_and_branches() -> None:
    talk = Talk(scripted()).ask("你好", "山？")
    talk.conversation.branch("other")
    for line, words in {
        "/why ": ["2", "1"],
        "/tokens ": ["table", "2", "1"],
        "/copy c": ["code"],
        "/diff m": ["main"],
        "/diff main o": ["other"],
    }.items():
        offered = [each.text for each in talk.repl.complete(line)]
        assert [word.split()[-1] for word in offered] == words, line


def test_a_reply_that_slid_through_the_context_is_told_of_whole() -> None:
    model = ScriptedModel("a" * 60, context_length=96)
    talk = Talk(model, max_tokens=80, preamble=(), overflow="slide").ask("one", "two")
    turn = talk.conversation.path[-1]
    assert turn.forgotten > 0 and turn.new_tokens == sum(run.tokens for run in turn.runs) > 40
    rows = [line for line in talk.do("why") if re.match(r" *\d+  ", line)]
    assert len(rows) == turn.new_tokens
    replies = [line for line in talk.do("tokens") if line.startswith("reply")]
    assert len(replies) == len(talk.conversation.path) - talk.conversation.window().forgotten


def test_another_checkpoint_finds_what_was_said_in_its_own_tokens(real: LanguageModel) -> None:
    talk = Talk(ScriptedModel(["最高的山"]), preamble=()).ask("the highest")
    talk.conversation.use(real, "other")
    lines = talk.do("tokens")
    assert "0 in the cache" in "".join(lines[:2])
    assert {"message 1", "reply 1"} <= {line[:9].strip() for line in lines}
