"""How fast one model reads a prompt (prefill) and writes tokens (decode).

Each run starts with an empty cache, feeds a prompt of random ids and draws a fixed number of
tokens. The end of a text is not obeyed, so that every run is equally long.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chatcli.bench.timing import Clock
from chatcli.bench.types import Speed, Spread
from chatcli.engine.decode import prefill
from chatcli.errors import UsageError
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

__all__ = ["Run", "measure_speed", "random_ids", "run_once"]

_PROMPT_TOKENS, _NEW_TOKENS = 512, 64


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one run: until the first token was drawn, and for the others."""

    prefill: float
    decode: float


def measure_speed(
    model: LanguageModel,
    config: SamplingConfig,
    *,
    prompt_tokens: int | None = None,
    new_tokens: int | None = None,
    repeat: int = 5,
    clock: Clock = time.perf_counter,
) -> Speed:
    """Measure `repeat` runs after one that doesn't count.

    The prompt has 512 tokens and 64 more are decoded, or half the context where that is
    less. Raises UsageError where both together are longer than the context.
    """
    checkpoint, half = model.checkpoint, model.checkpoint.context_length // 2
    prompt_tokens = prompt_tokens or min(_PROMPT_TOKENS, half)
    new_tokens = new_tokens or min(_NEW_TOKENS, half)
    if prompt_tokens + new_tokens > checkpoint.context_length:
        raise UsageError(
            f"a prompt of {prompt_tokens:,} tokens and {new_tokens:,} more don't fit the context "
            f"of {checkpoint.context_length:,}; ask for fewer"
        )
    ids = random_ids(model, prompt_tokens)
    runs = [run_once(model, config, ids, new_tokens, clock) for _ in range(repeat + 1)][1:]
    return Speed(
        model=checkpoint.name,
        engine=checkpoint.engine,
        device=checkpoint.device,
        dtype=checkpoint.dtype,
        parameters=checkpoint.parameters,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        prefill=Spread.of(prompt_tokens / run.prefill for run in runs),
        decode=Spread.of(new_tokens / run.decode for run in runs),
        first_token_seconds=Spread.of(run.prefill for run in runs),
    )


def run_once(
    model: LanguageModel,
    config: SamplingConfig,
    prompt: Sequence[int],
    new_tokens: int,
    clock: Clock = time.perf_counter,
) -> Run:
    """Read `prompt` and draw a token, then draw `new_tokens` more, one step each."""
    chain, cache, ids = SamplerChain(config), model.new_cache(), list(prompt)
    started = clock()
    logits = prefill(model, ids, cache, lambda: False)
    assert logits is not None  # nobody cancels
    ids.append(chain.sample(logits[-1], ids, top=0).token)
    first = clock()
    for _ in range(new_tokens):
        logits = model.forward(ids[-1:], cache, last=True)
        ids.append(chain.sample(logits[-1], ids, top=0).token)
    return Run(prefill=first - started, decode=clock() - first)


def random_ids(model: LanguageModel, count: int) -> list[int]:
    """`count` ids that both the model and its tokenizer have, the same every time."""
    size = min(model.checkpoint.vocab_size, model.tokenizer.vocab_size)
    return random.Random(0).choices(range(size), k=count)
