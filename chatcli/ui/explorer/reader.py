"""The model's side of the explorer: a thread that reads the newest text, and no key waits for it.

A request that a newer one replaces is given up between two blocks of a prompt, or never begun.
What was read is remembered, so going back needs no forward pass; the cache keeps what the texts
share, so going on feeds what is new.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from chatcli.engine.decode import check_prompt, prefill
from chatcli.errors import ChatcliError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.next_character import NextCharacter, next_characters
from chatcli.probe.spelling import continuing
from chatcli.probe.watch import Sighting, Watched, watched_probs
from chatcli.probe.waterfall import Place
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

__all__ = ["Reader", "Reading", "Request"]

_REMEMBERED = 128 << 20  # bytes of places
_CHARACTERS = 100  # told of
_PAUSE_S = 0.1  # between two looks at what isn't all known yet
_LEAVE_S = 2.0  # how long a pass that is under way is waited for


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: `ids`, a text typed behind them, and the strings to watch there.

    `past` asks for the watched strings at as many places before, too; `characters` for the next
    character, by the model's own distribution or by the `chain` of these settings.
    """

    ids: tuple[int, ...]
    text: str = ""
    special: bool = False
    watched: tuple[Watched, ...] = ()
    past: int = 0
    characters: bool = False
    chain: SamplingConfig | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What came of a request; it may come in several, as parts of it get ready.

    `sightings` are by the number of ids they stand behind. `remark` is what a person should
    know of the text; `failure` is an error that no person can cause.
    """

    request: Request
    place: Place | None = None
    sightings: tuple[tuple[int, tuple[Sighting, ...]], ...] = ()
    characters: NextCharacter | None = None
    remark: str = ""
    error: str = ""
    failure: BaseException | None = None


class Reader:
    """`deliver` is called with readings, in the reader's own thread; `close` ends it."""

    def __init__(self, model: LanguageModel, deliver: Callable[[Reading], None]) -> None:
        self._model, self._deliver = model, deliver
        self._cache, self._past = model.new_cache(), model.new_cache()
        self._seen: dict[tuple[tuple[int, ...], tuple[Watched, ...]], tuple[Sighting, ...]] = {}
        self._places: OrderedDict[tuple[int, ...], Place] = OrderedDict()
        self._room = _REMEMBERED
        self._changed = threading.Condition()
        self._newest: Request | None = None
        self._due = 0.0
        self._begun = self._closed = False
        self._thread = threading.Thread(target=self._work, name="explorer", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def want(self, request: Request, *, wait_s: float = 0.0) -> None:
        """Read this instead of whatever was asked for, unless another comes within `wait_s`."""
        with self._changed:
            if request != self._newest:
                self._newest, self._begun = request, False
                self._due = time.monotonic() + wait_s
                self._changed.notify()

    def close(self) -> None:
        """Give up what is being read; nothing is delivered any more."""
        with self._changed:
            self._closed, self._newest = True, None
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_S)

    def _work(self) -> None:
        while (request := self._next()) is not None:
            try:
                for reading in self._read(request):
                    self._hand_over(reading)
            except ChatcliError as error:
                self._hand_over(Reading(request, error=str(error)))
            except Exception as failure:
                self._hand_over(Reading(request, failure=failure))

    def _next(self) -> Request | None:
        """The newest request once it is due; None when closed."""
        with self._changed:
            while not self._closed:
                if self._newest is None or self._begun:
                    self._changed.wait()
                elif (rest := self._due - time.monotonic()) > 0:
                    self._changed.wait(rest)
                else:
                    self._begun = True
                    return self._newest
        return None

    def _hand_over(self, reading: Reading) -> None:
        if self._newest is reading.request:
            self._deliver(reading)

    def _read(self, request: Request) -> Iterator[Reading]:
        """Raises ContextError, LogitsError, UsageError."""

        def stale() -> bool:
            return self._newest is not request

        tokenizer = self._model.tokenizer
        text = request.text
        ids = request.ids + continuing(tokenizer, request.ids, text, special=request.special)
        lost = tokenizer.unreadable(text, special=request.special) if text else ""
        place = self._place(ids, stale)
        if place is None:
            return
        yield Reading(request, place, remark=_lost(lost))
        if request.characters:
            yield from self._characters(request, place, stale)
        for length in self._places_watched(request, len(ids)):
            seen = self._sightings(request, ids[:length], stale)
            if seen is None:
                return
            yield Reading(request, sightings=((length, seen),))

    def _characters(
        self, request: Request, place: Place, stale: Callable[[], bool]
    ) -> Iterator[Reading]:
        """What is known of the next character, more and more of it."""
        chain = None if request.chain is None else SamplerChain(request.chain)
        found = next_characters(
            self._model,
            place.ids,
            cache=self._cache,
            logits=place.logits,
            chain=chain,
            top=_CHARACTERS,
            cancelled=stale,
        )
        shown, last = -math.inf, None
        for last in found:
            if time.monotonic() - shown > _PAUSE_S:
                yield Reading(request, characters=last)
                shown = time.monotonic()
        if last is not None:
            yield Reading(request, characters=last)

    def _places_watched(self, request: Request, length: int) -> Iterator[int]:
        """The newest place first, then those before it in the order of the text."""
        if request.watched:
            yield length
            yield from range(max(1, length - request.past), length)

    def _sightings(
        self, request: Request, ids: tuple[int, ...], stale: Callable[[], bool]
    ) -> tuple[Sighting, ...] | None:
        known = self._seen.get((ids, request.watched))
        if known is None:
            row, cache = self._row(ids, stale)
            if row is None:
                return None
            known = watched_probs(self._model, ids, row, request.watched, cache, stale)
            if known is not None:
                self._seen[ids, request.watched] = known
        return known

    def _row(
        self, ids: tuple[int, ...], stale: Callable[[], bool]
    ) -> tuple[Tensor | None, KVCache]:
        """Logits [V] after `ids`, and the cache to go on with.

        Places that were never on the screen have a cache of their own: the text's stays as it is.
        """
        if ids in self._places:
            return self._places[ids].logits, self._cache
        logits = prefill(self._model, self._past.reuse(ids), self._past, stale)
        return None if logits is None else logits[-1], self._past

    def _place(self, ids: tuple[int, ...], stale: Callable[[], bool]) -> Place | None:
        if ids in self._places:
            self._places.move_to_end(ids)
            return self._places[ids]
        check_prompt(self._model, ids)
        logits = prefill(self._model, self._cache.reuse(ids), self._cache, stale)
        if logits is None:
            return None
        place = self._places[ids] = Place.of(ids, logits[-1])
        self._room -= place.nbytes
        while self._room < 0 and len(self._places) > 1:
            self._room += self._places.popitem(last=False)[1].nbytes
        return place


def _lost(characters: str) -> str:
    shown = characters[:20]
    return f"this model's vocabulary has no {shown}" if characters else ""
