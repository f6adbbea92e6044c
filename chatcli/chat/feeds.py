"""How a cache was filled, so that it can be filled again to the last bit.

A product of one row rounds otherwise than the same row among many. So a conversation that is
taken up again feeds its ids in the pieces in which they were fed the first time; then its
next reply has the ids it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from chatcli.chat.types import Feed
from chatcli.engine.decode import Cancelled
from chatcli.model.types import Checkpoint, KVCache, LanguageModel
from chatcli.text.types import Tokenizer

__all__ = ["FeedLog", "RecordingModel", "refill"]

_LONG = 1.0  # seconds of refilling after which a person is told


class FeedLog:
    """The forward calls behind the ids that a cache holds now."""

    def __init__(self) -> None:
        self._feeds: list[Feed] = []
        self._ids: list[int] = []

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The calls, oldest first; calls of the same size in a row are one Feed."""
        return tuple(self._feeds)

    def fed(self, start: int, ids: Sequence[int]) -> None:
        """`ids` were fed after the first `start` that the cache held; it forgot the others."""
        self._crop(start)
        self._ids += ids
        self._append(Feed(len(ids)))

    def restore(self, feeds: Sequence[Feed], ids: Sequence[int]) -> None:
        """Take over the log of a cache that holds `ids`, as it was kept."""
        self._feeds, self._ids = list(feeds), list(ids)

    def _append(self, feed: Feed) -> None:
        last = self._feeds[-1] if self._feeds else None
        if last is not None and last.size == feed.size and not last.lost and not feed.lost:
            self._feeds[-1] = Feed(feed.size, last.repeat + feed.repeat)
        else:
            self._feeds.append(feed)

    def _crop(self, length: int) -> None:
        while len(self._ids) > length:
            feed = self._feeds.pop()
            start = len(self._ids) - feed.kept
            whole, part = divmod(max(length - start, 0), feed.size)
            if whole:
                self._append(Feed(feed.size, whole))
            if part:
                end = start + (whole + 1) * feed.size
                cut = tuple(self._ids[start + whole * feed.size + part : end])
                lost = cut + (feed.lost if whole + 1 == feed.repeat else ())
                self._append(Feed(feed.size, 1, lost))
            del self._ids[max(length, start) :]


class RecordingModel:
    """A LanguageModel that notes in `log` what one cache is fed."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.log = FeedLog()

    @property
    def checkpoint(self) -> Checkpoint:
        return self.model.checkpoint

    @property
    def tokenizer(self) -> Tokenizer:
        return self.model.tokenizer

    def new_cache(self) -> KVCache:
        return self.model.new_cache()

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        start = len(cache.tokens)
        logits = self.model.forward(ids, cache, last=last)
        self.log.fed(start, ids)
        return logits


def refill(
    model: RecordingModel,
    cache: KVCache,
    ids: Sequence[int],
    feeds: Sequence[Feed],
    *,
    cancelled: Cancelled,
    slow: Callable[[], None],
) -> bool:
    """Fill an empty `cache` with `ids` as `feeds` says; `slow` is called once if it takes long.

    Returns False, with an empty cache, where `cancelled()` was true before the end.
    """
    began = time.monotonic()
    told = False
    for piece, kept in _calls(ids, feeds):
        if cancelled():
            cache.crop(0)
            return False
        if not told and time.monotonic() - began > _LONG:
            told = True
            slow()
        start = len(cache.tokens)
        model.model.forward(piece, cache, last=True)
        cache.crop(start + kept)
    model.log.restore(feeds, cache.tokens)
    return True


def _calls(ids: Sequence[int], feeds: Sequence[Feed]) -> Iterator[tuple[list[int], int]]:
    """Each call: the ids it was given, and how many of them were kept."""
    start = 0
    for feed in feeds:
        for call in range(feed.repeat):
            lost = feed.lost if call + 1 == feed.repeat else ()
            kept = feed.size - len(lost)
            yield [*ids[start : start + kept], *lost], kept
            start += kept
