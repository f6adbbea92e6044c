"""A row of logits of which only a head is known, and what each sampling stage makes of it.

The head is ids with their logits; of the tail, all other ids, it is known how many there are,
that none has a larger logit than a cap, and between which bounds Σ e^logit lies. A stage turns
such a row into every row that it may have become: mostly into one whose tail is gone, and that
the stages themselves can go on with, to the last bit. Bounds are widened by what rounding can
do. Sums over the tail as it was recorded are exact until a stage touches it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chatcli.probe.trace import Position, Rest
from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, Row, ranked
from chatcli.sampling.random import uniform
from chatcli.sampling.stages import STAGES

__all__ = ["BY_TOKEN", "ROUNDING", "Partial", "Tail", "Undecidable", "staged", "touched"]

# Relative; far above what float64 can lose in a sum, far below what a person could ask for.
ROUNDING = 1e-9

# What these do to a token depends on the token, its logit and the history alone.
BY_TOKEN = frozenset(
    {
        "logit_bias",
        "sequence_bias",
        "bad_words",
        "min_length",
        "min_new_tokens",
        "allowed",
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "dry",
        "no_repeat_ngram",
    }
)
_HEAD_STAGES_LOOK_AT = 100  # top_h and mirostat 1
_COLDEST = 1e-38
_MASS_SLACK = 2.0**-22  # what the stages themselves allow for float32's rounding
_XTC_STREAM = 1


class Undecidable(Exception):
    """What is known doesn't tell what a stage does."""


