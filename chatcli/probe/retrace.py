"""A finished reply once more: the Step that each of its tokens was, from the ids alone.

The ids are fed in blocks, not drawn again, so this costs what a prompt of that length does;
a kernel may round a block otherwise than single tokens, and figures may differ in their last
digits from those of the live reply. Which chain was in force is the caller's knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from chatcli.engine.decode import PREFILL_BLOCK, Cancelled, prefill
from chatcli.engine.types import Step
from chatcli.errors import UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.sampling.chain import SamplerChain

__all__ = ["logits_before", "retrace"]

_LOGITS = 1 << 23  # held at once: 32 MB of float32, 55 rows of a vocabulary of 152k


def retrace(
    model: LanguageModel,
    ids: Sequence[int],
    start: int,
    chain: SamplerChain,
    *,
    top: int = 5,
    prompt_length: int | None = None,
    cache: KVCache | None = None,
    cancelled: Cancelled = lambda: False,
) -> Iterator[Step]:
    """The Steps of `ids[start:]`, which `chain` is thought to have drawn after `ids[:start]`.

    `prompt_length` says where the reply began, if it had begun before `start`. `cache` (by
    default one of its own) holds ids[:-1] afterwards. A token that `chain` wouldn't have drawn
    is told of as it is, see `SamplerChain.witness`; `seconds` are 0. Ends early once
    `cancelled`. Raises UsageError at once where the ids can't be this model's, and LogitsError.
    """
    size = model.checkpoint.vocab_size
    if not 0 < start <= len(ids):
        raise UsageError(f"the reply starts at {start} of {len(ids)} ids; it must follow a prompt")
    if alien := [token for token in ids if not 0 <= token < size]:
        raise UsageError(
            f"token {alien[0]} isn't one of the {size:,} that {model.checkpoint.name} has: "
            "another checkpoint made these ids"
        )
    chain.bind(model.tokenizer)
    cache = model.new_cache() if cache is None else cache
    begun = start if prompt_length is None else prompt_length
    return _steps(model, ids, start, begun, chain, top, cache, cancelled)


def _steps(
    model: LanguageModel,
    ids: Sequence[int],
    start: int,
    prompt_length: int,
    chain: SamplerChain,
    top: int,
    cache: KVCache,
    cancelled: Cancelled,
) -> Iterator[Step]:
    history = list(ids[:start])
    for row in logits_before(model, ids, start, cache, cancelled):
        if cancelled():
            return
        position, token = len(history), ids[len(history)]
        draw, view = chain.witness(row, history, token, prompt_length=prompt_length, top=top)
        prob = next(one.prob for one in draw.candidates if one.token == token)
        yield Step(
            index=position - prompt_length,
            position=position,
            token=token,
            raw_prob=view.raw_prob,
            prob=prob,
            rank=view.rank,
            entropy_bits=view.entropy_bits,
            draw=draw,
            seconds=0.0,
        )
        history.append(token)


def logits_before(
    model: LanguageModel, ids: Sequence[int], start: int, cache: KVCache, cancelled: Cancelled
) -> Iterator[Tensor]:
    """Logits [V] before each of `ids[start:]`, 0 < start, fed in blocks; few rows are held."""
    if start == len(ids):
        return
    first = prefill(model, cache.reuse(ids[:start]), cache, cancelled)
    if first is None:
        return
    yield first[-1]
    block = max(1, min(PREFILL_BLOCK, _LOGITS // model.checkpoint.vocab_size))
    for at in range(start, len(ids) - 1, block):
        yield from model.forward(ids[at : min(at + block, len(ids) - 1)], cache)  # (T, V)
