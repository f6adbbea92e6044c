"""The distributions after a text and after short paths that go on from it.

One sequence at a time, for that is what a LanguageModel takes. The chain in use is a copy, so
nothing that is tried here is learnt by the chain that somebody draws with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from chatcli.engine.decode import Cancelled, check_prompt, prefill
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.pool import Row
from chatcli.sampling.types import SamplingConfig

__all__ = ["Following"]


class Following:
    """What may follow `ids`, or `ids` and a path: probabilities (V,), the model's own or what
    `chain` makes of them. One cache is cropped for each path; it may be the caller's.

    Raises ContextError where the ids don't fit, UsageError where there are none.
    """

    def __init__(
        self,
        model: LanguageModel,
        ids: Sequence[int],
        cache: KVCache | None,
        chain: SamplerChain | None,
        prompt_length: int | None,
    ) -> None:
        check_prompt(model, ids)
        self.model, self.ids = model, list(ids)
        self._cache = model.new_cache() if cache is None else cache
        self._begun = len(ids) if prompt_length is None else prompt_length
        self._is_own = chain is None
        if chain is None:
            self._chain = SamplerChain(SamplingConfig(seed=0))
        else:
            self._chain = SamplerChain(replace(chain.config, seed=chain.seed))
            self._chain.recall(chain.memory(len(ids) - self._begun))
        self._chain.bind(model.tokenizer)

    @property
    def chain(self) -> str | None:
        return None if self._is_own else self._chain.describe()

    def first(self, logits: Tensor | None, cancelled: Cancelled) -> Row | None:
        """After the ids alone; None where it was cancelled."""
        if logits is None:
            suffix = self._cache.reuse(self.ids)
            rows = prefill(self.model, suffix, self._cache, cancelled)
            if rows is None:
                return None
            logits = rows[-1]
        return self._probs(logits, self.ids)

    def after(self, path: tuple[int, ...]) -> Row:
        """After the ids and `path`."""
        history = [*self.ids, *path]
        if self._is_own:
            suffix = self._cache.reuse(history)
            return self._probs(self.model.forward(suffix, self._cache, last=True)[-1], history)
        # A chain may go on from what it learnt of each token before.
        self._cache.reuse(self.ids)
        rows = self.model.forward([self.ids[-1], *path], self._cache)  # (T, V)
        for at, token in enumerate(path):
            seen = history[: len(self.ids) + at]
            self._chain.witness(rows[at], seen, token, prompt_length=self._begun, top=0)
        return self._probs(rows[-1], history)

    def release(self) -> None:
        """Leave the cache with the ids alone."""
        self._cache.crop(min(len(self.ids), len(self._cache.tokens)))

    def _probs(self, logits: Tensor, history: list[int]) -> Row:
        draw = self._chain.sample(logits, history, prompt_length=self._begun, top=0)
        probs: Row = draw.probs.double().numpy()
        return probs