@dataclass(frozen=True, slots=True)
class Tail:
    """At most `count` tokens with logits up to `cap`; ln Σ e^logit is in [`low`, `high`].

    `behind`: a tail token of the same logit as a known one ranks behind it. `reached`: there is
    a token whose logit is the cap. `rest` holds while nothing has changed what was recorded.
    """

    count: int
    cap: float
    low: float
    high: float
    behind: bool
    reached: bool
    rest: Rest | None


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Known ids (n,), ascending, n ≥ 1, with their logits (n,), and a tail, if any is left.

    `vocab_size` ids there are in all. `exact`: the logits are those that the chain had, to
    the last bit. `extra` is known because it was drawn, not because it is one of the best.
    """

    ids: Ids
    logits: Row
    tail: Tail | None
    vocab_size: int
    exact: bool = True
    extra: int | None = None

    @classmethod
    def of(cls, seen: Position, vocab_size: int, top: int) -> Partial:
        """The row of a position, whose record has the `top` best."""
        tokens, logits, rest, tail = seen.tokens, seen.logits, seen.rest, None
        if rest is not None and rest.count == 1 and tokens.size == vocab_size - 1:
            tokens = np.append(tokens, np.setdiff1d(np.arange(vocab_size), tokens))
            logits, rest = np.append(logits, rest.max), None
        if rest is not None:
            low, high = rest.logsumexp - ROUNDING, rest.logsumexp + ROUNDING
            tail = Tail(rest.count, rest.max, low, high, True, True, rest)
        order = np.argsort(tokens)
        extra = seen.token if seen.tokens.size > top else None
        return cls(tokens[order], logits[order], tail, vocab_size, extra=extra)

    @property
    def pool(self) -> Pool:
        """The known part as a pool of its own."""
        return Pool.of(self.ids, self.logits)

    @property
    def safe(self) -> npt.NDArray[np.bool_]:
        """Which known tokens (n,) surely rank before the tail."""
        if self.tail is None:
            return np.ones(self.ids.size, dtype=np.bool_)
        if self.tail.behind:
            tied = (self.logits == self.tail.cap) & (self.ids != self.extra)
            safe: npt.NDArray[np.bool_] = (self.logits > self.tail.cap) | tied
            return safe
        return self.logits > self.tail.cap

    def total(self) -> tuple[float, float]:
        """Bounds of ln Σ e^logit over everything."""
        known = float(np.logaddexp.reduce(self.logits))
        if self.tail is None:
            return known, known
        low, high = np.logaddexp(known, self.tail.low), np.logaddexp(known, self.tail.high)
        return float(low) - ROUNDING, float(high) + ROUNDING

    def kept(self, mask: npt.NDArray[np.bool_], tail: Tail | None) -> Partial:
        """These known tokens, and that tail; one without mass is none."""
        if tail is not None and tail.high == -math.inf:
            tail = None
        if not mask.any():
            raise Undecidable
        return replace(self, ids=self.ids[mask], logits=self.logits[mask], tail=tail)


def touched(row: Partial, names: Sequence[str], context: Context) -> Partial:
    """The row after stages of `BY_TOKEN` that follow each other."""
    head, _ = _by_token(names, row.ids, row.logits, context)
    tail = None if row.tail is None else _touched_tail(row, row.tail, names, context)
    alive = head > -np.inf
    return replace(row, logits=head).kept(alive, tail)


def _by_token(
    names: Sequence[str], ids: Ids, logits: Row, context: Context
) -> tuple[Row, npt.NDArray[np.bool_]]:
    """The logits (n,) after the stages, -inf where one removed the id, and which changed."""
    row, changed = logits.copy(), np.zeros(ids.size, dtype=np.bool_)
    alive = np.arange(ids.size)
    for name in names:
        if not alive.size:
            break
        before = row[alive]  # what these stages make of a token, its probability doesn't matter
        after = STAGES[name](Pool(ids[alive], before, before, 0.0), context)
        changed[alive] |= after != before
        row[alive] = after
        alive = alive[after > -np.inf]
    return row, changed


def _touched_tail(row: Partial, tail: Tail, names: Sequence[str], context: Context) -> Tail | None:
    """All that the tail can become: every id of it is tried with the largest logit it can have.

    The stages are monotone in a logit, so what becomes of the cap is a cap.
    """
    ids = np.setdiff1d(np.arange(row.vocab_size), row.ids, assume_unique=True)
    caps, changed = _by_token(names, ids, np.full(ids.size, tail.cap), context)
    # A factor leaves 0 as it is, but no other logit.
    _, elsewhere = _by_token(names, ids, np.full(ids.size, tail.cap - 1), context)
    changed |= elsewhere
    if not changed.any():
        return tail
    spared, moved = ids.size - int(changed.sum()), caps[changed]
    room = tail.cap + math.log(spared) if spared else -math.inf
    lost = math.exp(tail.cap + math.log(moved.size) - tail.low) if tail.low > -math.inf else 1.0
    low = tail.low + math.log1p(-lost) if lost < 1 else -math.inf
    new = float(np.logaddexp.reduce(moved)) if moved.size else -math.inf
    return Tail(
        count=min(tail.count, spared + int(np.count_nonzero(moved > -np.inf))),
        cap=max(tail.cap if spared else -math.inf, float(moved.max())),
        low=low - ROUNDING,
        high=float(np.logaddexp(min(tail.high, room), new)) + ROUNDING,
        behind=False,
        reached=False,
        rest=None,
    )


def staged(row: Partial, name: str, context: Context) -> list[Partial]:
    """Every row that the stage may have made of this one, whose tail is there.

    Raises Undecidable where it may be any.
    """
    return list(_STAGES[name](row, _tail(row), context))


def _tail(row: Partial) -> Tail:
    assert row.tail is not None  # a row that is known has the stages themselves
    return row.tail


_Rows = Iterator[Partial]


def _temperature(row: Partial, tail: Tail, context: Context) -> _Rows:
    config, exact = context.config, row.exact
    heat = config.temperature
    if config.dynatemp_range:
        low, high = max(0.0, heat - config.dynatemp_range), heat + config.dynatemp_range
        count = row.ids.size + tail.count
        evenness = min(_entropy(row, tail) / math.log(count), 1.0)
        heat, exact = low + (high - low) * evenness**config.dynatemp_exponent, False
    if heat < _COLDEST:
        raise Undecidable
    power = 1 / heat
    low, high = _powers(tail, power)
    cap = tail.cap / heat
    heated = replace(tail, cap=cap, low=low, high=high, rest=None)
    yield replace(row, logits=row.logits / heat, tail=heated, exact=exact)


def _powers(tail: Tail, power: float) -> tuple[float, float]:
    """Bounds of ln Σ w^power over weights w = e^logit, by what is known of Σ w.

    It is convex in the weights where power > 1: smallest where they are equal, largest where
    as many as can be are at the cap and none between; and the other way round below 1.
    """
    ends = [_spread(tail, tail.low, power), _concentrated(tail, tail.high, power)]
    if power < 1:
        ends = [_concentrated(tail, tail.low, power), _spread(tail, tail.high, power)]
    return ends[0] - ROUNDING, ends[1] + ROUNDING


def _spread(tail: Tail, total: float, power: float) -> float:
    """All equal, but for the one that is known to be at the cap."""
    if total == -math.inf:
        return -math.inf
    if not tail.reached:
        return power * total + (1 - power) * math.log(tail.count)
    others, top = tail.count - 1, power * tail.cap
    left = math.expm1(total - tail.cap)  # of what the one at the cap has
    if left <= 0 or not others:
        return top
    rest = power * (tail.cap + math.log(left)) + (1 - power) * math.log(others)
    return float(np.logaddexp(top, rest))


def _concentrated(tail: Tail, total: float, power: float) -> float:
    if total == -math.inf:
        return -math.inf
    if total <= tail.cap:
        return power * total
    heads = math.exp(min(total - tail.cap, 700.0))
    whole = math.floor(heads)
    return power * tail.cap + math.log(whole + (heads - whole) ** power)


def _entropy(row: Partial, tail: Tail) -> float:
    """Of the whole row, in nats."""
    if tail.rest is None:
        raise Undecidable
    total = float(np.logaddexp(np.logaddexp.reduce(row.logits), tail.rest.logsumexp))
    share = math.exp(tail.rest.logsumexp - total)
    probs = np.exp(row.logits - total)
    inside = tail.rest.entropy_bits * math.log(2) + total - tail.rest.logsumexp
    return float(np.einsum("i,i", probs, total - row.logits)) + share * inside


def _top_k(row: Partial, tail: Tail, context: Context) -> _Rows:
    k, exact_k = context.config.top_k, context.rules.exact_k
    size = row.ids.size
    if k >= size + tail.count:
        yield row
        return
    safe = row.safe
    if int(np.count_nonzero(safe)) >= k:
        cut = np.partition(row.logits, size - k)[size - k]
        if exact_k or cut > tail.cap:
            yield row.kept(STAGES["top_k"](row.pool, context) > -np.inf, None)
            return
    if not safe.all():
        raise Undecidable
    # So many of the largest of the tail stay, and ties of the last one.
    stay = max(k - size, 0)
    most = tail.high if not exact_k else min(tail.high, tail.cap + math.log(max(stay, 1)))
    count = tail.count if not exact_k else stay
    held = tail.low + math.log(stay / tail.count) if stay else -math.inf
    if stay and tail.reached:
        others = max(math.expm1(tail.low - tail.cap), 0.0) * (stay - 1) / max(tail.count - 1, 1)
        held = max(held, tail.cap + math.log1p(others))
    yield replace(row, tail=replace(tail, count=count, low=held, high=most, rest=None))


def _top_p(row: Partial, tail: Tail, context: Context) -> _Rows:
    mass = context.config.top_p
    low, high = row.total()
    order = np.flatnonzero(row.safe)
    order = order[np.argsort(-row.logits[order], kind="stable")]
    held = np.logaddexp.accumulate(row.logits[order]) if order.size else np.empty(0)
    wanted = math.log(mass - mass * (1 - mass) * _MASS_SLACK)
    first = int(held.searchsorted(wanted + low - 2 * ROUNDING))
    last = int(held.searchsorted(wanted + high + 2 * ROUNDING))
    for kept in range(first + 1, min(last + 1, order.size) + 1):
        yield row.kept(_mask(row, order[:kept]), None)
    if last < order.size:
        return
    if order.size < row.ids.size:
        raise Undecidable
    known = float(held[-1])
    enters = first >= order.size  # the tail's best token is surely needed
    need = math.expm1(wanted + low - known - 2 * ROUNDING)
    spare = math.expm1(wanted + high - known + 2 * ROUNDING)
    least = known + math.log(need) if need > 0 else -math.inf
    most = known + math.log(max(spare, 0.0) + math.exp(tail.cap - known)) + ROUNDING
    if enters and tail.reached:
        least = max(least, tail.cap)
    reached = tail.reached and enters
    left = replace(tail, low=least, high=min(tail.high, most), reached=reached, rest=None)
    yield replace(row, tail=left)


def _cut(row: Partial, tail: Tail, low: float, high: float) -> _Rows:
    """Every row that is left of this one where the logits from a cut on stay, and the best; the
    cut is in [low, high]."""
    best = float(row.logits.max())
    if best < tail.cap:
        raise Undecidable
    high = min(high, best)
    low = min(low, best)
    between = np.unique(row.logits[(row.logits >= low) & (row.logits < high)])
    alive = _cut_tail(tail, low, high) if tail.cap >= low else None
    for least in (*between.tolist(), high):
        yield row.kept(row.logits >= least, alive)


def _cut_tail(tail: Tail, low: float, high: float) -> Tail:
    """What may be left of a tail whose cap may be above the cut."""
    if tail.low == -math.inf or high > tail.cap:
        held = -math.inf
    else:  # all below the cut together
        gone = tail.count * math.exp(high - tail.low)
        held = tail.low + math.log1p(-gone) if gone < 1 else -math.inf
        held = max(held, tail.cap) if tail.reached else held
    count = tail.count
    if tail.high - low < math.log(count):
        count = max(1, math.ceil(math.exp(tail.high - low)))
    reached = tail.reached and high <= tail.cap
    return replace(tail, count=count, low=held, reached=reached, rest=None)


def _min_p(row: Partial, tail: Tail, context: Context) -> _Rows:
    cut = float(row.logits.max()) + math.log(context.config.min_p)
    slack = 0.0 if row.exact else ROUNDING
    return _cut(row, tail, cut - slack, cut + slack)


def _from_prob(row: Partial, tail: Tail, low: float, high: float) -> _Rows:
    """What is left of tokens of at least a probability whose logarithm is in [low, high]."""
    least, most = row.total()
    return _cut(row, tail, low + least - ROUNDING, high + most + ROUNDING)


def _epsilon(row: Partial, tail: Tail, context: Context) -> _Rows:
    cut = math.log(context.config.epsilon_cutoff)
    return _from_prob(row, tail, cut, cut)


def _eta(row: Partial, tail: Tail, context: Context) -> _Rows:
    cutoff = math.log(context.config.eta_cutoff)
    if tail.rest is None:  # the entropy is between nothing and that of all being equal
        most = math.log(row.ids.size + tail.count)
        return _from_prob(row, tail, min(cutoff, cutoff / 2 - most), cutoff)
    cut = min(cutoff, cutoff / 2 - _entropy(row, tail))
    return _from_prob(row, tail, cut, cut)


def _p_less(row: Partial, tail: Tail, context: Context) -> _Rows:
    low, high = row.total()
    known = np.logaddexp.reduce(2 * row.logits)
    if tail.rest is None:
        least = 2 * tail.low - math.log(tail.count)
        most = tail.high + tail.cap
    else:
        least = most = math.log(tail.rest.agreement) + 2 * tail.rest.logsumexp
    least, most = float(np.logaddexp(known, least)), float(np.logaddexp(known, most))
    return _from_prob(row, tail, least - 2 * high - 2 * _MASS_SLACK, most - 2 * low)


def _top_n_sigma(row: Partial, tail: Tail, context: Context) -> _Rows:
    if tail.rest is None:
        raise Undecidable
    count, rest = row.ids.size + tail.count, tail.rest
    mean = (float(row.logits.sum()) + rest.count * rest.mean) / count
    squares = float(((row.logits - mean) ** 2).sum())
    squares += rest.count * (rest.spread**2 + (rest.mean - mean) ** 2)
    spread = math.sqrt(squares / (count - int(context.rules.sample_deviation)))
    cut = max(float(row.logits.max()), tail.cap) - context.config.top_n_sigma * spread
    slack = ROUNDING * (abs(cut) + context.config.top_n_sigma * spread + 1)
    return _cut(row, tail, cut - slack, cut + slack)


def _typical_p(row: Partial, tail: Tail, context: Context) -> _Rows:
    """Known only where the tail's tokens are all odder than what is needed."""
    mass, entropy = context.config.typical_p, _entropy(row, tail)
    total = sum(row.total()) / 2
    oddness = np.abs(total - row.logits - entropy)
    nearest = total - tail.cap - entropy
    order = np.argsort(oddness, kind="stable")
    order = order[oddness[order] < nearest - ROUNDING]
    held = np.exp(row.logits[order] - total).cumsum()
    last = int(held.searchsorted(mass))
    clear = np.abs(held - mass) > 2 * _MASS_SLACK
    if last >= order.size or not clear[max(last - 1, 0) : last + 1].all():
        raise Undecidable
    bound = oddness[order[last]]
    if np.count_nonzero(np.abs(oddness - bound) <= ROUNDING) > 1:
        raise Undecidable
    yield row.kept(oddness <= bound, None)


