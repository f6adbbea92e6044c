"""The decode loop: ids and a chain in, one Step a token out.

    1. prefill   feed what the cache doesn't hold yet, in blocks
    2. draw      one token from the last logits
    3. decode    feed it, and go on with 2

It knows nothing of text: stop strings are the business of `generate` and `stream`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from chatcli.engine.types import Finish, Step, Usage
from chatcli.errors import ContextError, UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain

__all__ = ["Cancelled", "Decoding", "Top", "check_prompt", "prefill"]

Top = int | Callable[[], int]
Cancelled = Callable[[], bool]

PREFILL_BLOCK = 512  # tokens between two looks at `cancelled`


class Decoding:
    """One run of the loop. Iterate it once; `usage` and `finish` are up to date throughout.

    `finish` is None until the loop ends by itself: "eos" (its Step comes too), "length",
    "context" or "interrupted". A caller that leaves the loop earlier gives the reason itself.
    `prompt_length` is less than len(ids) where a reply goes on that `ids` already begin: to
    the sampler its tokens are no prompt, and `Step.index` counts on from there.
    """

    def __init__(
        self,
        model: LanguageModel,
        ids: Sequence[int],
        chain: SamplerChain,
        *,
        max_tokens: int,
        prompt_length: int | None = None,
        top: Top = 10,
        cache: KVCache | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        if max_tokens < 1:
            raise UsageError(f"max_tokens is {max_tokens}; give a number from 1 up")
        check_prompt(model, ids)
        chain.bind(model.tokenizer)
        self._model, self._chain = model, chain
        self._ids, self._given = list(ids), len(ids)
        self._prompt_length = len(ids) if prompt_length is None else prompt_length
        self._max_tokens, self._top = max_tokens, top
        self._cache = model.new_cache() if cache is None else cache
        self._cancelled = cancelled or _never
        self._reused = 0
        self._prefill_seconds = 0.0
        self._started = self._first = self._newest = 0.0
        self.finish: Finish | None = None

    @property
    def usage(self) -> Usage:
        """Tokens and seconds so far."""
        return Usage(
            prompt_tokens=self._given,
            reused_tokens=self._reused,
            new_tokens=len(self._ids) - self._given,
            prefill_seconds=self._prefill_seconds,
            decode_seconds=self._newest - self._first,
        )

    @property
    def ids(self) -> Sequence[int]:
        """The prompt and what has been generated."""
        return self._ids

    def __iter__(self) -> Iterator[Step]:
        self._started = self._newest = self._first = time.perf_counter()
        logits = self._prefill()
        while logits is not None and not self._cancelled():
            step = self._draw(logits)
            yield step
            if self._ended(step):
                return
            logits = self._model.forward([step.token], self._cache, last=True)
        self.finish = "interrupted"

    def _prefill(self) -> Tensor | None:
        suffix = self._cache.reuse(self._ids)
        self._reused = self._given - len(suffix)
        logits = prefill(self._model, suffix, self._cache, self._cancelled)
        self._prefill_seconds = time.perf_counter() - self._started
        return logits

    def _draw(self, logits: Tensor) -> Step:
        top = self._top() if callable(self._top) else self._top
        draw, view = self._chain.observe(
            logits[-1], self._ids, prompt_length=self._prompt_length, top=top
        )
        now = time.perf_counter()
        step = Step(
            index=len(self._ids) - self._prompt_length,
            position=len(self._ids),
            token=draw.token,
            raw_prob=view.raw_prob,
            prob=1.0 if draw.interval is None else draw.interval[1] - draw.interval[0],
            rank=view.rank,
            entropy_bits=view.entropy_bits,
            draw=draw,
            seconds=now - self._newest,
        )
        if len(self._ids) == self._given:
            self._first = now
        self._newest = now
        self._ids.append(draw.token)
        return step

    def _ended(self, step: Step) -> bool:
        if step.token in self._model.tokenizer.eos_ids:
            self.finish = "eos"
        elif len(self._ids) - self._given >= self._max_tokens:
            self.finish = "length"
        elif step.position >= self._model.checkpoint.context_length:
            self.finish = "context"
        return self.finish is not None


def prefill(
    model: LanguageModel, ids: Sequence[int], cache: KVCache, cancelled: Cancelled
) -> Tensor | None:
    """Feed `ids` in blocks; logits [1, V] after the last, or None where it was cancelled."""
    logits = None
    for start in range(0, len(ids), PREFILL_BLOCK):
        if cancelled():
            return None
        logits = model.forward(ids[start : start + PREFILL_BLOCK], cache, last=True)
    return logits


def check_prompt(model: LanguageModel, ids: Sequence[int]) -> None:
    """Raise UsageError on a prompt without tokens, ContextError on one that doesn't fit."""
    if not ids:
        raise UsageError("the prompt has no tokens; give some text to go on from")
    context = model.checkpoint.context_length
    if (excess := len(ids) - context) > 0:
        raise ContextError(
            f"the prompt is {len(ids):,} tokens long and the context {context:,}; "
            f"shorten it by {excess:,} token{'' if excess == 1 else 's'}"
        )


def _never() -> bool:
    return False
