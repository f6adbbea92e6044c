"""How well a model foretells a text: every token's probability, rank and entropy, given the rest.

A text longer than the context is read in windows. What a text is, and which of its tokens a
template wrote, is the caller's knowledge; showing the figures is left to `ui`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chatcli.engine.decode import Cancelled, prefill
from chatcli.errors import LogitsError, UsageError
from chatcli.model.types import KVCache, LanguageModel

__all__ = ["TextScore", "TokenScore", "Window", "foretold", "score", "windows"]

_BLOCK = 512  # rows of one forward pass at most
_LOGITS = 1 << 25  # held at once: 128 MB of float32, 220 rows of a vocabulary of 152k
_GROUP = 1 << 18  # worked on at once, so that it stays in a processor's own memory
_LEAST = -1e4  # exp of it is 0, and 0 times it too, which isn't so of -inf


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token, foretold from the `seen` tokens before it.

    `logprob` is the natural logarithm of its probability, `rank` 1-based by the model's own
    probability (ties by id), `entropy_bits` of the model's distribution at its place. All
    three are None where nothing was seen.
    """

    position: int
    token: int
    seen: int
    logprob: float | None = None
    rank: int | None = None
    entropy_bits: float | None = None

    @property
    def prob(self) -> float | None:
        """Its probability, in [0, 1]."""
        return None if self.logprob is None else math.exp(self.logprob)

    @property
    def surprisal_bits(self) -> float | None:
        """-log2 of its probability; infinite for 0."""
        return None if self.logprob is None else -self.logprob / math.log(2)


@dataclass(frozen=True, slots=True)
class Window:
    """`ids[start:stop]` are read to foretell `ids[first:stop + 1]`, as far as there are so many."""

    start: int
    stop: int
    first: int


@dataclass(frozen=True, slots=True)
class TextScore:
    """The tokens of a text in order, and how it was read: the context, and the stride."""

    tokens: tuple[TokenScore, ...]
    windows: tuple[Window, ...]
    context: int
    stride: int


def score(
    model: LanguageModel,
    ids: Sequence[int],
    *,
    stride: int | None = None,
    cancelled: Cancelled = lambda: False,
) -> TextScore:
    """Every token of `ids` given those before it, as many of them as the context holds.

    A longer text is read in windows: each foretells `stride` tokens (half the context by
    default) after the ones it shares with the window before, so that each token is scored once,
    with at least context - stride tokens before it, save the first. Ends early once `cancelled`.
    Raises UsageError on an impossible stride, and LogitsError on logits that are no numbers.
    """
    context = model.checkpoint.context_length
    stride = max(1, context // 2) if stride is None else stride
    if not 1 <= stride <= context:
        raise UsageError(
            f"the stride is {stride:,} tokens, but must be from 1 to the context, {context:,}"
        )
    found = [TokenScore(0, ids[0], 0)] if ids else []
    read = tuple(windows(len(ids), context, stride))
    cache = model.new_cache()
    for window in read:
        if cancelled():
            break
        piece = ids[window.start : window.stop + 1]
        found += foretold(model, piece, window.first - window.start, cache, offset=window.start)
    return TextScore(tuple(found), read, context, stride)


def windows(count: int, context: int, stride: int) -> Iterator[Window]:
    """What is read, window by window, to foretell all but the first of `count` tokens."""
    start, first = 0, 1
    while first < count:
        stop = min(start + context, count - 1)
        yield Window(start, stop, first)
        start, first = start + stride, stop + 1


def foretold(
    model: LanguageModel, ids: Sequence[int], first: int, cache: KVCache, *, offset: int = 0
) -> Iterator[TokenScore]:
    """The scores of `ids[first:]` (`first` from 1 on), each given all ids before it.

    What `cache` shares with `ids` isn't read again; it holds ids[:-1] afterwards. `offset` is
    the place of ids[0] in the text. Raises ContextError where they don't fit.
    """
    at = first
    for logits in _rows(model, ids, first, cache):
        given = ids[at : at + len(logits)]
        for token, figures in zip(given, _figures(logits, given), strict=True):
            yield TokenScore(offset + at, token, at, *figures)
            at += 1


def _rows(model: LanguageModel, ids: Sequence[int], first: int, cache: KVCache) -> Iterator[Tensor]:
    """Logits [T, V] before each of `ids[first:]`, a bounded number of rows at a time."""
    if first >= len(ids):
        return
    cache.reuse(ids[:-1])
    if len(cache.tokens) >= first:
        cache.crop(first - 1)
    prefill(model, ids[len(cache.tokens) : first - 1], cache, lambda: False)
    block = max(1, min(_BLOCK, _LOGITS // model.checkpoint.vocab_size))
    for at in range(first - 1, len(ids) - 1, block):
        yield model.forward(ids[at : min(at + block, len(ids) - 1)], cache)  # (T, V)


def _figures(logits: Tensor, ids: Sequence[int]) -> Iterable[tuple[float, int, float]]:
    """(logprob, rank, entropy in bits) of ids [T] under logits [T, V]."""
    size = max(1, _GROUP // logits.shape[-1])
    for at in range(0, len(ids), size):
        rows = logits[at : at + size].float()
        yield from _group(rows, torch.tensor(ids[at : at + size], device=rows.device)[:, None])


@torch.inference_mode()
def _group(rows: Tensor, given: Tensor) -> Iterable[tuple[float, int, float]]:
    """The same of few rows. Comparing into floats is far faster than counting booleans."""
    own = rows.gather(-1, given)  # (T, 1)
    peak = rows.amax(-1, keepdim=True)  # (T, 1)
    if not peak.isfinite().all():
        raise LogitsError("the model's logits are NaN or infinite; try --dtype float32")
    work = torch.empty_like(rows)
    ranks = torch.gt(rows, own, out=work).sum(-1).long() + 1
    alike = torch.eq(rows, own, out=work).sum(-1)
    for row in torch.nonzero(alike > 1)[:, 0].tolist():  # ties go by id
        ranks[row] += int((rows[row, : int(given[row])] == own[row]).sum())
    shifted = torch.sub(rows, peak, out=work).clamp_(min=_LEAST)
    weights = shifted.exp()
    total = weights.sum(-1)
    log_total = total.log()
    logprobs = (own - peak)[:, 0] - log_total
    entropies = (log_total - torch.linalg.vecdot(weights, shifted) / total) / math.log(2)
    return zip(logprobs.tolist(), ranks.tolist(), entropies.clamp_(min=0).tolist(), strict=True)
