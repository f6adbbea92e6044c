"""Stages that shape a distribution by itself: temperature, and what keeps a part of it."""

from __future__ import annotations

import math

import numpy as np

from chatcli.sampling.context import Context, only, surprisal
from chatcli.sampling.pool import Ids, Pool, Row, ranked, ranked_heads
from chatcli.sampling.random import uniform
from chatcli.sampling.words import id_sequences

__all__ = [
    "epsilon",
    "eta",
    "min_p",
    "p_less",
    "temperature",
    "top_h",
    "top_k",
    "top_n_sigma",
    "top_p",
    "typical_p",
    "xtc",
]

# Logits arrive in float32, so masses and probabilities are known to about this, relatively;
# what lies nearer to a bound than that counts as on it.
_MASS_EPSILON = 2.0**-22

_COLDEST = 1e-38  # below that, a temperature leaves the best alone
_TOP_H_LOOKS_AT = 100  # transformers' number
_XTC_STREAM = 1  # of the luck at a position; the draw's is 0


def temperature(pool: Pool, context: Context) -> Row:
    """Divide by the temperature T, or, with a range Δ, by one between T - Δ and T + Δ:

    low + (high - low) · (H / ln n)^e, low = max(0, T - Δ), high = T + Δ, where H is the entropy
    of the n tokens in play (llama.cpp's dynatemp, by kalomaze). At 0 the best is left alone.
    """
    config = context.config
    heat, spread = config.temperature, config.dynatemp_range
    if spread and pool.ids.size > 1:
        low, high = max(0.0, heat - spread), heat + spread
        evenness = min(pool.entropy_bits / math.log2(pool.ids.size), 1.0)
        heat = low + (high - low) * evenness**config.dynatemp_exponent
    if heat < _COLDEST:
        return only(pool, np.array([np.argmax(pool.logits)]))
    return pool.logits / heat


def top_k(pool: Pool, context: Context) -> Row:
    """Keep the k best: ties of the k-th stay too, or, where the order says exactly k, the
    lowest ids of them."""
    k, row = context.config.top_k, pool.logits
    if k >= row.size:
        return row
    cut = np.partition(row, row.size - k)[row.size - k]
    kept = row >= cut
    if context.rules.exact_k and (spare := int(np.count_nonzero(kept)) - k):
        kept[np.flatnonzero(row == cut)[-spare:]] = False
    return np.where(kept, row, -np.inf)


def top_p(pool: Pool, context: Context) -> Row:
    """Keep the smallest head of the ranking whose mass reaches p, the crossing token included.

    Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020).
    """
    mass = context.config.top_p
    return only(pool, _nucleus(pool, pool.logits, mass - _slack(mass)))


def min_p(pool: Pool, context: Context) -> Row:
    """Keep what is at least `min_p` times as probable as the best (Nguyen et al., 2024)."""
    cut = pool.logits.max() + math.log(context.config.min_p)
    return np.where(pool.logits >= cut, pool.logits, -np.inf)


def typical_p(pool: Pool, context: Context) -> Row:
    """Keep the tokens whose surprisal is nearest to the entropy, until their mass reaches p.

    Meister et al., "Locally Typical Sampling" (2023). transformers stops at p and keeps
    ties of the last one; llama.cpp stops beyond p and keeps none.
    """
    mass = context.config.typical_p
    oddness = np.abs(surprisal(pool) - pool.entropy_bits * math.log(2))
    if context.rules.typical_overshoots:
        return only(pool, _nucleus(pool, -oddness, mass + _slack(mass)))
    last = _nucleus(pool, -oddness, mass - _slack(mass))[-1]
    return np.where(oddness <= oddness[last], pool.logits, -np.inf)


def top_h(pool: Pool, context: Context) -> Row:
    """Of the 100 best, renormalised, keep the head of the ranking whose -Σ p ln p stays at or
    below h times that of all of them; the best always stays.

    Baghaei Potraghloo et al., "Top-H Decoding" (2025), as in transformers.
    """
    places = ranked(pool.logits, _TOP_H_LOOKS_AT)
    head = Pool.of(np.arange(places.size), pool.logits[places])
    parts = (head.probs * surprisal(head)).cumsum()
    bound = context.config.top_h * parts[-1] * (1 + _MASS_EPSILON)
    return only(pool, places[: max(1, int(parts.searchsorted(bound, side="right")))])


