"""The chain: logits and history in, one token out, with a trace of how it came about.

For each token: (1) the row is checked and taken to the CPU in float64; (2) the active
stages run in the order of the config; (3) one uniform number picks from what is left by
the inverse CDF in rank order, or, when greedy, the argmax is taken; (4) what happened is
told (`report`). What a stage computes is in `stages`; where luck comes from is in `random`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from chatcli.errors import LogitsError, SamplingError
from chatcli.sampling.catalog import active_stages, describe
from chatcli.sampling.context import Context
from chatcli.sampling.memory import MemoryByIndex
from chatcli.sampling.orders import preset_for
from chatcli.sampling.pool import Ids, Pool, Row, pick, share
from chatcli.sampling.random import draw_seed, uniform
from chatcli.sampling.report import Run, probs_of, seen
from chatcli.sampling.settings import checked
from chatcli.sampling.stages import LESSONS, STAGES
from chatcli.sampling.types import Draw, SamplingConfig, StageTrace, View
from chatcli.sampling.words import bound, unbound

if TYPE_CHECKING:
    from chatcli.text.types import Tokenizer

__all__ = ["SamplerChain"]


class SamplerChain:
    """Draws tokens by one config under one seed.

    These two are its only state, but for the ends that steer by what was drawn before: what
    they go on from is remembered for each place in the reply, so that the same place gives the
    same draw again, and a place that is new here starts afresh, as every reply does.
    """

    _unbound: str | None

    def __init__(self, config: SamplingConfig) -> None:
        self._set(config, draw_seed() if config.seed is None else config.seed)

    def bind(self, tokenizer: Tokenizer) -> None:
        """Learn the ids that the settings name as text, and the ends, from the tokenizer in use.

        `config` stays as it was given.
        """
        self._bound = bound(self._config, tokenizer)
        self._unbound = None

    @property
    def config(self) -> SamplingConfig:
        """The settings in force."""
        return self._config

    @property
    def seed(self) -> int:
        """The seed in force: the config's, or the one drawn when the chain was made."""
        return self._seed

    def sample(
        self, logits: Tensor, history: Sequence[int], *, prompt_length: int = 0, top: int = 10
    ) -> Draw:
        """Draw the token that follows `history` (all ids so far, prompt included).

        `logits` [V], of any float dtype and device, are left untouched. `top` is how many
        of the model's best candidates are reported; the drawn token always is. Neither
        `top` nor anything drawn before changes the token. Raises LogitsError for logits
        with NaN or +inf or nothing finite and where the stages leave no token, and
        SamplingError for a bias on a token that doesn't exist.
        """
        return self.observe(logits, history, prompt_length=prompt_length, top=top)[0]

    def observe(
        self, logits: Tensor, history: Sequence[int], *, prompt_length: int = 0, top: int = 10
    ) -> tuple[Draw, View]:
        """`sample`, together with how the model itself saw the drawn token."""
        return self._observe(self._run(logits, history, prompt_length), top)

    def survey(
        self,
        logits: Tensor,
        history: Sequence[int],
        tokens: Sequence[int],
        *,
        prompt_length: int = 0,
        top: int = 10,
    ) -> tuple[Draw, View, tuple[tuple[float, ...], ...]]:
        """`observe` and `stage_probs` by a single pass of the stages."""
        run = self._run(logits, history, prompt_length)
        return *self._observe(run, top), _stage_probs(run, tokens)

    def witness(
        self,
        logits: Tensor,
        history: Sequence[int],
        token: int,
        *,
        prompt_length: int = 0,
        top: int = 10,
    ) -> tuple[Draw, View]:
        """`observe`, for a `token` that is there already, whatever this chain would draw.

        The same as `observe` where it would draw `token`. Where it wouldn't, `u` lies outside
        of `interval`, and that is None if the stages left the token nothing.
        """
        run = self._run(logits, history, prompt_length)
        if self._config.greedy:
            return seen(run, _argmax(run.last), token, None, None, top)
        u = uniform(self._seed, len(history))
        self._learn(run, token)
        return seen(run, run.last, token, u, share(run.last, token), top)

    def stage_probs(
        self,
        logits: Tensor,
        history: Sequence[int],
        tokens: Sequence[int],
        *,
        prompt_length: int = 0,
    ) -> tuple[tuple[float, ...], ...]:
        """For each of `tokens`, its probability after each active stage, in order.

        0 once a stage has removed it. Raises what `sample` raises.
        """
        return _stage_probs(self._run(logits, history, prompt_length), tokens)

    def survivors(self, logits: Tensor, history: Sequence[int], *, prompt_length: int = 0) -> Pool:
        """What the stages leave to draw from; greedy, the best alone. Nothing is drawn or learnt.

        `sample` gives what `pick` picks from it. Raises what `sample` raises.
        """
        last = self._run(logits, history, prompt_length).last
        return _argmax(last) if self._config.greedy else last

    def describe(self) -> str:
        """The active stages in order: "temperature 0.8 → top_k 40 → top_p 0.95"."""
        return describe(self._config)

    def memory(self, index: int) -> dict[str, Any] | None:
        """What the token at `index` of the reply (from 0) goes on from, as plain JSON; None where
        nothing is remembered."""
        return self._memory.plain(index)

    def recall(self, memory: Mapping[str, Any] | None) -> None:
        """Go on from what another chain's `memory` gave. Raises SamplingError if it is none."""
        self._memory = MemoryByIndex.from_plain(memory)

    def state(self) -> dict[str, Any]:
        """All that decides what this chain draws next, as plain JSON."""
        memory = self._memory.plain(self._memory.newest)
        return {"config": self._config.to_dict(), "seed": self._seed, "memory": memory}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the chain whose `state()` this was, to be bound again where it was bound.

        Raises SamplingError if it is none.
        """
        if not {"config", "seed"} <= state.keys():
            raise SamplingError(f"a sampler state has config and seed, this one {sorted(state)}")
        config = SamplingConfig.from_dict(state["config"])
        memory = MemoryByIndex.from_plain(state.get("memory"))
        self._set(config, checked("seed", state["seed"]))
        self._memory = memory

    def _run(self, logits: Tensor, history: Sequence[int], prompt_length: int) -> Run:
        if self._unbound is not None:
            raise SamplingError(
                f"{self._unbound} needs a tokenizer: bind the chain to one, or give ids"
            )
        row = _checked_row(logits)
        context = Context(
            self._bound,
            self._rules,
            history,
            prompt_length,
            row.size,
            self._seed,
            self._memory.at(len(history) - prompt_length),
        )
        return _run(self._stages, _whole(row), context)

    def _observe(self, run: Run, top: int) -> tuple[Draw, View]:
        if self._config.greedy:
            best = _argmax(run.last)
            return seen(run, best, int(best.ids[0]), None, None, top)
        u = uniform(self._seed, len(run.context.history))
        token, interval = pick(run.last, u)
        self._learn(run, token)
        return seen(run, run.last, token, u, interval, top)

    def _learn(self, run: Run, token: int) -> None:
        """Remember, for the next place, what the stages learn from `token`."""
        if self._lessons:
            pools = (run.first, *run.pools)
            context = run.context
            learnt = {
                name: LESSONS[name](pools[at], pools[at + 1], token, context)
                for at, name in self._lessons
            }
            self._memory.put(len(context.history) - context.prompt_length + 1, learnt)

    def _set(self, config: SamplingConfig, seed: int) -> None:
        self._config, self._seed, self._rules = config, seed, preset_for(config.order)
        self._bound, self._unbound = config, unbound(config)
        self._stages = tuple(stage.name for stage in active_stages(config))
        self._lessons = tuple((at, name) for at, name in enumerate(self._stages) if name in LESSONS)
        self._memory = MemoryByIndex()


def _stage_probs(run: Run, tokens: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    ids = np.asarray(tokens, dtype=np.int64)
    after = np.stack([probs_of(pool, ids) for pool in (run.first, *run.pools)], axis=1)
    return tuple(map(tuple, after[:, 1:].tolist()))


def _run(stages: Sequence[str], first: Pool, context: Context) -> Run:
    pool, pools, traces, removals = first, [], [], []
    for name in stages:
        after, mass = pool.surviving(STAGES[name](pool, context))
        if not after.ids.size:
            raise LogitsError(f"{name} left no token to draw from; loosen it")
        traces.append(StageTrace(name, after.ids.size, mass, after.entropy_bits))
        if after.ids.size < pool.ids.size:
            removals.append((name, after))
        pool = after
        pools.append(pool)
    return Run(context, first, tuple(pools), tuple(traces), tuple(removals))


def _checked_row(logits: Tensor) -> Row:
    """The logits in float64 on the CPU; raises LogitsError if nothing can be drawn from them."""
    if logits.ndim != 1 or not len(logits):
        raise LogitsError(f"logits must be one row [V], got the shape {list(logits.shape)}")
    plain = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
    # NumPy widens the row, for torch's threads would cost more.
    row = plain.numpy(force=True).astype(np.float64, copy=False)
    best = float(row.max())  # NaN if any is
    if not math.isfinite(best):
        what = {math.inf: "+inf", -math.inf: "nothing but -inf"}.get(best, "NaN")
        raise LogitsError(
            f"the model's logits hold {what}: its weights may be damaged, or overflow in "
            "its dtype (try float32)"
        )
    return row


def _whole(row: Row) -> Pool:
    """Every token that the model itself doesn't rule out."""
    if row.min() > -np.inf:
        return Pool.of(_all_ids(row.size), row)
    ids = np.flatnonzero(row > -np.inf)
    return Pool.of(ids, row[ids])


@lru_cache(maxsize=2)
def _all_ids(vocab_size: int) -> Ids:
    """Every id of a vocabulary; one read-only array for all draws."""
    ids = np.arange(vocab_size)
    ids.flags.writeable = False
    return ids


def _argmax(pool: Pool) -> Pool:
    """The pool that holds the best token alone, the lowest id on ties."""
    best = pool.ids[[np.argmax(pool.logits)]]
    return Pool.of(best, np.zeros(1))
