"""Which of several endings a model finds likeliest after a prompt: its log-likelihoods.

Endings are tokenised after the prompt and scored on the prompt's own ids, which are read once.
Four ways to set long and short, common and rare endings on a par are here; what the prompt is
and where its endings come from is left to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from chatcli.errors import ContextError, UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.score import foretold
from chatcli.text.types import Tokenizer

__all__ = ["NORMS", "Choice", "Ending", "Judge", "Norm", "Verdict", "beginnings", "endings"]

Norm = Literal["sum", "token", "byte", "prior"]
NORMS: tuple[Norm, ...] = get_args(Norm)

# After one of them a tokenizer cuts a text as if it stood alone, but puts no space before it.
_ANCHORS = ("\n", "。", "a")


@dataclass(frozen=True, slots=True)
class Ending:
    """A choice, and the ids that it has after the prompt.

    `merged`: read in one with the prompt, its beginning is part of a token that the prompt's end
    belongs to as well; `ids` are then what it has by itself.
    """

    choice: str
    text: str
    ids: tuple[int, ...]
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """An ending's figures: `logprob` and `prior` in nats, `prior` without the prompt.

    `score` is what choices are compared by, `share` its softmax among them.
    """

    ending: Ending
    logprob: float
    prior: float | None
    score: float
    share: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """All choices, in the order given, and which of them is the likeliest, the first on ties."""

    prompt_ids: tuple[int, ...]
    norm: Norm
    choices: tuple[Choice, ...]
    best: int

    @property
    def chosen(self) -> str:
        """The likeliest choice."""
        return self.choices[self.best].ending.choice


def endings(
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    joined: Callable[[str], Sequence[int]],
    choices: Sequence[str],
    between: str = "",
) -> tuple[Ending, ...]:
    """The choices as endings of `prompt`, each after `between`.

    `joined` gives the ids of the prompt with a text at its end. Raises UsageError on fewer than
    two choices, an empty one, two that are equal, and two that this vocabulary spells alike.
    """
    _check(choices)
    found: dict[tuple[int, ...], Ending] = {}
    for choice in choices:
        ending = _ending(tokenizer, prompt, joined, choice, between)
        if (other := found.setdefault(ending.ids, ending)) is not ending:
            raise UsageError(
                f"the choices {other.choice!r} and {choice!r} are the same tokens to this model, "
                "so nothing could tell them apart; change one"
            )
    return tuple(found.values())


def beginnings(given: Iterable[Ending]) -> Iterator[tuple[Ending, Ending]]:
    """Pairs of which the first one's ids begin the second one's.

    The likelihood of the first is then that of all that goes on from it, the second included.
    """
    known = list(given)
    for short in known:
        for long in known:
            if short is not long and long.ids[: len(short.ids)] == short.ids:
                yield short, long


class Judge:
    """Weighs endings, prompt after prompt; what one shares with the next is read once.

    With the norm "prior", an ending's log-likelihood after a neutral prompt is taken off, so
    that a word isn't chosen for being common.
    """

    def __init__(self, model: LanguageModel, norm: Norm = "sum") -> None:
        self._model, self.norm = model, norm
        self._cache: KVCache = model.new_cache()
        self._neutral_cache: KVCache = model.new_cache()
        self._priors: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}

    def weigh(
        self, prompt: Sequence[int], given: Sequence[Ending], neutral: Sequence[int] = ()
    ) -> Verdict:
        """`neutral` is the neutral prompt, which the norm "prior" needs.

        Raises ContextError where prompt and ending don't fit, LogitsError as `score` does.
        """
        sums = [self._logprob(prompt, ending, self._cache) for ending in given]
        by_prior = self.norm == "prior"
        priors = [self._prior(neutral, ending) if by_prior else None for ending in given]
        scores = [
            _normed(self.norm, ending, logprob, prior)
            for ending, logprob, prior in zip(given, sums, priors, strict=True)
        ]
        rows = zip(given, sums, priors, scores, _softmax(scores), strict=True)
        best = max(range(len(scores)), key=lambda index: scores[index])
        return Verdict(tuple(prompt), self.norm, tuple(Choice(*row) for row in rows), best)

    def _prior(self, neutral: Sequence[int], ending: Ending) -> float:
        key = (tuple(neutral), ending.ids)
        if key not in self._priors:
            self._priors[key] = self._logprob(neutral, ending, self._neutral_cache)
        return self._priors[key]

    def _logprob(self, prompt: Sequence[int], ending: Ending, cache: KVCache) -> float:
        ids = [*prompt, *ending.ids]
        context = self._model.checkpoint.context_length
        if (excess := len(ids) - 1 - context) > 0:
            raise ContextError(
                f"the prompt and the choice {ending.choice!r} are {len(ids):,} tokens long and "
                f"the context {context:,}; shorten them by {excess:,}"
            )
        tokens = foretold(self._model, ids, len(prompt), cache)
        return math.fsum(token.logprob for token in tokens if token.logprob is not None)


def _check(choices: Sequence[str]) -> None:
    if len(choices) < 2:
        raise UsageError(f"{len(choices)} choice; give two or more to choose from")
    for index, choice in enumerate(choices):
        if not choice:
            raise UsageError(f"choice {index + 1} is empty; give it a text, or leave it out")
        if choice in choices[:index]:
            raise UsageError(f"the choice {choice!r} is given twice; drop one")


def _ending(
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    joined: Callable[[str], Sequence[int]],
    choice: str,
    between: str,
) -> Ending:
    text = between + choice
    whole = list(joined(text))
    if whole[: len(prompt)] == list(prompt) and len(whole) > len(prompt):
        return Ending(choice, text, tuple(whole[len(prompt) :]))
    ids = _alone(tokenizer, text)
    if not ids:
        raise UsageError(f"the choice {choice!r} has no tokens in this vocabulary; change it")
    return Ending(choice, text, tuple(ids), merged=True)


def _alone(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text inside another, none of them shared with what is before it."""
    for anchor in _ANCHORS:
        head, whole = tokenizer.encode(anchor), tokenizer.encode(anchor + text)
        if whole[: len(head)] == head:
            return whole[len(head) :]
    return tokenizer.encode(text)


def _normed(norm: Norm, ending: Ending, logprob: float, prior: float | None) -> float:
    if norm == "token":
        return logprob / len(ending.ids)
    if norm == "byte":
        return logprob / len(ending.choice.encode("utf-8", "replace"))
    if prior is None or logprob == -math.inf:
        return logprob
    return logprob - prior


def _softmax(scores: Sequence[float]) -> list[float]:
    """Shares of 1; NaN where no choice, or more than one beyond measure, has any probability."""
    peak = max(scores)
    if math.isinf(peak):
        return [math.nan] * len(scores)
    weights = [math.exp(score - peak) for score in scores]
    return [weight / sum(weights) for weight in weights]
