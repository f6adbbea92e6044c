"""What a report says of a text: of every token what it was chosen from, in plain figures.

Made from the Steps of a reply that is retraced, or from a trace, which needs no model. Rows of
probabilities are let go of at once, so that ten thousand tokens are held in little. How it
looks is the business of `ui`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from statistics import fmean

import numpy as np

from chatcli.engine.types import Step
from chatcli.probe.trace import Position, Sample, Trace
from chatcli.sampling.types import Candidate, StageTrace
from chatcli.text.control import is_control_shaped
from chatcli.text.detokenizer import StreamDetokenizer
from chatcli.text.types import TokenBytes, Tokenizer
from chatcli.text.visible import token_label

__all__ = ["Passage", "Report", "Rival", "Told", "told_sample", "told_steps"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A token that could have come, the likeliest first.

    `raw_prob` is the model's own; `prob` is after the chain, 0 where `removed_by` took it out,
    None where that isn't known.
    """

    token: int
    label: str
    raw_prob: float
    prob: float | None
    removed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One token of a text. `text` are the characters that it completes, "" inside of one.

    `control` is a token that is no text. `rivals` hold the token itself, too, last where it
    isn't among the best.
    """

    token: int
    label: str
    text: str
    control: bool
    raw_prob: float
    prob: float | None
    rank: int | None
    entropy_bits: float
    u: float | None
    interval: tuple[float, float] | None
    stages: tuple[StageTrace, ...]
    rivals: tuple[Rival, ...]

    @property
    def surprisal(self) -> float:
        """In bits, by the model's own probability; infinite for what it rules out."""
        return -math.log2(self.raw_prob) if self.raw_prob > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Passage:
    """A text under the name of who said it; `told` where it is known token by token.

    `role` is "system", "user", "assistant", or "prompt". `about` says in a few words what it
    was made with, `made` in full, by name; `note` why there is nothing to tell where that
    isn't plain.
    """

    role: str
    name: str
    text: str
    told: tuple[Told, ...] = ()
    about: tuple[str, ...] = ()
    made: tuple[tuple[str, str], ...] = ()
    note: str | None = None

    def figures(self) -> list[str]:
        """What the tokens come to, by the model's own probabilities."""
        mean = fmean(one.surprisal for one in self.told)
        entropy = f"entropy {fmean(one.entropy_bits for one in self.told):.2f} bits/token"
        if not math.isfinite(mean):
            return [entropy]
        return [f"surprisal {mean:.2f} bits/token", f"perplexity {2**mean:,.2f}", entropy]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page shows; each of `turns` is the passages under one number."""

    title: str
    facts: tuple[str, ...]
    turns: tuple[tuple[Passage, ...], ...]


def told_steps(
    steps: Iterable[Step], tokenizer: Tokenizer, prompt: Sequence[int]
) -> Iterator[Told]:
    """What there is to say of the steps that follow `prompt`."""
    detokenizer, label = tokenizer.detokenizer(tuple(prompt)), _labels(tokenizer)
    for step in steps:
        draw, text = step.draw, detokenizer.add(step.token)
        yield Told(
            token=step.token,
            label=token_label(tokenizer, step.token, text),
            text=text,
            control=tokenizer.is_special(step.token),
            raw_prob=step.raw_prob,
            prob=step.prob,
            rank=step.rank,
            entropy_bits=step.entropy_bits,
            u=draw.u,
            interval=draw.interval,
            stages=draw.stages,
            rivals=tuple(_rival(each, label) for each in draw.candidates),
        )


def told_sample(trace: Trace, sample: Sample, *, top: int) -> Iterator[Told]:
    """What a trace says of one sample: probabilities before the chain, and after it that of the
    token alone, for what the chain made of the others isn't written down."""
    detokenizer, label = StreamDetokenizer(trace.token_bytes), _labels(trace)
    for token in sample.prompt_ids:
        detokenizer.add(token)
    for position in sample.positions:
        yield _told(position, trace, top, detokenizer.add(position.token), label)


def _labels(tokens: TokenBytes) -> Callable[[int], str]:
    """The labels of tokens, each made once: candidates come again and again."""
    return cache(partial(token_label, tokens))


def _rival(candidate: Candidate, label: Callable[[int], str]) -> Rival:
    return Rival(
        token=candidate.token,
        label=label(candidate.token),
        raw_prob=candidate.raw_prob,
        prob=candidate.prob,
        removed_by=candidate.removed_by,
    )


def _told(
    position: Position, trace: Trace, top: int, text: str, label: Callable[[int], str]
) -> Told:
    tokens = position.tokens.tolist()
    probs = np.exp(position.logits - position.logsumexp).tolist()
    place, drawn = tokens.index(position.token), _drawn(position)
    control = is_control_shaped(trace.token_bytes(position.token).decode("utf-8", "replace"), None)
    others = 0.0 if drawn == 1 else None
    kept = [*range(min(top, len(tokens))), *([place] if place >= top else [])]
    return Told(
        token=position.token,
        label=token_label(trace, position.token, text),
        text="" if control else text,
        control=control,
        raw_prob=probs[place],
        prob=drawn,
        rank=place + 1 if place < trace.top else None,
        entropy_bits=position.entropy_bits,
        u=position.u,
        interval=position.interval,
        stages=(),
        rivals=tuple(
            Rival(
                token=tokens[at],
                label=label(tokens[at]),
                raw_prob=probs[at],
                prob=drawn if at == place else others,
            )
            for at in kept
        ),
    )


def _drawn(position: Position) -> float | None:
    """The probability after the chain: 1 where there is no luck, else the width of its interval."""
    if position.u is None:
        return 1.0
    return None if position.interval is None else position.interval[1] - position.interval[0]