def _top_h(row: Partial, tail: Tail, context: Context) -> _Rows:
    if int(np.count_nonzero(row.safe)) >= _HEAD_STAGES_LOOK_AT:
        yield row.kept(STAGES["top_h"](row.pool, context) > -np.inf, None)
        return
    yield from _some_head(row, tail)


def _some_head(row: Partial, tail: Tail) -> _Rows:
    """Every head of the ranking."""
    if not row.safe.all():
        raise Undecidable
    order = ranked(row.logits, row.ids.size)
    for kept in range(1, order.size):
        yield row.kept(_mask(row, order[:kept]), None)
    yield replace(row, tail=replace(tail, low=-math.inf, reached=False, rest=None))


def _xtc(row: Partial, tail: Tail, context: Context) -> _Rows:
    """What it removes is known where it is the same for every total there may be."""
    config = context.config
    if uniform(context.seed, len(context.history), _XTC_STREAM) >= config.xtc_probability:
        yield row
        return
    threshold = config.xtc_threshold
    low, high = row.total()
    if threshold == 0 or tail.cap - low >= math.log(threshold) - ROUNDING:
        raise Undecidable
    after = []
    for total in (low, high):
        pool = row.pool
        probs = np.exp(row.logits - total)
        if np.any(np.abs(probs - threshold) <= ROUNDING):
            raise Undecidable
        seen = Pool(pool.ids, pool.logits, probs, 0.0)
        after.append(STAGES["xtc"](seen, context) > -np.inf)
    if not np.array_equal(after[0], after[1]):
        raise Undecidable
    yield row.kept(after[0], replace(tail, rest=None))


