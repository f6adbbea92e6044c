"""A trace: of each token that was drawn, all that decides what other settings would have drawn.

Of a row of logits it keeps the best and the token that was drawn, and sums over the rest. The
file has a JSON object a line: a header; for each sample its settings and prompt, then its
positions; an end. Making one is the business of `tracing`, reading it of `trace_reading`,
drawing again from it of `replay`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatcli.sampling.pool import Ids, Row
from chatcli.sampling.types import SamplingConfig

__all__ = ["VERSION", "Position", "Rest", "Sample", "Trace"]

VERSION = 1


@dataclass(frozen=True, slots=True)
class Rest:
    """The finite logits of a row that are not kept one by one, of which there is at least one.

    `max`, `mean` and `spread` (standard deviation) are of the logits; `entropy_bits` and
    `agreement` (Σ p²) of the distribution over them alone.
    """

    count: int
    max: float
    logsumexp: float
    mean: float
    spread: float
    entropy_bits: float
    agreement: float


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """One drawn token, and the row that it was drawn from.

    `tokens` (n,) are the best in rank order and, last, the drawn one where it isn't among
    them; `logits` (n,) are theirs. `streams` has the luck of stages besides `u`, by stream;
    `memory`, what the ends of the chain went on from. `logsumexp` and `entropy_bits` are of
    the whole row.
    """

    index: int
    position: int
    token: int
    logit: float
    u: float | None
    interval: tuple[float, float] | None
    streams: Mapping[int, float]
    logsumexp: float
    entropy_bits: float
    tokens: Ids
    logits: Row
    rest: Rest | None
    memory: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One reply, or a stretch of one: its settings, what came before it, its tokens.

    `top` is how many of the best logits each position has.
    `sampling` is as it was given, `bound` the same in ids; `eos_ids` and `xtc_spared` are what
    the tokenizer has for settings that leave them open. Of `prompt_ids` the first
    `prompt_length` were the prompt; any others were written before, and went on.
    """

    sample: int
    top: int
    seed: int
    sampling: SamplingConfig
    bound: SamplingConfig
    checkpoint: Mapping[str, Any]
    eos_ids: tuple[int, ...]
    xtc_spared: tuple[tuple[int, ...], ...]
    prompt_ids: tuple[int, ...]
    prompt_length: int
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """All of a file. `pieces` are the bytes of every token named in it.

    `cut` says where the file breaks off, "line 12"; None where it is whole.
    """

    chatcli: str
    top: int
    samples: tuple[Sample, ...]
    pieces: Mapping[int, bytes] = field(default_factory=dict)
    cut: str | None = None

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token, empty for one that isn't named in the trace."""
        return self.pieces.get(token, b"")