def top_n_sigma(pool: Pool, context: Context) -> Row:
    """Keep logits of at least max - n · σ, σ their standard deviation over what is in play.

    Tang et al., "Top-nσ: Not All Logits Are You Need" (2024), as in llama.cpp.
    """
    if pool.ids.size == 1:
        return pool.logits
    spread = pool.logits.std(ddof=1 if context.rules.sample_deviation else 0)
    cut = pool.logits.max() - context.config.top_n_sigma * spread
    return np.where(pool.logits >= cut, pool.logits, -np.inf)


def epsilon(pool: Pool, context: Context) -> Row:
    """Keep what has at least the probability ε, and always the best.

    Hewitt et al., "Truncation Sampling as Language Model Desmoothing" (2022).
    """
    return _at_least(pool, context.config.epsilon_cutoff)


def eta(pool: Pool, context: Context) -> Row:
    """Keep what has at least the probability min(ε, √ε · e^(-H)), H the entropy in nats, and
    always the best (Hewitt et al., 2022)."""
    cutoff = context.config.eta_cutoff
    entropy = pool.entropy_bits * math.log(2)
    return _at_least(pool, min(cutoff, math.sqrt(cutoff) * math.exp(-entropy)))


def p_less(pool: Pool, context: Context) -> Row:
    """Keep what has at least the probability Σ p², that two draws agree.

    Tan et al., "p-less Sampling" (2025).
    """
    collision = float(np.einsum("i,i", pool.probs, pool.probs))
    return _at_least(pool, collision)


def xtc(pool: Pool, context: Context) -> Row:
    """With the probability P: remove all tokens of probability ≥ t but the least likely one.

    By p-e-w (text-generation-webui, 2024). llama.cpp, which this is: at least two are needed,
    and a tie's highest id stays. mlx takes those above t and leaves ties of the least likely
    and the spared tokens; textgen does nothing where a spared token would go. The luck is
    stream 1 of the position's.
    """
    config, rules = context.config, context.rules
    if uniform(context.seed, len(context.history), _XTC_STREAM) >= config.xtc_probability:
        return pool.logits
    going = _strict_tops(pool, config.xtc_threshold) if rules.xtc_spares else _tops(pool, context)
    if rules.xtc_spares or rules.xtc_yields:
        spared = np.isin(pool.ids[going], [ids[-1] for ids in id_sequences(config.xtc_spared)])
        if rules.xtc_yields and spared.any():
            return pool.logits
        going = going[~spared]
    row = pool.logits.copy()
    row[going] = -np.inf
    return row


def _tops(pool: Pool, context: Context) -> Ids:
    """The places of all at or above the threshold but the last one in the ranking."""
    cut = context.config.xtc_threshold * (1 - _MASS_EPSILON)
    above = int(np.count_nonzero(pool.probs >= cut))
    return ranked(pool.logits, above)[:-1]


def _strict_tops(pool: Pool, threshold: float) -> Ids:
    """The places of what is likelier than the least likely token above the threshold."""
    above = pool.logits[pool.probs > threshold * (1 + _MASS_EPSILON)]
    return np.flatnonzero(pool.logits > above.min(initial=np.inf))


def _at_least(pool: Pool, cut: float) -> Row:
    """What has at least the probability `cut`; the best always has enough."""
    likely = pool.probs >= min(cut * (1 - _MASS_EPSILON), float(pool.probs.max()))
    return np.where(likely, pool.logits, -np.inf)


def _slack(mass: float) -> float:
    return mass * (1 - mass) * _MASS_EPSILON


def _nucleus(pool: Pool, key: Row, mass: float) -> Ids:
    """The shortest head of the ranking by `key` that holds `mass`; everything if none does."""
    for places in ranked_heads(key):
        held = pool.probs[places].cumsum()
        if held[-1] >= mass:
            break
    return places[: int(held.searchsorted(mass)) + 1]
