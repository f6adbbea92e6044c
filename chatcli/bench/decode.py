"""Decode speed, native against transformers' `generate`: same weights, dtype and threads.

Both are greedy and decode after the same prompt. On our side the whole loop counts, the
chain with its trace included; on theirs, the time between the first and the last token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from chatcli.bench.speed import random_ids, run_once
from chatcli.bench.timing import Action, paired
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import GREEDY, Workshop
from chatcli.model.types import LanguageModel

__all__ = ["decode"]

_PROMPT = 32
# Checkpoint (None: the one that people get), tokens a run, and the bar of the ratio.
_SIZES = ((None, 96, 2.0), ("110M", 32, 2.0), ("600M", 12, 1.3))


def decode(shop: Workshop) -> Iterator[Figure]:
    """One ratio for each size and dtype; "auto" only where it isn't float32 anyway."""
    for shape, tokens, bar in _SIZES:
        for dtype in ("float32", "auto"):
            native = shop.load(shape, dtype)
            if dtype == "auto" and native.checkpoint.dtype == "float32":
                continue
            yield _against_transformers(shop, native, tokens, Bar(bar, at_least=True))


def _against_transformers(shop: Workshop, native: LanguageModel, tokens: int, bar: Bar) -> Figure:
    prompt = random_ids(native, _PROMPT)

    def ours() -> float:
        return run_once(native, GREEDY, prompt, tokens).decode

    pairs = paired(ours, _transformers(native, prompt, tokens), rounds=shop.rounds)
    fast, slow = (Spread.of(tokens / s for s in side) for side in zip(*pairs, strict=True))
    checkpoint = native.checkpoint
    return Figure(
        part="decode",
        what=f"{checkpoint.parameters / 1e6:,.0f}M parameters, {checkpoint.dtype}",
        value=Spread.of(theirs / ours for ours, theirs in pairs),
        unit="×",
        bar=bar,
        detail=f"native {fast.median:.1f} tok/s, transformers {slow.median:.1f} tok/s",
    )


class _Ticks:
    """A transformers streamer: notes when the prompt and each token came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: object) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is left to do."""


def _transformers(native: LanguageModel, prompt: Sequence[int], tokens: int) -> Action:
    generate = _generate(native)
    ids = torch.tensor([prompt])

    def theirs() -> float:
        ticks = _Ticks()
        generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens + 1,
            do_sample=False,
            streamer=ticks,
        )
        return ticks.times[-1] - ticks.times[1]

    return theirs


def _generate(native: LanguageModel) -> Callable[..., Any]:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    checkpoint = native.checkpoint
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint.path, dtype=getattr(torch, checkpoint.dtype), local_files_only=True
    )
    model.generation_config.eos_token_id = None  # every run is equally long
    generate: Callable[..., Any] = model.generate
    return generate
