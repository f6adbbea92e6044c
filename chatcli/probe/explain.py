"""Why this token: the number that decided, who owned which slice, and what would draw another.

    1. one draw, as the chain makes it, from logits that are there
    2. the slice of the likeliest other token
    3. for u and four settings, in each direction, the nearest value that draws another token

Nothing is fed to the model: a chain with another setting draws from the same logits with the
same luck.

Where a search may skip: among tokens in their ranking, a higher temperature, top-p or top-k and
a lower min-p only ever move the draw down the ranking, as long as no stage but those four comes
behind. (A head's share of what survives falls with the temperature, for logits and the head are
sorted alike, and with every token that joins behind it; so survivors only join.) So the values
that draw the same token lie side by side, and halving finds where they end. Behind other stages
this need not be so: there values are tried one after the other, as far apart as `step` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from chatcli.errors import LogitsError
from chatcli.sampling.catalog import active_stages
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.pool import Pool, pick, ranked, share
from chatcli.sampling.random import uniform
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Tokenizer

__all__ = ["Change", "Explanation", "Slice", "explain"]

_FINE, _COARSE = 10_000, 100  # values a unit: of what is found, and of what is tried in turn
_MOST = 1000  # values that are tried in turn
_NEIGHBOURS = 200  # of top-k
_HOTTEST = 3.4e38  # there is no higher temperature
_SETTINGS = ("temperature", "top_p", "top_k", "min_p")

_Run = tuple[int, int]  # numbers from one to the other, both included, upwards or downwards


@dataclass(frozen=True, slots=True)
class Slice:
    """A token's slice of [0, 1), None where it has none; `raw_prob` and `rank` (1-based) are
    the model's own."""

    token: int
    interval: tuple[float, float] | None
    raw_prob: float
    rank: int

    @property
    def prob(self) -> float:
        """After the chain."""
        return 0.0 if self.interval is None else self.interval[1] - self.interval[0]


