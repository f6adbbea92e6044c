"""What each sampling stage makes of a row of logits of which only a head is known.

A stage turns such a row into every row that it may have become: mostly into one whose tail is
gone, and that the stages themselves can go on with, to the last bit. Sums over the tail as it
was recorded are exact until a stage touches it. What is known of a row is in `partial`; what
acts on each token by itself, in `touched`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from chatcli.probe.partial import ROUNDING, Partial, Tail, Undecidable
from chatcli.sampling.context import Context
from chatcli.sampling.pool import Ids, Pool, ranked
from chatcli.sampling.random import uniform
from chatcli.sampling.stages import STAGES

__all__ = ["staged"]

_HEAD_STAGES_LOOK_AT = 100  # top_h and mirostat 1
_COLDEST = 1e-38
_MASS_SLACK = 2.0**-22  # what the stages themselves allow for float32's rounding
_XTC_STREAM = 1


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
