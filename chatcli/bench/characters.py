"""How soon the next character is known, on the checkpoint that people get."""

from __future__ import annotations

import time
from collections.abc import Iterator

from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import Workshop
from chatcli.model.types import LanguageModel
from chatcli.probe.next_character import next_characters
from chatcli.text.characters import character_table

__all__ = ["characters"]

_ENOUGH = 0.95
# Places where much is open: rare characters, any first word, a name, the middle of a character.
_TEXTS = ("世界上最高的山", "从前有一个", "", "他姓", "The capital of", "🙂")


def characters(shop: Workshop) -> Iterator[Figure]:
    """Seconds until 95 % of the probability has its place, at the slowest of some prompts."""
    model = shop.load()
    prompts = [model.tokenizer.encode(text, bos=True) for text in _TEXTS]
    prompts.append([*prompts[0], *model.tokenizer.encode("𠮷")[:2]])
    for ids in prompts:
        _seconds(model, ids)
    runs = [max(_seconds(model, ids) for ids in prompts) for _ in range(shop.rounds)]
    yield Figure(
        part="characters",
        what="95 % of the next character, the slowest of seven prompts",
        value=Spread.of(seconds for seconds, _ in runs),
        unit="s",
        bar=Bar(1),
        detail=f"{max(passes for _, passes in runs)} further forward passes at most",
    )


def _seconds(model: LanguageModel, ids: list[int]) -> tuple[float, int]:
    """Until enough is known, the tokenizer's table and the reading of the prompt included."""
    character_table.cache_clear()
    started = time.perf_counter()
    *_, found = next_characters(model, ids, enough=_ENOUGH)
    return time.perf_counter() - started, found.passes
