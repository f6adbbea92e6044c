"""The records of sampling: the settings, and what one draw did and saw.

The rules that turn settings into a token are in `stages`, `orders` and `chain`; what
makes a setting legal is in `settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from chatcli.errors import SamplingError
from chatcli.sampling.settings import FrozenBias, checked
from chatcli.sampling.words import WordBiases, Words

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Candidate", "Draw", "SamplingConfig", "StageTrace", "View"]


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a token is drawn from logits. Validated once, when made (raises SamplingError).

    `temperature` 0 is greedy. Whatever isn't said is off; `catalog` tells what each stage does.
    Settings named alike belong together, and do nothing while the first of them is off:

    penalty_window, dry_window   how many of the newest tokens are looked at; None is the order's
                       own (the whole context; llamacpp 64)
    logit_bias         adds to the logits of token ids, -inf bans one; it can't be changed here
    sequence_bias, bad_words     what is completed is biased or banned: texts, or sequences of ids
    allowed_ids        all others are banned; None: none are
    eos_ids            what min_length and min_new_tokens ban and bad_words spare; None: the
                       tokenizer's
    dry_breakers       where repeats end; None: newline, colon, quote and asterisk, where the
                       tokenizer is known
    xtc_spared         never removed (order mlx), or what stays XTC (textgen); None: newline and
                       the ends
    adaptive_target    -1 is off
    order              a preset's name (hf, llamacpp, vllm, mlx, textgen) or stage names: those
                       run, in that order, and no others
    seed               in [0, 2**64); None draws one
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=FrozenBias)
    sequence_bias: WordBiases = ()
    bad_words: Words = ()
    allowed_ids: tuple[int, ...] | None = None
    min_length: int = 0
    min_new_tokens: int = 0
    eos_ids: tuple[int, ...] | None = None
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_window: int | None = None
    dry_breakers: Words | None = None
    no_repeat_ngram_size: int = 0
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_n_sigma: float = 0.0
    top_h: float = 0.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    p_less: bool = False
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    xtc_spared: Words | None = None
    adaptive_target: float = -1.0
    adaptive_decay: float = 0.9
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    order: str | tuple[str, ...] = "hf"
    seed: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, checked(each.name, getattr(self, each.name)))

    @property
    def greedy(self) -> bool:
        """Whether the argmax is taken and no luck is needed."""
        return self.temperature == 0

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON: ids are strings as keys, and a ban (-inf) is null."""
        plain = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        plain["logit_bias"] = {str(id_): _plain(bias) for id_, bias in self.logit_bias.items()}
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; missing settings take their defaults.

        Raises SamplingError on a setting that doesn't exist or is out of range.
        """
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(plain) - known)
        if unknown:
            raise SamplingError(f"unknown sampling setting {unknown[0]!r}; known: {sorted(known)}")
        settings = dict(plain)
        if isinstance(bias := settings.get("logit_bias"), Mapping):
            settings["logit_bias"] = FrozenBias.from_plain(bias)
        return cls(**settings)


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
    chain (float32, on the CPU); it is left out of comparison and repr.
    """

    token: int
    probs: Tensor = field(compare=False, repr=False)
    stages: tuple[StageTrace, ...]
    u: float | None
    interval: tuple[float, float] | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The drawn token as the model itself saw it, before any stage.

    `rank` is 1-based; `entropy_bits` is of the model's own distribution.
    """

    raw_prob: float
    rank: int
    entropy_bits: float


def _plain(value: Any) -> Any:
    """As JSON has it: lists for tuples, null for the one number that JSON doesn't know."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if value == float("-inf") else value
