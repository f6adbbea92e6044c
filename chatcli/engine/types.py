"""The records of generation: one Step a token, one Chunk a piece of text, one Usage a reply."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from chatcli.sampling.types import Draw

__all__ = ["Chunk", "Finish", "Step", "Usage"]

Finish = Literal["eos", "length", "stop", "context", "interrupted", "error"]


@dataclass(frozen=True, slots=True)
class Step:
    """One generated token.

    `index` counts generated tokens from 0, `position` is the token's place in the whole
    sequence. `raw_prob`, `rank` (1-based) and `entropy_bits` are of the model's own
    distribution, `prob` is the probability after the chain; `seconds` is the time since
    the step before (for the first: the prefill included).
    """

    index: int
    position: int
    token: int
    raw_prob: float
    prob: float
    rank: int
    entropy_bits: float
    draw: Draw
    seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a reply cost: tokens, and seconds of prefill and decoding.

    `prompt_tokens` counts the whole prompt, `reused_tokens` those of it that the cache
    already held, `new_tokens` those generated.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    new_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Decoded tokens a second after the first one, which belongs to the prefill."""
        if self.new_tokens < 2 or self.decode_seconds <= 0:
            return 0.0
        return (self.new_tokens - 1) / self.decode_seconds

    def __add__(self, other: Usage) -> Usage:
        """What two stretches of one reply cost together."""
        return Usage(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of streamed text: whole characters only, with the steps that made it.

    The last chunk of a stream has `finish` set; `usage` is up to date in every chunk.
    """

    text: str
    steps: tuple[Step, ...] = ()
    finish: Finish | None = None
    usage: Usage = field(default_factory=Usage)
