"""Ends of the chain: samplers that steer by what was drawn before, and so remember something.

Each has a stage, which shapes what is drawn from, and a lesson, which says what is remembered
for the next position once a token is known. The chain keeps it, by position.
"""

from __future__ import annotations

import math

import numpy as np

from chatcli.sampling.context import Context, only, surprisal
from chatcli.sampling.pool import Pool, Row, ranked

__all__ = ["adaptive_p", "learn_adaptive_p", "learn_mirostat", "mirostat"]

_MIROSTAT_LOOKS_AT = 100  # the paper's m
_WIDTH, _PEAK, _SHARPNESS = 0.3, 5.0, 10.0  # adaptive-p's, from llama.cpp


def mirostat(pool: Pool, context: Context) -> Row:
    """Cut so that the surprise of what is drawn stays near τ bits, by a bound μ that starts at 2τ.

    Version 2 drops what has -log₂ p > μ, but never the best. Version 1 keeps the k best,
    k = (ε̂ · 2^μ / (1 - N^-ε̂))^(1/ŝ), with ε̂ = ŝ - 1, the exponent ŝ = Σ t·b / Σ t² of a Zipf
    law through the best m = 100, t = ln((i + 2)/(i + 1)), b = ln(p_i / p_(i+1)), and N the size
    of the vocabulary. Basu et al., "Mirostat" (2021), as in llama.cpp.
    """
    bound = _bound(context)
    if context.config.mirostat == 1:
        return only(pool, ranked(pool.logits, _zipf_k(pool, bound, context.vocab_size)))
    surprise = surprisal(pool) / math.log(2)
    return np.where(surprise <= max(bound, surprise.min()), pool.logits, -np.inf)


def learn_mirostat(before: Pool, after: Pool, token: int, context: Context) -> tuple[float, ...]:
    """μ ← μ - η · (-log₂ p - τ), p the drawn token's after the cut. A token that was cut, which
    only a recorded reply can have, teaches nothing."""
    bound, config = _bound(context), context.config
    (place,), (present,) = after.places(np.array([token]))
    if not present:
        return (bound,)
    surprise = float(surprisal(after)[place]) / math.log(2)
    return (bound - config.mirostat_eta * (surprise - config.mirostat_tau),)


def adaptive_p(pool: Pool, context: Context) -> Row:
    """Make the tokens likeliest whose probability is near to a target that makes up for the past:

    logit = 5 - 10 · d² / (1 + d), d = |p - target'| / 0.3, where target' is 2 · target - the
    running mean of the probabilities of what was drawn, within [0, 1] (llama.cpp, PR 17927).
    """
    weighted, weight = _mean(context)
    target = min(max(2 * context.config.adaptive_target - weighted / weight, 0.0), 1.0)
    distance = np.abs(pool.probs - target) / _WIDTH
    return _PEAK - _SHARPNESS * distance**2 / (1 + distance)


def learn_adaptive_p(before: Pool, after: Pool, token: int, context: Context) -> tuple[float, ...]:
    """The sums of the running mean, with the token's probability before it was shaped."""
    weighted, weight = _mean(context)
    (place,), (present,) = before.places(np.array([token]))
    if not present:
        return weighted, weight
    decay = context.config.adaptive_decay
    return float(before.probs[place]) + decay * weighted, 1 + decay * weight


def _bound(context: Context) -> float:
    (bound,) = context.memory.get("mirostat", (2 * context.config.mirostat_tau,))
    return bound


def _mean(context: Context) -> tuple[float, float]:
    """Σ decay^i · p_i and Σ decay^i; at first as if the target had always been met."""
    whole = 1 / (1 - context.config.adaptive_decay)
    start = (context.config.adaptive_target * whole, whole)
    weighted, weight = context.memory.get("adaptive_p", start)
    return weighted, weight


def _zipf_k(pool: Pool, bound: float, vocab_size: int) -> int:
    """Version 1's k, reckoned by logarithms, so that nothing overflows."""
    best = pool.logits[ranked(pool.logits, _MIROSTAT_LOOKS_AT)]
    if best.size == 1:
        return 1
    t = np.log1p(1 / np.arange(1, best.size))
    exponent = float((t * -np.diff(best)).sum() / (t * t).sum())
    excess, log_size = exponent - 1, math.log(vocab_size)
    if abs(excess * log_size) < 1e-9:  # both parts of the fraction vanish
        fraction = -math.log(log_size)
    elif excess > 0:
        fraction = math.log(excess) - math.log(-math.expm1(-excess * log_size))
    else:
        fraction = math.log(-excess) + excess * log_size - math.log(-math.expm1(excess * log_size))
    log_k = fraction + bound * math.log(2)
    largest = math.log(pool.ids.size)
    if log_k >= largest * exponent:
        return pool.ids.size
    return int(math.exp(log_k / exponent)) if log_k > 0 else 1
