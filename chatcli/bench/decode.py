"""Decode speed, native against transformers' `generate`: same weights, dtype and threads.

Both are greedy and decode after the same prompt. On our side the whole loop counts, the
chain with its trace included; on theirs, the time between the first and the last token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from chatcli.bench.speed import random_ids, run_once
from chatcli.bench.timing import Action, paired
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import GREEDY, Workshop
from chatcli.model.types import LanguageModel

__all__ = ["Case", "cases", "decode"]

_PROMPT = 32  # tokens
_BARS = {None: 2.0, "110M": 2.0, "600M": 1.3}
# Tokens a run.
_LENGTHS = {None: 96, "110M": 32, "600M": 12}


@dataclass(frozen=True, slots=True)
class Case:
    """One size in one dtype: the loaded model, what it reads first, and tokens a run."""

    shape: str | None
    native: LanguageModel
    prompt: Sequence[int]
    tokens: int

    def figure(self, part: str, peer: str, theirs: Action, bar: Bar, rounds: int) -> Figure:
        """How many times as fast as `theirs`, the seconds of `tokens` tokens, ours are."""
        pairs = paired(self._ours, theirs, rounds=rounds)
        mine, other = (
            Spread.of(self.tokens / seconds for seconds in side)
            for side in zip(*pairs, strict=True)
        )
        checkpoint = self.native.checkpoint
        return Figure(
            part=part,
            what=f"{checkpoint.parameters / 1e6:,.0f}M parameters, {checkpoint.dtype}",
            value=Spread.of(theirs / ours for ours, theirs in pairs),
            unit="×",
            bar=bar,
            detail=f"native {mine.median:.1f} tok/s, {peer} {other.median:.1f} tok/s",
        )

    def _ours(self) -> float:
        return run_once(self.native, GREEDY, self.prompt, self.tokens).decode


def cases(shop: Workshop) -> Iterator[Case]:
    """Each size in float32, and in the automatic dtype where that is another one."""
    for shape, tokens in _LENGTHS.items():
        for dtype in ("float32", "auto"):
            native = shop.load(shape, dtype)
            if dtype == "float32" or native.checkpoint.dtype != "float32":
                yield Case(shape, native, random_ids(native, _PROMPT), tokens)


def decode(shop: Workshop) -> Iterator[Figure]:
    """One ratio for each size and dtype."""
    for case in cases(shop):
        bar = Bar(_BARS[case.shape], at_least=True)
        yield case.figure("decode", "transformers", _transformers(case), bar, shop.rounds)


class _Ticks:
    """A transformers streamer: notes when the prompt and each token came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: object) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is left to do."""


def _transformers(case: Case) -> Action:
    generate = _generate(case.native)
    ids = torch.tensor([case.prompt])

    def theirs() -> float:
        ticks = _Ticks()
        generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=case.tokens + 1,
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
