"""Samplers once more, as plainly as their authors write them: what the stages are held to."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["adaptive_p", "dry", "mirostat_v1_k", "mirostat_v2", "softmax", "xtc"]

Breakers = Sequence[Sequence[int]]


def softmax(logits: Sequence[float]) -> list[float]:
    best = max(logits)
    weights = [math.exp(logit - best) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def dry(
    window: Sequence[int],
    multiplier: float,
    base: float,
    allowed: int,
    breakers: Breakers = (),
    cap: int | None = None,
) -> dict[int, float]:
    """What llama.cpp subtracts from which id, by comparing everything with everything."""
    size = len(window)
    if size <= allowed:
        return {}
    limit = size
    for back in range(size):
        at = size - 1 - back
        whole = [
            len(breaker) - 1
            for breaker in breakers
            if list(window[at : at + len(breaker)]) == list(breaker)
        ]
        if whole:
            limit = back - max(whole)
            break
    limit = limit if cap is None else min(limit, cap)
    if limit < allowed:
        return {}
    longest: dict[int, int] = {}
    for end in range(1, size):
        length = 0
        while length < min(end, limit) and window[end - 1 - length] == window[size - 1 - length]:
            length += 1
        if length >= allowed:
            longest[window[end]] = max(longest.get(window[end], 0), length)
    largest = int(88.7228391 / math.log(base)) if base > 1.000001 else 0
    penalties = {}
    for token, length in longest.items():
        exponent = length - allowed
        if largest > 0:
            exponent = min(exponent, largest)
        if [token] not in [list(breaker) for breaker in breakers]:
            penalties[token] = multiplier * base**exponent
    return penalties


def xtc(logits: Sequence[float], threshold: float) -> set[int]:
    """What llama.cpp keeps once its luck has fired."""
    probs = softmax(logits)
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    last = 0
    for place, token in enumerate(order):
        if probs[token] < threshold:
            break
        last = place
    return set(order[last:])


def mirostat_v1_k(logits: Sequence[float], mu: float, vocab_size: int) -> float:
    """The k of version 1, straight from the formula, for rows in which nothing overflows."""
    probs = sorted(softmax(logits), reverse=True)[:100]
    over = under = 0.0
    for i in range(len(probs) - 1):
        t = math.log((i + 2) / (i + 1))
        over += t * math.log(probs[i] / probs[i + 1])
        under += t * t
    s_hat = over / under
    epsilon = s_hat - 1
    return float(((epsilon * 2**mu) / (1 - vocab_size**-epsilon)) ** (1 / s_hat))


def mirostat_v2(logits: Sequence[float], mu: float) -> set[int]:
    """What version 2 keeps."""
    probs = softmax(logits)
    kept = {token for token, p in enumerate(probs) if p and -math.log2(p) <= mu}
    return kept or {max(range(len(probs)), key=lambda token: (probs[token], -token))}


def adaptive_p(
    logits: Sequence[float], target: float, weighted: float, weight: float
) -> list[float]:
    """The distribution that adaptive-p draws from."""
    goal = min(max(2 * target - weighted / weight, 0.0), 1.0)
    shaped = []
    for p in softmax(logits):
        distance = abs((p - goal) / 0.3)
        shaped.append(5.0 - 10.0 * distance * distance / (1.0 + distance))
    return softmax(shaped)
