"""What may come next after a prompt: the model's best tokens, and how each stage treats them.

Computes and returns a record; showing it is left to `ui`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from chatcli.engine.decode import check_prompt, prefill
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Candidate, SamplingConfig, StageTrace

__all__ = ["NextToken", "next_logits", "next_token"]


@dataclass(frozen=True, slots=True)
class NextToken:
    """The distribution after `prompt_ids`, by its best tokens.

    `entropy_bits` is of the model's own distribution. `chain` is the sampler chain as text,
    `stages` what each active stage did. `stage_probs` has a row for each candidate: its
    probability after each stage, in order; 0 once it is removed.
    """

    prompt_ids: tuple[int, ...]
    config: SamplingConfig
    chain: str
    vocab_size: int
    entropy_bits: float
    stages: tuple[StageTrace, ...]
    candidates: tuple[Candidate, ...]
    stage_probs: tuple[tuple[float, ...], ...]


def next_logits(model: LanguageModel, ids: Sequence[int], cache: KVCache) -> Tensor:
    """The logits [V] after `ids` (at least one id), which `cache` holds afterwards.

    Raises ContextError where the prompt is longer than the context in force.
    """
    check_prompt(model, ids)
    rows = prefill(model, cache.reuse(ids), cache, lambda: False)
    assert rows is not None  # nobody cancels
    return rows[-1]


def next_token(
    model: LanguageModel,
    ids: Sequence[int],
    config: SamplingConfig,
    *,
    logits: Tensor | None = None,
    top: int = 10,
) -> NextToken:
    """The `top` likeliest tokens after `ids` (at least one id), in the model's own order.

    `logits` [V] are those after `ids`, where they are at hand. Raises as `next_logits` does,
    and LogitsError where nothing can be drawn.
    """
    chain = SamplerChain(config)
    chain.bind(model.tokenizer)
    if logits is None:
        logits = next_logits(model, ids, model.new_cache())
    draw, view = chain.observe(logits, ids, prompt_length=len(ids), top=top)
    candidates = draw.candidates[:top]  # the drawn token may have been added at the end
    tokens = [candidate.token for candidate in candidates]
    return NextToken(
        prompt_ids=tuple(ids),
        config=config,
        chain=chain.describe(),
        vocab_size=len(logits),
        entropy_bits=view.entropy_bits,
        stages=draw.stages,
        candidates=candidates,
        stage_probs=chain.stage_probs(logits, ids, tokens, prompt_length=len(ids)),
    )