def _mirostat(row: Partial, tail: Tail, context: Context) -> _Rows:
    if context.config.mirostat == 2:
        (bound,) = context.memory.get("mirostat", (2 * context.config.mirostat_tau,))
        return _from_prob(row, tail, -bound * math.log(2), -bound * math.log(2))
    if int(np.count_nonzero(row.safe)) < _HEAD_STAGES_LOOK_AT:
        return _some_head(row, tail)
    kept = STAGES["mirostat"](row.pool, context) > -np.inf
    if kept.all():  # the number of tokens bounds it, and there are more
        raise Undecidable
    return iter([row.kept(kept, None)])


def _unknown(row: Partial, tail: Tail, context: Context) -> _Rows:
    raise Undecidable


def _mask(row: Partial, places: Ids) -> npt.NDArray[np.bool_]:
    mask = np.zeros(row.ids.size, dtype=np.bool_)
    mask[places] = True
    return mask


_STAGES: Mapping[str, Callable[[Partial, Tail, Context], _Rows]] = {
    "temperature": _temperature,
    "top_k": _top_k,
    "top_p": _top_p,
    "min_p": _min_p,
    "epsilon": _epsilon,
    "eta": _eta,
    "p_less": _p_less,
    "top_n_sigma": _top_n_sigma,
    "typical_p": _typical_p,
    "top_h": _top_h,
    "xtc": _xtc,
    "mirostat": _mirostat,
    "adaptive_p": _unknown,
}
