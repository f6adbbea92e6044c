"""Drawing a recorded reply again under other settings, without the model.

Each position is given what was recorded before it. A token is decided where every row that
agrees with the record gives it, whatever the logits that weren't kept; else it is undecided.
From the first other token on, a real reply would have gone its own way, of which a trace
knows nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chatcli.errors import SamplingError, TraceError
from chatcli.probe.partial import ROUNDING, Partial, Undecidable
from chatcli.probe.tail import staged
from chatcli.probe.touched import BY_TOKEN, touched
from chatcli.probe.trace import Position, Sample
from chatcli.sampling.catalog import active_stages
from chatcli.sampling.context import Context, Memory
from chatcli.sampling.memory import MemoryByIndex
from chatcli.sampling.orders import preset_for
from chatcli.sampling.pool import Pool, pick
from chatcli.sampling.random import uniform
from chatcli.sampling.stages import LESSONS, STAGES
from chatcli.sampling.types import SamplingConfig
from chatcli.sampling.words import bound, unbound
from chatcli.text.types import Tokenizer

__all__ = ["Replayed", "Rerun", "replay", "replay_config", "verify"]

_MANY = 1000  # rows that one may have become; beyond, nothing is decided

_Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One position again. `token` is None where it isn't decided; `interval` is what it owns
    for certain, None where greedy."""

    sample: int
    index: int
    position: int
    recorded: int
    token: int | None
    u: float | None
    interval: _Interval | None
    entropy_bits: float

    @property
    def decided(self) -> bool:
        """Whether every row that agrees with the record gives this token."""
        return self.token is not None

    @property
    def differs(self) -> bool:
        """Whether another token than the recorded one is drawn."""
        return self.token is not None and self.token != self.recorded


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """A sample again: every position under `config`, given what was recorded before it."""

    sample: Sample
    config: SamplingConfig
    positions: tuple[Replayed, ...]

    @property
    def divergence(self) -> Replayed | None:
        """The first position whose token is another than the recorded one."""
        return next((one for one in self.positions if one.differs), None)

    @property
    def undecided(self) -> int:
        """How many positions up to the divergence, or the end, aren't decided."""
        return sum(not one.decided for one in self.told())

    def told(self) -> tuple[Replayed, ...]:
        """The positions up to the divergence: what a real reply would have come by."""
        found = self.divergence
        return self.positions[: None if found is None else self.positions.index(found) + 1]


def replay_config(
    sample: Sample, given: Mapping[str, Any], tokenizer: Tokenizer | None = None
) -> SamplingConfig:
    """The recorded settings but for those `given`, in ids.

    Raises SamplingError on settings that name texts, where there is no `tokenizer` for them.
    """
    config = dataclasses.replace(sample.bound, **{"seed": sample.seed, **given})
    if tokenizer is not None:
        return bound(config, tokenizer)
    if config.eos_ids is None:
        config = dataclasses.replace(config, eos_ids=sample.eos_ids)
    if config.xtc_spared is None:
        config = dataclasses.replace(config, xtc_spared=sample.xtc_spared)
    text = unbound(config)
    if text is None and config.dry_multiplier and config.dry_breakers is None:
        text = "dry_breakers"
    if text is not None:
        raise SamplingError(
            f"{text} has texts, and a trace has only ids: add --tokenizer NAME, the model that "
            "was recorded, or give ids, [12,13]"
        )
    return config


def replay(sample: Sample, config: SamplingConfig) -> Rerun:
    """A sample under `config`, whose words are ids and whose seed is set."""
    return Rerun(sample, config, tuple(_Replay(sample, config).positions()))


def verify(sample: Sample, path: str) -> None:
    """Raise TraceError where the recorded settings don't give the recorded tokens."""
    for found in _Replay(sample, replay_config(sample, {})).positions(trusting=False):
        if found.differs:
            raise TraceError(
                f"{path}: position {found.position} of sample {sample.sample} has token "
                f"{found.recorded}, but its own record gives {found.token}: the trace was edited, "
                "or made by another chatcli; record it again with --trace"
            )


