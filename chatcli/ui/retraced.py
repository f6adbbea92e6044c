"""The Steps of a reply that is kept, stretch by stretch, each by the chain that was in force.

For views that look back, while a chat goes on and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.chat.types import Turn
from chatcli.engine.decode import Cancelled
from chatcli.engine.types import Step
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.retrace import retrace
from chatcli.sampling.chain import SamplerChain

__all__ = ["retraced"]


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
