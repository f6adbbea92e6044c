"""A conversation that is taken up again says what it would have said: the same ids, always.

Two conversations are played side by side, one without a break and one that is put away and
taken up again before every step. Whatever was done before, their ids stay equal.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Callable, Iterator

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.feeds import FeedLog, RecordingModel, refill
from chatcli.chat.types import Settings, Turn
from chatcli.engine.types import Chunk
from chatcli.errors import UsageError
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from tests.fakes import ScriptedModel, tiny_checkpoint

WORDS = ("你好", "the highest mountain?", "世界上最高的山", "north", "山高", "in the world")
LUCKY = SamplingConfig(temperature=1.5, top_k=50, repetition_penalty=1.1)

Step = Callable[[Conversation], Iterator[Chunk] | object]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = tiny_checkpoint(tmp_path_factory.mktemp("resume"), max_position_embeddings=256)
    return load(str(folder), dtype="float32")


def taken_up(talk: Conversation) -> Conversation:
    """What another process makes of what was kept."""
    turns = [talk.tree[id] for id in talk.tree]
    return Conversation(talk.model, settings=talk.settings, session=talk.session, turns=turns)


def after(count: int) -> Callable[[], bool]:
    """Cancels a reply after some tokens."""
    asked = itertools.count()
    return lambda: next(asked) > count


def left(chunks: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    """Read some chunks, then go."""
    yield from itertools.islice(chunks, count)
    chunks.close()  # type: ignore[attr-defined]


def played(talk: Conversation, step: Step) -> list[float]:
    """Do a step; return the probability of each token, to the last bit."""
    done = step(talk)
    chunks = list(done) if isinstance(done, Iterator) else []
    return [one.raw_prob for chunk in chunks for one in chunk.steps]


def kinds(word: str, count: int, number: int) -> dict[str, Step]:
    """What people do, with a word to say, a count of tokens, and the number of the step."""

    def switch(talk: Conversation) -> None:
        names = sorted(talk.session.branches)
        talk.switch(names[count % len(names)])

    def system(talk: Conversation) -> None:
        preamble = (Message("system", word),)
        talk.settings = dataclasses.replace(talk.settings, preamble=preamble)

    def slide(talk: Conversation) -> None:
        talk.settings = dataclasses.replace(talk.settings, overflow="slide")

    return {
        "ask": lambda talk: talk.ask(word),
        "stop": lambda talk: left(talk.ask(word), count),
        "continue": lambda talk: talk.resume(),
        "undo": lambda talk: talk.undo(),
        "edit": lambda talk: talk.edit(max(1, len(talk.path) - 1), word),
        "branch": lambda talk: talk.branch(f"b{number}"),
        "switch": switch,
        "system": system,
        "slide": slide,
    }


def steps(luck: random.Random, count: int) -> Iterator[tuple[str, Step]]:
    """Things that people do, in any order."""
    for number in range(count):
        found = kinds(luck.choice(WORDS), luck.randrange(12), number)
        name = luck.choices(list(found), (9, 4, 3, 2, 2, 1, 1, 1, 1))[0]
        yield name, found[name]


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 20))]
)
def test_the_next_reply_has_the_same_ids(model: LanguageModel, seed: int) -> None:
    settings = Settings(dataclasses.replace(LUCKY, seed=seed), max_tokens=8)
    straight = Conversation(model, settings=settings)
    broken = Conversation(model, settings=settings)
    for name, step in steps(random.Random(seed), 12):
        broken = taken_up(broken)
        try:
            probs = played(straight, step)
        except UsageError as error:
            with pytest.raises(UsageError, match=re.escape(str(error))):
                played(broken, step)
            continue
        assert played(broken, step) == probs, name
        assert broken.ids == straight.ids
        assert [turn.reply for turn in broken.path] == [turn.reply for turn in straight.path]


def test_a_seed_that_was_drawn_is_kept(model: LanguageModel) -> None:
    talk = Conversation(model, settings=Settings(LUCKY, max_tokens=8))
    played(talk, lambda talk: talk.ask("你好"))
    again = taken_up(talk)
    assert again.chain.seed == talk.chain.seed and again.config.seed is None
    played(talk, lambda talk: talk.retry())
    assert talk.chain.seed != again.chain.seed


def test_the_cache_is_filled_in_the_pieces_it_was_made_in() -> None:
    talk = Conversation(ScriptedModel(["hello there", "good bye"]), SamplingConfig(temperature=0))
    played(talk, lambda talk: talk.ask("one", cancelled=after(3)))
    played(talk, lambda talk: talk.ask("two"))
    first = talk.model
    assert isinstance(first, ScriptedModel)
    fed = list(first.fed)
    again = taken_up(talk)
    first.fed.clear()
    played(again, lambda talk: talk.ask("three"))
    assert first.fed[: len(fed)] == fed


@pytest.mark.parametrize("seed", range(5))
def test_feeds_describe_the_cache_after_any_crops(seed: int) -> None:
    """The oracle keeps, for every id, the call in which it was fed."""
    luck = random.Random(seed)
    log = FeedLog()
    calls: list[tuple[list[int], int]] = []  # the ids of the call, the place of this id in it
    for _ in range(200):
        del calls[luck.randrange(max(0, len(calls) - 9), len(calls) + 1) :]
        ids = [luck.randrange(99) for _ in range(luck.choice((1, 1, 1, 2, 5)))]
        log.fed(len(calls), ids)
        calls += [(ids, place) for place in range(len(ids))]
    assert sum(feed.kept for feed in log.feeds) == len(calls)
    model = RecordingModel(ScriptedModel(""))
    cache = model.new_cache()
    held = [ids[place] for ids, place in calls]
    assert refill(model, cache, held, log.feeds, cancelled=lambda: False, slow=lambda: None)
    assert list(cache.tokens) == held
    inner = model.model
    assert isinstance(inner, ScriptedModel)
    assert inner.fed == [ids for ids, place in calls if place == 0]
    assert model.log.feeds == log.feeds


def test_refilling_can_be_given_up() -> None:
    model = RecordingModel(ScriptedModel(""))
    cache = model.new_cache()
    log = FeedLog()
    for start in range(5):
        log.fed(start, [start])
    assert not refill(model, cache, range(5), log.feeds, cancelled=after(2), slow=lambda: None)
    assert list(cache.tokens) == []


def test_other_machinery_is_said_to_promise_nothing(model: LanguageModel) -> None:
    talk = Conversation(model, settings=Settings(LUCKY, max_tokens=4))
    played(talk, lambda talk: talk.ask("你好"))
    (turn,) = talk.path
    run = dataclasses.replace(
        turn.runs[0], origin=dataclasses.replace(turn.runs[0].origin, dtype="bfloat16", threads=64)
    )
    told: list[str] = []
    old = dataclasses.replace(turn, runs=(run,))
    Conversation(model, session=talk.session, turns=[old], notice=told.append)
    assert told == [
        "dtype was bfloat16 and is float32, threads was 64 and is 1: the same replies as without "
        "a break aren't promised"
    ]


def test_another_checkpoint_goes_on_from_text(model: LanguageModel) -> None:
    talk = Conversation(model, settings=Settings(LUCKY, max_tokens=4))
    played(talk, lambda talk: talk.ask("你好"))
    told: list[str] = []
    other = ScriptedModel(["?", "fine"])
    other.checkpoint = dataclasses.replace(other.checkpoint, digest="f" * 64)
    turns: list[Turn] = list(talk.path)
    again = Conversation(
        other, SamplingConfig(temperature=0), session=talk.session, turns=turns, notice=told.append
    )
    assert "going on from their text" in told[0]
    played(again, lambda talk: talk.ask("again"))
    said = turns[0].reply
    assert bytes(token for token in other.fed[0] if token < 256).decode() == f"你好{said}again"
    with pytest.raises(UsageError, match="/retry writes another"):
        Conversation(other, session=talk.session, turns=turns).resume()
