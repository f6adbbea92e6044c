"""The Steps of a reply that is kept, stretch by stretch, each by the chain that was in force.

And why one of its tokens came. For views that look back, while a chat goes on and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.chat.types import Turn
from chatcli.engine.decode import Cancelled, prefill
from chatcli.engine.types import Step
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.explain import Explanation, explain
from chatcli.probe.retrace import retrace
from chatcli.sampling.chain import SamplerChain

__all__ = ["explained", "retraced"]


def retraced(
    model: LanguageModel,
    turn: Turn,
    ids: Sequence[int],
    *,
    top: int,
    cache: KVCache | None = None,
    cancelled: Cancelled = lambda: False,
) -> Iterator[Step]:
    """The steps of all runs of `turn`; `ids` are all of its ids, prompt and reply.

    Ends early once `cancelled`. Raises what `retrace` raises: the ids must be the model's own.
    """
    cache = model.new_cache() if cache is None else cache
    start, memory = turn.prompt_length, None
    for run in turn.runs:
        end, sampler = start + run.tokens, SamplerChain(run.sampling)
        sampler.recall(memory)
        yield from retrace(
            model,
            ids[:end],
            start,
            sampler,
            top=top,
            prompt_length=turn.prompt_length,
            cache=cache,
            cancelled=cancelled,
        )
        if cancelled():
            return
        start, memory = end, run.memory


def explained(
    model: LanguageModel,
    turn: Turn,
    ids: Sequence[int],
    index: int,
    *,
    cancelled: Cancelled = lambda: False,
) -> Explanation | None:
    """Why the token at `index` (from 0) of the reply comes; None where it was cancelled.

    What the chain draws now may be another token than the one that is kept, where a kernel
    rounds a block otherwise. Raises what `retrace` and `explain` raise.
    """
    start, memory, place = turn.prompt_length, None, turn.prompt_length + index
    run = turn.runs[0]
    for later in turn.runs[1:]:
        if place < start + run.tokens:
            break
        start, memory, run = start + run.tokens, run.memory, later
    sampler, cache = SamplerChain(run.sampling), model.new_cache()
    sampler.recall(memory)
    begun = turn.prompt_length
    for _ in retrace(
        model,
        ids[:place],
        start,
        sampler,
        top=0,
        prompt_length=begun,
        cache=cache,
        cancelled=cancelled,
    ):
        pass  # the chain learns what it had learnt then
    rows = prefill(model, cache.reuse(ids[:place]), cache, cancelled)
    if rows is None:
        return None
    return explain(sampler, model.tokenizer, rows[-1], ids[:place], prompt_length=begun)
