"""The whole vocabulary at one place of a text, and how a chain of stages lets it fall.

A Place is what the model says there, ranked once; a Waterfall is a Place under a chain. Both
hold rows of the vocabulary's size and make records of the few tokens that are looked at, so
another setting costs passes of the chain and no forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from chatcli.engine.types import Step
from chatcli.errors import LogitsError
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Candidate, StageTrace

__all__ = ["Fall", "Place", "Waterfall"]

_BLOCK = 64  # ranks whose falls are made together


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What the model says after `ids`.

    `logits` [V] are on the CPU, `order` (V,) are the ids by rank, ties by id, `ranks` (V,)
    their 1-based ranks, and `probs` (V,) the model's own distribution; `possible` counts those
    that it doesn't rule out.
    """

    ids: tuple[int, ...]
    logits: Tensor
    order: npt.NDArray[np.int64]
    ranks: npt.NDArray[np.int64]
    probs: npt.NDArray[np.float64]
    possible: int

    @classmethod
    def of(cls, ids: Sequence[int], logits: Tensor) -> Self:
        """Raises LogitsError where nothing could be drawn from `logits` [V]."""
        row = logits.detach().float().cpu()
        values = row.numpy().astype(np.float64)
        best = values.max()
        if not np.isfinite(best):
            raise LogitsError(
                "the model's logits hold NaN, +inf or nothing but -inf: its weights may be "
                "damaged, or overflow in its dtype (try float32)"
            )
        order = np.argsort(-values, kind="stable")
        ranks = np.empty_like(order)
        ranks[order] = np.arange(1, order.size + 1)
        probs = np.exp(values - best)
        possible = int(np.count_nonzero(values > -np.inf))
        return cls(tuple(ids), row, order, ranks, probs / probs.sum(), possible)

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take."""
        return int(self.logits.nbytes + self.order.nbytes + self.ranks.nbytes + self.probs.nbytes)


@dataclass(frozen=True, slots=True)
class Fall:
    """A token as it falls: `probs` after each stage, in order; 0 once it is removed."""

    candidate: Candidate
    probs: tuple[float, ...]


class Waterfall:
    """A Place under a chain that is bound. Raises what `SamplerChain.observe` raises.

    `prompt_length` of the ids were given, to stages that ask; `memory` is what the chain goes
    on from, where its ends steer by what was drawn before; `top` as for `observe`. The rank
    `near` (0-based) is where somebody looks first.
    """

    def __init__(
        self,
        place: Place,
        chain: SamplerChain,
        *,
        prompt_length: int,
        memory: Mapping[str, Any] | None = None,
        top: int = 0,
        near: int = 0,
    ) -> None:
        chain.recall(memory)
        self.place, self.chain = place, chain
        self._prompt_length, self._memory = prompt_length, memory
        block = near // _BLOCK
        tokens = self._tokens(block)
        self.draw, self.view, probs = chain.survey(
            place.logits, place.ids, tokens, prompt_length=prompt_length, top=top
        )
        self._blocks = {block: tuple(map(self._fall, tokens, probs))}

    @property
    def stages(self) -> tuple[StageTrace, ...]:
        """What each active stage did, in order."""
        return self.draw.stages

    @cached_property
    def step(self) -> Step:
        """What taking the drawn token would be."""
        draw, view = self.draw, self.view
        return Step(
            index=len(self.place.ids) - self._prompt_length,
            position=len(self.place.ids),
            token=draw.token,
            raw_prob=view.raw_prob,
            prob=1.0 if draw.interval is None else draw.interval[1] - draw.interval[0],
            rank=view.rank,
            entropy_bits=view.entropy_bits,
            draw=draw,
            seconds=0.0,
        )

    def best(self, start: int, count: int) -> tuple[Fall, ...]:
        """The falls of `count` tokens from rank `start` + 1 on, as many as there are."""
        first, last = start // _BLOCK, (start + max(count, 1) - 1) // _BLOCK
        near = tuple(fall for block in range(first, last + 1) for fall in self._block(block))
        skipped = start - first * _BLOCK
        return near[skipped : skipped + count]

    def falls(self, tokens: Sequence[int]) -> tuple[Fall, ...]:
        """The falls of these tokens."""
        if not tokens:
            return ()
        probs = self.chain.stage_probs(
            self.place.logits, self.place.ids, tokens, prompt_length=self._prompt_length
        )
        return tuple(map(self._fall, tokens, probs))

    def memory_after(self, token: int) -> dict[str, Any] | None:
        """What the chain goes on from where `token` is what comes next."""
        chain, ids = self.chain, self.place.ids
        index = len(ids) - self._prompt_length + 1
        if chain.memory(index) is not None and token != self.draw.token:
            chain.recall(self._memory)
            chain.witness(self.place.logits, ids, token, prompt_length=self._prompt_length, top=0)
        return chain.memory(index)

    def _block(self, index: int) -> tuple[Fall, ...]:
        """Some falls at once, for whoever looks at one looks at the next."""
        if index not in self._blocks:
            self._blocks[index] = self.falls(self._tokens(index))
        return self._blocks[index]

    def _tokens(self, block: int) -> list[int]:
        tokens: list[int] = self.place.order[block * _BLOCK : (block + 1) * _BLOCK].tolist()
        return tokens

    def _fall(self, token: int, probs: tuple[float, ...]) -> Fall:
        place = self.place
        candidate = Candidate(
            token=token,
            rank=int(place.ranks[token]),
            logit=float(place.logits[token]),
            raw_prob=float(place.probs[token]),
            prob=float(self.draw.probs[token]),
            removed_by=self._remover(probs),
        )
        return Fall(candidate, probs)

    def _remover(self, probs: tuple[float, ...]) -> str | None:
        """The stage that removed it: the first that removed any and left it nothing."""
        if not probs or probs[-1]:
            return None
        held = self.place.possible
        for trace, prob in zip(self.stages, probs, strict=True):
            if prob == 0 and trace.kept < held:
                return trace.name
            held = trace.kept
        return None
