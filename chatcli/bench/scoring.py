"""What scoring a text costs, beside a bare forward pass over the same tokens."""

from __future__ import annotations

from collections.abc import Iterator

from chatcli.bench.speed import random_ids
from chatcli.bench.timing import paired, stopwatch
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import Workshop
from chatcli.model.types import LanguageModel
from chatcli.probe.score import score

__all__ = ["scoring"]

_LONG = 2048  # tokens, where the context holds so many
_WIDE = 256  # of a vocabulary of 152k: 156 MB of logits in the bare pass


def scoring(shop: Workshop) -> Iterator[Figure]:
    """Seconds to score a long text as a multiple of the bare pass, at two sizes."""
    yield _ratio(shop, shop.load(), _LONG)
    yield _ratio(shop, shop.load("600M", "float32"), _WIDE)


def _ratio(shop: Workshop, model: LanguageModel, most: int) -> Figure:
    """The bare pass has logits at every place too, for there is nothing to score without."""
    ids = random_ids(model, min(most, model.checkpoint.context_length))
    ours = stopwatch(lambda: score(model, ids))
    bare = stopwatch(lambda: model.forward(ids[:-1], model.new_cache()))
    pairs = paired(ours, bare, rounds=shop.rounds)
    scored, passed = (Spread.of(side) for side in zip(*pairs, strict=True))
    return Figure(
        part="scoring",
        what=f"score of {len(ids):,} tokens at {model.checkpoint.vocab_size:,}, of a bare pass",
        value=Spread.of(one / other for one, other in pairs),
        unit="×",
        bar=Bar(1.2),
        detail=f"score {scored.median:.2f} s, pass {passed.median:.2f} s",
    )
