"""Sessions and turns to keep: plain ones, and ones in which no field has its default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chatcli.chat.types import Feed, Origin, Run, Session, Settings, Turn
from chatcli.engine.types import Usage
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = ["FULL_SESSION", "FULL_TURN", "ORIGIN", "SAMPLING", "chain_of", "session_of", "turn_of"]

SAMPLING = SamplingConfig(
    temperature=0.1 + 0.2,
    top_k=40,
    top_p=0.95,
    min_p=1e-7,
    typical_p=0.9,
    repetition_penalty=1.1,
    frequency_penalty=-0.5,
    presence_penalty=1 / 3,
    penalty_window=64,
    logit_bias={5: -1.5, 8191: float("-inf")},
    order=("temperature", "top_k"),
    seed=2**64 - 1,
)
ORIGIN = Origin("小山", "./山 model", "ab" * 32, "native", "cuda:0", "bfloat16", 2, "0.4.0")
PREAMBLE = (Message("system", "你是助手。"), Message("user", "2+2"), Message("assistant", "4"))

FULL_TURN = Turn(
    id=2**53 - 1,
    parent=7,
    user="世界上最高的山？\x1b[31m\0[bold]\ud800😀\r\n",
    created=1_790_000_000.123456789,
    reply="珠穆朗玛峰\ufffd",
    prefill="珠",
    preamble=PREAMBLE,
    shared=3,
    tail=(0, 1, 65_536, 2**32 - 1),
    prompt_length=5,
    forgotten=2,
    shared_feeds=1,
    feeds=(Feed(3), Feed(4, 1, (9, 10)), Feed(1, 120)),
    runs=(
        Run(
            2,
            SAMPLING,
            ORIGIN,
            "interrupted",
            Usage(5, 3, 2, 0.1 + 0.2, 1e-9),
            {"index": 2, "mirostat": [1 / 3]},
        ),
        Run(1, replace(SAMPLING, seed=None), replace(ORIGIN, threads=1), None, Usage(1)),
    ),
)
FULL_SESSION = Session(
    id="c0ffee00",
    created=1_790_000_000.987654321,
    updated=1_790_000_001.5,
    model="./山 model",
    name="登山 \ud800\x1b",
    branch="支线",
    branches={"main": None, "支线": 2**53 - 1},
    settings=Settings(
        sampling=SAMPLING,
        max_tokens=17,
        stop=("\n\n", "。"),
        prefill="珠",
        preamble=PREAMBLE,
        before="Q: ",
        after="\nA:",
        prompt="百科问答",
        overflow="slide",
    ),
    cached=7,
    seed=2**64 - 1,
)


def turn_of(turn: int, parent: int | None = None, **fields: Any) -> Turn:
    """A turn of that id, whose message names it."""
    return Turn(turn, parent, fields.pop("user", f"message {turn}"), float(turn), **fields)


def chain_of(count: int) -> list[Turn]:
    """Turns 1 to `count`, each after the one before."""
    return [turn_of(n, n - 1 or None) for n in range(1, count + 1)]


def session_of(session: str = "5e5510", head: int | None = None, **fields: Any) -> Session:
    """A session whose main branch ends at `head`."""
    fields = {"updated": 1.0, "branches": {"main": head}, **fields}
    return Session(session, created=1.0, model="builtin", **fields)
