"""The next character, which is what a person asks for: the next token may be less or more.

    1. each token's probability goes to the first character that it spells
    2. a token that leaves a character open waits; the likeliest of those that wait is fed,
       and what may follow it is shared out in the same way
    3. until as good as all has a place, or enough was fed

Ends, control tokens, bytes that can't become a character, and what still waits have places of
their own, so that all of it is 1. What a character is, `text.characters` says.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from chatcli.engine.decode import Cancelled
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.following import Following
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.pool import Row
from chatcli.text.characters import (
    END,
    INVALID,
    OPEN,
    SPECIAL,
    Beginnings,
    Pending,
    character_table,
)

__all__ = ["CharacterShare", "Kind", "NextCharacter", "Path", "next_character", "next_characters"]

Kind = Literal["character", "other", "end", "special", "invalid", "unresolved"]

_ENOUGH, _PASSES = 0.99, 32  # when it ends: mass that has its place, or further passes
_PATHS = 3  # told of each share
_CODES: dict[int, Kind] = {END: "end", SPECIAL: "special", INVALID: "invalid"}


@dataclass(frozen=True, slots=True)
class Path:
    """Tokens in a row, and the probability that they come."""

    tokens: tuple[int, ...]
    prob: float


@dataclass(frozen=True, slots=True)
class CharacterShare:
    """One possibility: a character (`text`), or what else may come, by `kind`.

    `other` stands for all characters that have no share of their own, `special` for control
    tokens and ids that spell nothing, `unresolved` for characters that are still open. `paths`
    are the likeliest of those that lead there.
    """

    kind: Kind
    text: str
    prob: float
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class NextCharacter:
    """What the next character may be, after `prompt_ids`.

    `pending` are the bytes of a character that the prompt leaves open. `chain` is the sampler
    chain as text, None where it is the model's own distribution. `passes` counts forward passes
    beside the prompt's own, `others` the characters that have no share of their own. `shares`
    has the likeliest characters, then one of each other kind; together they are 1. A character's
    probability may still grow by what is unresolved.
    """

    prompt_ids: tuple[int, ...]
    pending: bytes
    chain: str | None
    passes: int
    others: int
    shares: tuple[CharacterShare, ...]

    def prob(self, kind: Kind) -> float:
        """The probability of a kind."""
        return sum(share.prob for share in self.shares if share.kind == kind)


def next_character(
    model: LanguageModel,
    ids: Sequence[int],
    *,
    cache: KVCache | None = None,
    logits: Tensor | None = None,
    chain: SamplerChain | None = None,
    top: int = 10,
    enough: float = _ENOUGH,
    passes: int = _PASSES,
) -> NextCharacter:
    """What `next_characters` comes to in the end."""
    own = Following(model, ids, cache, chain, None)
    *_, search = _searches(own, logits, enough, passes, lambda: False)
    return search.found(top)


def next_characters(
    model: LanguageModel,
    ids: Sequence[int],
    *,
    cache: KVCache | None = None,
    logits: Tensor | None = None,
    chain: SamplerChain | None = None,
    prompt_length: int | None = None,
    top: int = 10,
    enough: float = _ENOUGH,
    passes: int = _PASSES,
    cancelled: Cancelled = lambda: False,
) -> Iterator[NextCharacter]:
    """The `top` likeliest characters after `ids` (at least one id), ever surer.

    First as the ids alone tell, then once more after each further forward pass. Ends when
    `enough` of the probability has its place, after `passes` such passes or once `cancelled`.
    The distribution is the model's own, or what `chain` makes of it, which stays as it is.
    `logits` [V] are those after `ids`, where they are at hand. `cache` is left with all of
    `ids`; nobody else may use it meanwhile. Raises ContextError, LogitsError and UsageError as
    `next_token` does.
    """
    own = Following(model, ids, cache, chain, prompt_length)
    for search in _searches(own, logits, enough, passes, cancelled):
        yield search.found(top)


def _searches(
    own: Following,
    logits: Tensor | None,
    enough: float,
    passes: int,
    cancelled: Cancelled,
) -> Iterator[_Search]:
    """One search, before each further forward pass and after the last."""
    first = own.first(logits, cancelled)
    if first is None:
        return
    search = _Search(own, first)
    try:
        yield search
        while search.unresolved > 1 - enough and search.passes < passes and not cancelled():
            if not search.go_on():
                return
            yield search
    finally:
        own.release()


class _Search:
    """Which mass has found its place, and which waits, likeliest first."""

    def __init__(self, own: Following, first: Row) -> None:
        self._own = own
        model = own.model
        self._room = model.checkpoint.context_length - len(own.ids)
        self._table = character_table(model.tokenizer, first.size)  # type: ignore[arg-type]  # by identity
        self._characters: defaultdict[str, float] = defaultdict(float)
        self._kinds = dict.fromkeys(_CODES.values(), 0.0)
        self._waiting: list[_Waiting] = []
        self._stuck: list[_Waiting] = []  # there is no room to feed them
        self._shared: list[tuple[Path, Beginnings, Row]] = []
        self._pending = self._table.pending(own.ids)
        self.passes = 0
        self._share_out(Path((), 1.0), self._pending, first)

    @property
    def unresolved(self) -> float:
        """The mass that waits."""
        return math.fsum(one.path.prob for one in (*self._waiting, *self._stuck))

    def go_on(self) -> bool:
        """Feed the likeliest that waits and share out what may follow; False where none can be."""
        if not self._waiting:
            return False
        one = heapq.heappop(self._waiting)
        self._share_out(one.path, one.pending, self._own.after(one.path.tokens))
        self.passes += 1
        return True

    def found(self, top: int) -> NextCharacter:
        """What is known by now."""
        best = heapq.nsmallest(top, self._characters.items(), key=lambda one: (-one[1], one[0]))
        rest = math.fsum(self._characters.values()) - math.fsum(mass for _, mass in best)
        waiting = heapq.nsmallest(_PATHS, [*self._waiting, *self._stuck])
        shares = [
            *(CharacterShare("character", text, mass, self._paths(text)) for text, mass in best),
            CharacterShare("other", "", max(0.0, rest)),
            *(
                CharacterShare(kind, "", self._kinds[kind], self._paths(code))
                for code, kind in _CODES.items()
            ),
            CharacterShare("unresolved", "", self.unresolved, tuple(one.path for one in waiting)),
        ]
        return NextCharacter(
            prompt_ids=tuple(self._own.ids),
            pending=self._pending.data,
            chain=self._own.chain,
            passes=self.passes,
            others=len(self._characters) - len(best),
            shares=tuple(shares),
        )

    def _share_out(self, path: Path, before: Pending, probs: Row) -> None:
        """Give what may follow `path`, whose text ends with `before`, its place."""
        known = self._table.beginnings(before)
        masses = path.prob * probs[known.ids]  # (n,)
        sums = np.bincount(known.first - SPECIAL, masses, minlength=-SPECIAL).tolist()
        for code, kind in _CODES.items():
            self._kinds[kind] += sums[code - SPECIAL]
        if before.data:
            self._kinds["invalid"] += max(0.0, path.prob * float(probs.sum()) - sum(sums))
        for character, mass in zip(known.characters, sums[-SPECIAL:], strict=False):
            if mass:
                self._characters[character] += mass
        for at in np.flatnonzero((known.first == OPEN) & (masses > 0)):
            self._put(path, before, int(known.ids[at]), float(masses[at]))
        self._shared.append((path, known, masses))

    def _put(self, path: Path, before: Pending, token: int, mass: float) -> None:
        waiting = _Waiting(Path((*path.tokens, token), mass), self._table.after(before, token))
        if len(waiting.path.tokens) > self._room:
            self._stuck.append(waiting)
        else:
            heapq.heappush(self._waiting, waiting)

    def _paths(self, begun: str | int) -> tuple[Path, ...]:
        """The likeliest ways to a character, or to one of the codes."""
        ways: list[Path] = []
        for path, known, masses in self._shared:
            number = known.characters.get(begun) if isinstance(begun, str) else begun
            if number is None:
                continue
            places = np.flatnonzero((known.first == number) & (masses > 0))
            for at in places[np.argsort(-masses[places], kind="stable")[:_PATHS]]:
                ways.append(Path((*path.tokens, int(known.ids[at])), float(masses[at])))
        return tuple(sorted(ways, key=lambda way: (-way.prob, way.tokens))[:_PATHS])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Tokens that leave a character open, and what their text ends with."""

    path: Path
    pending: Pending

    def __lt__(self, other: _Waiting) -> bool:
        return (-self.path.prob, self.path.tokens) < (-other.path.prob, other.path.tokens)
