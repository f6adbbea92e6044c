"""Whether a chat turn costs the same late in a conversation as early in it."""

from __future__ import annotations

from collections.abc import Iterator

from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import DEFAULT, Workshop, without_end
from chatcli.chat.conversation import Conversation
from chatcli.engine.types import Usage
from chatcli.model.types import LanguageModel

__all__ = ["turns"]

_EARLY, _LATE = 2, 30
_REPLY = 16
# The tokens fed are as many; that each attends to all that was said before may cost this much.
_ATTENTION = Bar(1.2)
_QUESTION = "世界上最高的山是哪一座？"


def turns(shop: Workshop) -> Iterator[Figure]:
    """Tokens fed, and seconds to the first token, at turn 30 and at turn 2."""
    model = shop.load()
    talks = [_talk(model) for _ in range(shop.rounds + 1)][1:]
    pairs = [(usages[_LATE - 1], usages[_EARLY - 1]) for usages in talks]
    late, early = pairs[-1]
    yield Figure(
        part="turns",
        what=f"tokens fed, turn {_LATE} against {_EARLY}",
        value=Spread.of(_fed(late) / _fed(early) for late, early in pairs),
        unit="×",
        bar=Bar(1),
        detail=f"{_fed(late)} of {late.prompt_tokens:,}, {_fed(early)} of {early.prompt_tokens:,}",
    )
    slow, quick = (
        Spread.of(use.prefill_seconds for use in side) for side in zip(*pairs, strict=True)
    )
    yield Figure(
        part="turns",
        what=f"time to first token, turn {_LATE} against {_EARLY}",
        value=Spread.of(late.prefill_seconds / early.prefill_seconds for late, early in pairs),
        unit="×",
        bar=_ATTENTION,
        detail=f"{slow.median * 1e3:.1f} ms, {quick.median * 1e3:.1f} ms",
    )


def _talk(model: LanguageModel) -> list[Usage]:
    """What each turn of one conversation cost."""
    conversation = Conversation(model, without_end(DEFAULT, model))
    usages = []
    for _ in range(_LATE):
        *_, last = conversation.ask(_QUESTION, max_tokens=_REPLY, top=0)
        usages.append(last.usage)
    return usages


def _fed(usage: Usage) -> int:
    return usage.prompt_tokens - usage.reused_tokens
