"""Two settings, or two checkpoints, under the same luck: where they part, and how far apart.

Each writes a reply; then both look at A's reply, on the same prefix at every position: two
checkpoints before the chain, two settings of one behind it. Checkpoints that share no vocabulary
are compared by what their tokens spell.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from chatcli.engine.decode import Cancelled, prefill
from chatcli.engine.stream import stream
from chatcli.engine.types import Finish
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.retrace import logits_before
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.context import surprisal
from chatcli.sampling.pool import Row
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Tokenizer

__all__ = ["Apart", "Comparison", "Reply", "Side", "compare", "divergences"]

_END = b"\xff\xff"  # what every end token spells; no text does


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A model, its prompt and its settings, with a seed."""

    model: LanguageModel
    ids: Sequence[int]
    config: SamplingConfig


@dataclass(frozen=True, slots=True)
class Reply:
    """What one side wrote: its ids, the text, and why it ended."""

    ids: tuple[int, ...]
    text: str
    finish: Finish | None


@dataclass(frozen=True, slots=True)
class Apart:
    """How far B is from A before the token at `index` of A's reply, in bits.

    `kl_ab` is KL(A‖B), `kl_ba` KL(B‖A), infinite where the other has no such token at all; `js`
    is the Jensen-Shannon divergence, from 0 to 1. All None where A's text ends inside of a
    character, which B's vocabulary can't spell.
    """

    index: int
    position: int
    token: int
    kl_ab: float | None
    kl_ba: float | None
    js: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two replies and their distance at each position of A's.

    `after_chain` tells what was compared, `by_text` whether tokens were by what they spell.
    `divergence` is the first index at which the replies' tokens (or, by text, characters)
    differ, None where there is none; `shared` is how many characters begin both texts.
    """

    a: Reply
    b: Reply
    after_chain: bool
    by_text: bool
    divergence: int | None
    shared: int
    positions: tuple[Apart, ...]


def compare(
    a: Side,
    b: Side,
    *,
    max_tokens: int = 128,
    stop: Sequence[str] = (),
    cancelled: Cancelled = lambda: False,
) -> Comparison:
    """Let both write, and measure them on A's reply.

    Raises what `stream` raises. Where `cancelled`, what has come so far is compared.
    """
    replies = [_reply(side, max_tokens, stop, cancelled) for side in (a, b)]
    by_text = a.model is not b.model and not _same_vocabulary(a.model, b.model)
    one, other = (reply.text if by_text else reply.ids for reply in replies)
    return Comparison(
        a=replies[0],
        b=replies[1],
        after_chain=a.model is b.model,
        by_text=by_text,
        divergence=_parting(one, other),
        shared=_common(replies[0].text, replies[1].text),
        positions=tuple(_positions(a, b, replies[0].ids, by_text, cancelled)),
    )


def divergences(p: Row, q: Row) -> tuple[float, float, float]:
    """KL(P‖Q), KL(Q‖P) and JS in bits, from log-probabilities (n,), -inf for what can't come."""
    middle = np.logaddexp(p, q) - math.log(2)
    return _kl(p, q), _kl(q, p), (_kl(p, middle) + _kl(q, middle)) / 2


def _kl(p: Row, q: Row) -> float:
    possible = p > -np.inf
    if (q[possible] == -np.inf).any():
        return math.inf
    p, q = p[possible], q[possible]
    return max(0.0, float(np.einsum("i,i", np.exp(p), p - q)) / math.log(2))


def _reply(side: Side, max_tokens: int, stop: Sequence[str], cancelled: Cancelled) -> Reply:
    chain = SamplerChain(side.config)
    ids: list[int] = []
    texts: list[str] = []
    finish: Finish | None = None
    for chunk in stream(
        side.model,
        side.ids,
        chain,
        max_tokens=max_tokens,
        stop=stop,
        top=0,
        cancelled=cancelled,
    ):
        ids += [step.token for step in chunk.steps]
        texts.append(chunk.text)
        finish = chunk.finish
    return Reply(tuple(ids), "".join(texts), finish)


def _positions(
    a: Side, b: Side, reply: Sequence[int], by_text: bool, cancelled: Cancelled
) -> Iterator[Apart]:
    start, ids = len(a.ids), [*a.ids, *reply]
    if by_text:
        pairs = _spelt_rows(a, b, reply, cancelled)
    elif a.model is b.model:
        pairs = _chained_rows(a, b, ids, cancelled)
    else:
        rows = (_rows(side.model, [*side.ids, *reply], len(side.ids), cancelled) for side in (a, b))
        pairs = zip(*(map(_logprobs, each) for each in rows), strict=False)
    for index, (token, pair) in enumerate(zip(reply, pairs, strict=False)):
        found = (None, None, None) if pair is None else divergences(*pair)
        yield Apart(index, start + index, token, *found)


