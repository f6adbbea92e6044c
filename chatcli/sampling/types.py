"""The records of sampling: the settings, and what one draw did and saw.

The rules that turn settings into a token are in `stages`, `orders` and `chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Candidate", "Draw", "SamplingConfig", "StageTrace"]


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a token is drawn from logits. Validated once, when made (raises SamplingError)."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    order: str | tuple[str, ...] = "hf"
    seed: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether the argmax is taken and no luck is needed."""
        return self.temperature == 0


@dataclass(frozen=True, slots=True)
class StageTrace:
    """What one stage did: survivors, the mass of the distribution before it that they hold,
    and the entropy after it, in bits."""

    name: str
    kept: int
    mass: float
    entropy_bits: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One token of the vocabulary before and after the chain.

    `rank` is 1-based by the model's own probability; `logit` and `raw_prob` are the
    model's own; `prob` is after the chain, 0 when removed; `removed_by` names the stage.
    """

    token: int
    rank: int
    logit: float
    raw_prob: float
    prob: float
    removed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """One token drawn, and why it was this one.

    `u` is the uniform number that decided and `interval` the slice of [0, 1) that the
    token owned (both None when greedy). `probs` [V] is the distribution after the whole
    chain; it is left out of comparison and repr.
    """

    token: int
    probs: Tensor = field(compare=False, repr=False)
    stages: tuple[StageTrace, ...]
    u: float | None
    interval: tuple[float, float] | None
    candidates: tuple[Candidate, ...]