@dataclass(frozen=True, slots=True)
class Change:
    """The nearest `value` of a setting, `up` or down to `limit`, that draws another `token`.

    None where none does; a `value` without a token leaves none to draw. Values are multiples of
    0.0001 (top_k: whole numbers), and `step` is how far apart those are that can't have been
    missed; next to `value`, nearer to `now`, the same token is drawn. For u all numbers count,
    and `step` is 0.
    """

    setting: str
    up: bool
    now: float
    limit: float
    step: float
    value: float | None
    token: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the chain draws what it draws.

    `luck` is the number of the seed, and `u` the one that decided: None when greedy, though at a
    higher temperature `luck` would. `runner_up` is the likeliest other token
    after the chain, None where the chain leaves no other. A setting has a change for each
    direction that there is.
    """

    config: SamplingConfig
    seed: int
    chain: str
    u: float | None
    drawn: Slice
    runner_up: Slice | None
    changes: tuple[Change, ...]
    luck: float


def explain(
    chain: SamplerChain,
    tokenizer: Tokenizer,
    logits: Tensor,
    history: Sequence[int],
    *,
    prompt_length: int | None = None,
) -> Explanation:
    """Explain what `chain` draws after `history` from `logits` [V]; the chain stays as it is.

    Raises what `SamplerChain.sample` raises.
    """
    case = _Case(chain, tokenizer, logits, history, prompt_length)
    pool = case.survivors(case.config)
    luck = uniform(chain.seed, len(history))
    token, interval = pick(pool, luck)
    others = [int(pool.ids[place]) for place in ranked(pool.logits, 2)]
    runner_up = next((other for other in others if other != token), None)
    greedy = chain.config.greedy
    return Explanation(
        config=chain.config,
        seed=chain.seed,
        chain=chain.describe(),
        u=None if greedy else luck,
        drawn=case.slice(token, interval),
        runner_up=None if runner_up is None else case.slice(runner_up, share(pool, runner_up)),
        changes=(
            *(() if greedy else _luck_changes(pool, luck, interval)),
            *(change for name in _SETTINGS for change in case.changes(name, token, luck)),
        ),
        luck=luck,
    )


def _luck_changes(pool: Pool, u: float, interval: tuple[float, float]) -> Iterator[Change]:
    """The nearest numbers that neighbours in the ranking own."""
    low, high = interval
    below = math.nextafter(low, 0) if low > 0 else None
    above = high if high < 1 else None
    for up, value in ((False, below), (True, above)):
        token = None if value is None else pick(pool, value)[0]
        yield Change("u", up, u, float(up), 0.0, value, token)


class _Case:
    """One place of a text, and what chains with other settings would do there."""

    def __init__(
        self,
        chain: SamplerChain,
        tokenizer: Tokenizer,
        logits: Tensor,
        history: Sequence[int],
        prompt_length: int | None,
    ) -> None:
        self.config = replace(chain.config, seed=chain.seed)
        self._tokenizer, self._logits, self._history = tokenizer, logits, history
        self._prompt_length = len(history) if prompt_length is None else prompt_length
        self._memory = chain.memory(len(history) - self._prompt_length)

    def survivors(self, config: SamplingConfig) -> Pool:
        """What a chain with these settings draws from."""
        return self._chain(config).survivors(
            self._logits, self._history, prompt_length=self._prompt_length
        )

    def slice(self, token: int, interval: tuple[float, float] | None) -> Slice:
        """Of a token, with how the model itself sees it."""
        _, view = self._chain(self.config).witness(
            self._logits, self._history, token, prompt_length=self._prompt_length, top=0
        )
        return Slice(token, interval, view.raw_prob, view.rank)

    def changes(self, name: str, token: int, luck: float) -> Iterator[Change]:
        """The nearest values of a setting, down and up, that don't draw `token`."""
        scale = 1 if name == "top_k" else _FINE
        monotone = _is_monotone(self.config, name)

        def value(number: int) -> float:
            return number if scale == 1 else number / scale

        def drawn(number: int) -> int | None:
            changed: dict[str, Any] = {name: value(number)}
            try:
                return pick(self.survivors(replace(self.config, **changed)), luck)[0]
            except LogitsError:
                return None

        for up, runs in _ranges(self.config, name, len(self._logits), monotone):
            first, last = runs[0]
            tried = max(scale // _COARSE, abs(last - first) // _MOST, 1)
            stride = None if monotone else tried
            found = _nearest(lambda number: drawn(number) != token, runs, stride)
            yield Change(
                setting=name,
                up=up,
                now=getattr(self.config, name),
                limit=value(runs[-1][1]),
                step=value(stride or 1),
                value=None if found is None else value(found),
                token=None if found is None else drawn(found),
            )

    def _chain(self, config: SamplingConfig) -> SamplerChain:
        chain = SamplerChain(config)
        chain.bind(self._tokenizer)
        chain.recall(self._memory)
        return chain


def _is_monotone(config: SamplingConfig, name: str) -> bool:
    """Whether larger values of a setting move the draw through the ranking one way only."""
    if config.dynatemp_range:
        return False
    in_force: dict[str, Any] = {name: 1 if name == "top_k" else 0.5}
    stages = [stage.name for stage in active_stages(replace(config, **in_force))]
    return name not in stages or set(stages[stages.index(name) :]) <= set(_SETTINGS)


def _ranges(
    config: SamplingConfig, name: str, size: int, monotone: bool
) -> Iterator[tuple[bool, list[_Run]]]:
    """Downwards (False) and upwards (True) from a setting, the runs of multiples to search.

    A temperature of 0 is a run of its own, for the greedy chain has fewer stages.
    """
    value = getattr(config, name)
    if name == "top_k":
        number: float = min(value or size, size)
        lowest, highest = 1, size
        if not monotone:
            lowest = max(lowest, int(number) - _NEIGHBOURS)
            highest = min(highest, int(number) + _NEIGHBOURS)
    else:
        number = round(value * _FINE, 6)  # whole where the value is a multiple
        lowest = 0 if name == "min_p" else 1
        limit = min(2 * max(1.0, value), _HOTTEST) if name == "temperature" else 1
        highest = math.floor(limit * _FINE)
    below, above = math.ceil(number) - 1, math.floor(number) + 1
    down = [(below, lowest)] if below >= lowest else []
    if name == "temperature" and value > 0:
        down.append((0, 0))
    if down:
        yield False, down
    if above <= highest:
        yield True, [(above, highest)]


def _nearest(
    differs: Callable[[int], bool], runs: Sequence[_Run], stride: int | None
) -> int | None:
    """The first number that differs; within a run, after `stride` None, all beyond it do too."""
    for first, last in runs:
        if differs(first):
            return first
        same, sign = first, 1 if last > first else -1
        marks = () if stride is None else range(first + sign * stride, last, sign * stride)
        for mark in (*marks, last):
            if mark != same and differs(mark):
                return _halved(differs, same, mark)
            same = mark
    return None


def _halved(differs: Callable[[int], bool], same: int, other: int) -> int:
    """Between one number that doesn't differ and one that does, one that does beside one that
    doesn't."""
    while abs(other - same) > 1:
        middle = (same + other) // 2
        same, other = (same, middle) if differs(middle) else (middle, other)
    return other