_Pair = tuple[Row, Row]


def _rows(
    model: LanguageModel, ids: Sequence[int], start: int, cancelled: Cancelled
) -> Iterator[Tensor]:
    return logits_before(model, ids, start, model.new_cache(), cancelled)


def _chained_rows(a: Side, b: Side, ids: Sequence[int], cancelled: Cancelled) -> Iterator[_Pair]:
    """What each chain leaves of the same logits, as log-probabilities [V]."""
    chains = [SamplerChain(side.config) for side in (a, b)]
    for chain in chains:
        chain.bind(a.model.tokenizer)
    start = len(a.ids)
    for position, row in enumerate(_rows(a.model, ids, start, cancelled), start):
        history, both = ids[:position], []
        for chain in chains:
            pool = chain.survivors(row, history, prompt_length=start)
            dense = np.full(len(row), -np.inf)
            dense[pool.ids] = -surprisal(pool)
            both.append(dense)
            chain.witness(row, history, ids[position], prompt_length=start, top=0)  # it learns
        yield both[0], both[1]


def _spelt_rows(
    a: Side, b: Side, reply: Sequence[int], cancelled: Cancelled
) -> Iterator[_Pair | None]:
    """Log-probabilities of what the next token spells; B reads A's text so far as its own."""
    spellings, places = _joint_vocabulary(a.model, b.model)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ids, text = [*a.ids, *reply], ""
    cache = b.model.new_cache()
    for position, row in enumerate(_rows(a.model, ids, len(a.ids), cancelled), len(a.ids)):
        inside = bool(decoder.getstate()[0])  # of a character
        follow = None if inside else _row_after(b, text, cache, cancelled)
        if follow is None:
            yield None
        else:
            yield _summed(row, places[0], spellings), _summed(follow, places[1], spellings)
        if not a.model.tokenizer.is_special(ids[position]):
            text += decoder.decode(a.model.tokenizer.token_bytes(ids[position]))


def _row_after(b: Side, text: str, cache: KVCache, cancelled: Cancelled) -> Tensor | None:
    """B's logits [V] after its prompt and `text`; None where they don't fit its context."""
    ids = [*b.ids, *b.model.tokenizer.encode(text)]
    if len(ids) > b.model.checkpoint.context_length:
        return None
    logits = prefill(b.model, cache.reuse(ids), cache, cancelled)
    return None if logits is None else logits[-1]


def _joint_vocabulary(
    a: LanguageModel, b: LanguageModel
) -> tuple[int, list[npt.NDArray[np.int64]]]:
    """How many spellings there are in both, and the place of each token's among them."""
    known: dict[bytes, int] = {}
    places = []
    for model in (a, b):
        size = min(model.checkpoint.vocab_size, model.tokenizer.vocab_size)
        spelt = (_spelling(model.tokenizer, token) for token in range(size))
        places.append(np.array([known.setdefault(each, len(known)) for each in spelt]))
    return len(known), places


def _spelling(tokenizer: Tokenizer, token: int) -> bytes:
    return _END if token in tokenizer.eos_ids else tokenizer.token_bytes(token)


def _summed(row: Tensor, places: npt.NDArray[np.int64], spellings: int) -> Row:
    """Log-probabilities of spellings, from the logits [V] of tokens."""
    probs = np.exp(_logprobs(row[: places.size]))
    summed = np.bincount(places, weights=probs, minlength=spellings)
    with np.errstate(divide="ignore"):
        logs: Row = np.log(summed)
    return logs


def _logprobs(row: Tensor) -> Row:
    logits = row.double().numpy(force=True)
    best = logits.max()
    found: Row = logits - best - math.log(np.exp(logits - best).sum())
    return found


def _same_vocabulary(a: LanguageModel, b: LanguageModel) -> bool:
    """Whether every id means the same in both."""
    if a.checkpoint.vocab_size != b.checkpoint.vocab_size:
        return False
    one, other = a.tokenizer, b.tokenizer
    if one.vocab_size != other.vocab_size or one.eos_ids != other.eos_ids:
        return False
    return all(one.token_bytes(id_) == other.token_bytes(id_) for id_ in range(one.vocab_size))


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items begin both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (x, y) in pairs if x != y), min(len(one), len(other)))


def _parting(one: Sequence[object], other: Sequence[object]) -> int | None:
    shared = _common(one, other)
    return None if shared == len(one) == len(other) else shared
