"""Samplers that steer by what was drawn before, in a conversation that is cut and taken up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.keeper import Keeper
from chatcli.chat.store import Store
from chatcli.chat.types import Settings
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ScriptedModel

ENDS: list[dict[str, Any]] = [
    {"mirostat": 1, "mirostat_tau": 3.0, "mirostat_eta": 0.5},
    {"mirostat": 2, "mirostat_tau": 3.0, "mirostat_eta": 0.5},
    {"top_k": 60, "adaptive_target": 0.3, "adaptive_decay": 0.7},
]


def model() -> ScriptedModel:
    return ScriptedModel("世界上最高的山是珠穆朗玛峰", peak=6.0, noise=3.0)


def settings(end: dict[str, Any], max_tokens: int) -> Settings:
    return Settings(SamplingConfig(**end, seed=3), max_tokens=max_tokens)


@pytest.mark.parametrize("end", ENDS)
def test_a_reply_that_is_cut_kept_and_continued_has_the_same_ids(
    end: dict[str, Any], tmp_path: Path
) -> None:
    whole = Conversation(model(), settings=settings(end, 24))
    list(whole.ask("a"))
    store = Store.open(tmp_path / "kept.db")
    keeper = Keeper(store, notice=pytest.fail)
    cut = Conversation(model(), settings=settings(end, 7), keeper=keeper)
    list(cut.ask("a"))
    assert cut.head is not None and cut.head.runs[-1].memory is not None
    while len(cut.ids) < len(whole.ids):
        session = store.session(cut.session.id)
        cut = Conversation(
            model(), session=session, turns=store.turns(session.id), settings=cut.settings
        )
        cut.keeper = keeper
        left = len(whole.ids) - len(cut.ids)
        cut.settings = dataclasses.replace(cut.settings, max_tokens=min(left, 7))
        list(cut.resume())
    assert list(cut.ids) == list(whole.ids)
    keeper.close()
    store.close()


def test_each_reply_starts_afresh() -> None:
    talk = Conversation(model(), settings=settings(ENDS[1], 9))
    for message in ("a", "b"):
        first = next(step for chunk in [*talk.ask(message)] for step in chunk.steps)
        before = talk.ids[: first.position]
        logits = model().forward(before, model().new_cache())[-1]
        fresh = SamplerChain(talk.config)
        assert fresh.sample(logits, before, prompt_length=len(before)) == first.draw


def test_plain_samplers_keep_nothing_for_the_next_stretch() -> None:
    talk = Conversation(model(), settings=settings({"top_k": 5}, 3))
    list(talk.ask("a"))
    assert talk.head is not None and talk.head.runs[-1].memory is None
