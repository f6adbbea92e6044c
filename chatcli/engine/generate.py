"""Ids in, Steps out: the loop with stop strings, for callers that work on tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.engine.decode import Cancelled, Decoding, Top
from chatcli.engine.stop import StopMatcher
from chatcli.engine.types import Step
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

__all__ = ["generate"]


def generate(
    model: LanguageModel,
    ids: Sequence[int],
    config: SamplingConfig,
    *,
    max_tokens: int = 128,
    stop: Sequence[str] = (),
    top: Top = 10,
    cache: KVCache | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[Step]:
    """Generate up to `max_tokens` tokens after `ids`, one Step each, the ending one included.

    Ends after an end-of-text token, at the token that completes a `stop` string, at the end
    of the context, or when `cancelled()` is true. `top` is how many candidates each draw
    reports. Raises ContextError where `ids` don't fit, LogitsError where nothing can be
    drawn, UsageError on empty `ids`.
    """
    decoding = Decoding(
        model,
        ids,
        SamplerChain(config),
        max_tokens=max_tokens,
        top=top,
        cache=cache,
        cancelled=cancelled,
    )
    matcher = StopMatcher(stop)
    detokenizer = model.tokenizer.detokenizer(ids)
    for step in decoding:
        yield step
        matcher.feed(detokenizer.add(step.token))
        if matcher.matched is not None:
            return
