"""What the sampler chain costs, with its trace and candidates, beside one decode step."""

from __future__ import annotations

from collections.abc import Iterator

from chatcli.bench.speed import random_ids
from chatcli.bench.timing import paired, stopwatch
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import DEFAULT, Workshop
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain

__all__ = ["chain"]

_PROMPT = 32
_PAIRS_A_ROUND = 8


def chain(shop: Workshop) -> Iterator[Figure]:
    """A draw as a share of the step that made its logits, at two sizes."""
    yield _share(shop, shop.load(), None)
    yield _share(shop, shop.load("600M"), Bar(10))


def _share(shop: Workshop, model: LanguageModel, bar: Bar | None) -> Figure:
    ids = random_ids(model, _PROMPT)
    cache, sampler = model.new_cache(), SamplerChain(DEFAULT)
    logits = model.forward(ids, cache, last=True)[-1]
    draw = stopwatch(lambda: sampler.observe(logits, ids, top=10))
    step = stopwatch(lambda: model.forward(ids[-1:], cache, last=True))
    pairs = paired(draw, step, rounds=shop.rounds * _PAIRS_A_ROUND)
    draws, steps = (Spread.of(side) for side in zip(*pairs, strict=True))
    return Figure(
        part="chain",
        what=f"a draw at {model.checkpoint.vocab_size:,} tokens, of a decode step",
        value=Spread.of(100 * ours / theirs for ours, theirs in pairs),
        unit="%",
        bar=bar,
        detail=f"draw {draws.median * 1e3:.2f} ms, step {steps.median * 1e3:.1f} ms",
    )
