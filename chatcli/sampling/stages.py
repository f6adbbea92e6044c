"""What each stage computes: pure functions from a pool's logits to new logits.

A stage gets the tokens still in play, returns a row of the same length with -inf where it
removes one, and leaves its input untouched; the order, the draw and the traces are the
chain's. Every formula is the one of transformers' logits processors or of llama.cpp's
samplers. A new stage is one function here, one row in `STAGES`, its place in the presets
of `orders`, and its fields in `SamplingConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chatcli.errors import SamplingError
from chatcli.sampling.orders import Preset
from chatcli.sampling.pool import Ids, Pool, Row, ranked_heads
from chatcli.sampling.types import SamplingConfig

__all__ = [
    "STAGES",
    "Context",
    "Stage",
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
]

# Logits arrive in float32, so the masses inside and outside a bound are known to about this,
# relatively; what lies nearer to the bound than that counts as on it.
_MASS_EPSILON = 2.0**-22


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage may look at beside the pool. `history` holds all ids so far, of which
    the first `prompt_length` were given."""

    config: SamplingConfig
    rules: Preset
    history: Sequence[int]
    prompt_length: int
    vocab_size: int

    def window(self, *, output_only: bool = False) -> Ids:
        """The newest ids that a penalty sees, oldest first."""
        size = self.config.penalty_window
        size = self.rules.penalty_window if size is None else size
        end = len(self.history)
        start = self.prompt_length if output_only else 0
        if size is not None:
            start = max(start, end - size)
        return np.asarray(self.history[start:end], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the table: when a stage runs, what it does, and what it does it with."""

    name: str
    active: Callable[[SamplingConfig], bool]
    apply: Callable[[Pool, Context], Row]
    value: Callable[[SamplingConfig], str]
    when_greedy: bool = False

    def describe(self, config: SamplingConfig) -> str:
        """Its name and setting: "top_k 40"."""
        return f"{self.name} {self.value(config)}"


def logit_bias(pool: Pool, context: Context) -> Row:
    """Add each bias to its token's logit; -inf bans the token."""
    bias = context.config.logit_bias
    if (beyond := max(bias)) >= context.vocab_size:
        size = context.vocab_size
        raise SamplingError(f"logit_bias names token {beyond}, but ids go from 0 to {size - 1}")
    places, present = pool.places(np.fromiter(bias.keys(), dtype=np.int64))
    row = pool.logits.copy()
    row[places[present]] += np.fromiter(bias.values(), dtype=np.float64)[present]
    return row


def repetition_penalty(pool: Pool, context: Context) -> Row:
    """Once for each distinct id seen: divide a logit of 0 or more, multiply a negative one.

    Keskar et al., "CTRL" (2019), with the sign rule of transformers.
    """
    penalty = context.config.repetition_penalty
    places, _ = _seen(pool, context.window())
    row = pool.logits.copy()
    logits = row[places]
    row[places] = np.where(logits < 0, logits * penalty, logits / penalty)
    return row


def frequency_penalty(pool: Pool, context: Context) -> Row:
    """Subtract the penalty as often as the id was seen."""
    window = context.window(output_only=context.rules.counts_output_only)
    places, counts = _seen(pool, window)
    row = pool.logits.copy()
    row[places] -= counts * context.config.frequency_penalty
    return row


def presence_penalty(pool: Pool, context: Context) -> Row:
    """Subtract the penalty once from every id seen."""
    window = context.window(output_only=context.rules.counts_output_only)
    places, _ = _seen(pool, window)
    row = pool.logits.copy()
    row[places] -= context.config.presence_penalty
    return row


def temperature(pool: Pool, context: Context) -> Row:
    """Divide by the temperature."""
    return pool.logits / context.config.temperature


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
    return _only(pool, _nucleus(pool, pool.logits, mass - _slack(mass)))


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
    oddness = np.abs(_surprisal(pool) - pool.entropy_bits * math.log(2))
    if context.rules.typical_overshoots:
        return _only(pool, _nucleus(pool, -oddness, mass + _slack(mass)))
    last = _nucleus(pool, -oddness, mass - _slack(mass))[-1]
    return np.where(oddness <= oddness[last], pool.logits, -np.inf)


def _seen(pool: Pool, window: Ids) -> tuple[Ids, Ids]:
    """The places in the pool of the distinct ids of `window`, and how often each occurs."""
    tokens, counts = np.unique(window, return_counts=True)
    places, present = pool.places(tokens)
    return places[present], counts[present]


def _slack(mass: float) -> float:
    return mass * (1 - mass) * _MASS_EPSILON


def _surprisal(pool: Pool) -> Row:
    """-ln p, finite even where p underflows to 0."""
    best = int(np.argmax(pool.logits))
    log_total = float(pool.logits[best]) - math.log(pool.probs[best])
    return np.subtract(log_total, pool.logits)


def _nucleus(pool: Pool, key: Row, mass: float) -> Ids:
    """The shortest head of the ranking by `key` that holds `mass`; everything if none does."""
    for places in ranked_heads(key):
        held = pool.probs[places].cumsum()
        if held[-1] >= mass:
            break
    return places[: int(held.searchsorted(mass)) + 1]


def _only(pool: Pool, places: Ids) -> Row:
    if places.size == pool.ids.size:
        return pool.logits
    row = np.full_like(pool.logits, -np.inf)
    row[places] = pool.logits[places]
    return row


def _plain(name: str) -> Callable[[SamplingConfig], str]:
    return lambda config: f"{getattr(config, name):.15g}"


def _differs(name: str, off: float) -> Callable[[SamplingConfig], bool]:
    return lambda config: bool(getattr(config, name) != off)


def _penalises(name: str, off: float) -> Callable[[SamplingConfig], bool]:
    return lambda config: getattr(config, name) != off and config.penalty_window != 0


def _count_biased(config: SamplingConfig) -> str:
    count = len(config.logit_bias)
    return f"on {count} token{'s' if count > 1 else ''}"


def _penalty(name: str, apply: Callable[[Pool, Context], Row], off: float) -> Stage:
    return Stage(name, _penalises(name, off), apply, _plain(name), when_greedy=True)


def _filter(name: str, apply: Callable[[Pool, Context], Row], off: float) -> Stage:
    return Stage(name, _differs(name, off), apply, _plain(name))


STAGES = {
    stage.name: stage
    for stage in (
        Stage("logit_bias", lambda c: bool(c.logit_bias), logit_bias, _count_biased, True),
        _penalty("repetition_penalty", repetition_penalty, off=1),
        _penalty("frequency_penalty", frequency_penalty, off=0),
        _penalty("presence_penalty", presence_penalty, off=0),
        _filter("temperature", temperature, off=1),
        _filter("top_k", top_k, off=0),
        _filter("top_p", top_p, off=1),
        _filter("min_p", min_p, off=0),
        _filter("typical_p", typical_p, off=1),
    )
}