class _Replay:
    """One sample under one config, position by position."""

    def __init__(self, sample: Sample, config: SamplingConfig) -> None:
        assert config.seed is not None  # a replay has the recorded luck
        self._sample, self._config, self._seed = sample, config, config.seed
        self._rules = preset_for(config.order)
        self._stages = tuple(stage.name for stage in active_stages(config))
        self._lessons = [name for name in self._stages if name in LESSONS]
        self._same = config == replay_config(sample, {})
        self._memory: Memory | None = {}

    def positions(self, *, trusting: bool = True) -> Iterator[Replayed]:
        """Each position; where `trusting`, the recorded settings need no more than u and the
        interval, where the row doesn't tell."""
        history = list(self._sample.prompt_ids)
        vocab_size = int(self._sample.checkpoint["vocab_size"])
        for seen in self._sample.positions:
            yield self._position(seen, history, vocab_size, trusting)
            history.append(seen.token)

    def _position(
        self, seen: Position, history: Sequence[int], vocab_size: int, trusting: bool
    ) -> Replayed:
        u = None if self._config.greedy else uniform(self._seed, len(history))
        token, interval = self._drawn(seen, history, vocab_size, u)
        if token is None and trusting and self._same and seen.u == u:
            token, interval = seen.token, seen.interval
        return Replayed(
            sample=self._sample.sample,
            index=seen.index,
            position=seen.position,
            recorded=seen.token,
            token=token,
            u=u,
            interval=interval,
            entropy_bits=seen.entropy_bits,
        )

    def _drawn(
        self, seen: Position, history: Sequence[int], vocab_size: int, u: float | None
    ) -> tuple[int | None, _Interval | None]:
        memory = self._remembered(seen)
        if memory is None:
            return None, None
        context = Context(
            self._config,
            self._rules,
            history,
            self._sample.prompt_length,
            vocab_size,
            self._seed,
            memory,
        )
        run = _Run(self._lessons, seen.token)
        try:
            rows = run.all(Partial.of(seen, vocab_size, self._sample.top), self._stages, context)
            return _agreed([_owner(row, u) for row in rows])
        except Undecidable:
            return None, None
        finally:
            self._memory = run.learnt

    def _remembered(self, seen: Position) -> Memory | None:
        """What the ends go on from at a position; None where that isn't known."""
        if not self._lessons:
            return {}
        if self._same and seen.memory is not None:
            return MemoryByIndex.from_plain(seen.memory).at(seen.index)
        return self._memory


class _Run:
    """All stages at one position, on every row that there may be; and what the ends learn."""

    def __init__(self, lessons: Sequence[str], token: int) -> None:
        self._lessons, self._token = lessons, token
        self._learnt: dict[str, tuple[float, ...]] = {}

    @property
    def learnt(self) -> Memory | None:
        """What the next position goes on from; None where it isn't known."""
        return self._learnt if len(self._learnt) == len(self._lessons) else None

    def all(self, first: Partial, stages: Sequence[str], context: Context) -> list[Partial]:
        """Every row that may be left at the end."""
        rows, at = [first], 0
        while at < len(stages):
            end = at + 1
            while stages[at] in BY_TOKEN and end < len(stages) and stages[end] in BY_TOKEN:
                end += 1
            names = stages[at:end]
            rows = [after for row in rows for after in self._after(row, names, context)]
            if len(rows) > _MANY:
                raise Undecidable
            if names[0] in self._lessons and len(rows) > 1:
                self._learnt.pop(names[0], None)
            at = end
        return rows

    def _after(self, row: Partial, names: Sequence[str], context: Context) -> list[Partial]:
        if row.tail is not None and names[0] in BY_TOKEN:
            return [touched(row, names, context)]
        if row.tail is not None:
            (name,) = names
            rows = staged(row, name, context)
            if name in self._lessons and len(rows) == 1 and rows[0].tail is None:
                self._learn(name, row.pool, rows[0].pool, context)
            return rows
        pool = row.pool
        for name in names:
            after, _ = pool.surviving(STAGES[name](pool, context))
            if not after.ids.size:
                raise Undecidable
            if name in self._lessons:
                self._learn(name, pool, after, context)
            pool = after
        return [dataclasses.replace(row, ids=pool.ids, logits=pool.logits)]

    def _learn(self, name: str, before: Pool, after: Pool, context: Context) -> None:
        self._learnt[name] = LESSONS[name](before, after, self._token, context)


def _agreed(
    owners: Sequence[tuple[int, _Interval | None]],
) -> tuple[int | None, _Interval | None]:
    """The token that all give, and what it owns in each of their intervals."""
    if len({token for token, _ in owners}) != 1:
        return None, None
    intervals = [interval for _, interval in owners if interval is not None]
    if not intervals:
        return owners[0][0], None
    return owners[0][0], (max(low for low, _ in intervals), min(high for _, high in intervals))


def _owner(row: Partial, u: float | None) -> tuple[int, _Interval | None]:
    """The token that owns u, or the best. Raises Undecidable where the tail would tell."""
    if u is None:
        best = int(row.logits.argmax())
        if not row.safe[best]:
            raise Undecidable
        return int(row.ids[best]), None
    if row.tail is None:
        token, interval = pick(row.pool, u)
        if not row.exact and min(abs(u - end) for end in interval) <= ROUNDING:
            raise Undecidable
        return token, interval
    return _between(row, u)


def _between(row: Partial, u: float) -> tuple[int, _Interval]:
    """The known token that owns u, however much the tail weighs and wherever it ranks."""
    assert row.tail is not None
    order = np.argsort(-row.logits, kind="stable")
    best = max(float(row.logits.max()), row.tail.cap)
    weights = np.exp(row.logits[order] - best)
    low, high = (math.exp(bound - best) for bound in (row.tail.low, row.tail.high))
    known, ends = float(weights.sum()), weights.cumsum()
    starts = np.concatenate([[0.0], ends[:-1]])
    for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if row.safe[order[place]]:
            first, last = start / (known + low), end / (known + high)
        else:  # all of the tail may rank before it, or none
            first, last = (start + high) / (known + high), end / (known + high)
        begun = first == 0.0 or first + ROUNDING <= u
        if begun and u < last - ROUNDING:
            return int(row.ids[order[place]]), (first, last)
    raise Undecidable
