"""One reply while it is written: what has come so far, and the turn that this makes.

The display reads its chunks and the keeper its snapshots, from two threads.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence

from chatcli.chat.feeds import FeedLog
from chatcli.chat.tree import Tree, common
from chatcli.chat.types import Origin, Run, Turn
from chatcli.engine.types import Chunk, Finish, Usage
from chatcli.sampling.chain import SamplerChain

__all__ = ["Draft"]


class Draft:
    """A turn whose reply grows by the chunks that pass through `follow`.

    `said` is the reply's text before the first chunk: its prefill, or all that was written
    before it goes on; `ids` are those of the prompt and of what was written before.
    """

    def __init__(
        self,
        turn: Turn,
        tree: Tree,
        log: FeedLog,
        *,
        ids: Sequence[int],
        said: str,
        chain: SamplerChain,
        origin: Origin,
    ) -> None:
        self._turn, self._log = turn, log
        self._chain, self._origin = chain, origin
        self._ids, self._texts = list(ids), [said]
        self._new = 0
        self._finish: Finish | None = None
        self._usage = Usage()
        self._lock = threading.Lock()
        self._parent_ids = [] if turn.parent is None else tree.ids(turn.parent)
        self._parent_feeds = [] if turn.parent is None else tree.feeds(turn.parent)

    @property
    def message(self) -> str:
        """The message that is replied to."""
        return self._turn.user

    @property
    def started(self) -> bool:
        """Whether a token has come."""
        return self._new > 0

    def rebase(self, ids: Sequence[int], prompt_length: int, forgotten: int) -> None:
        """From here on the reply goes on from `ids`, which hold all of it so far."""
        with self._lock:
            self._ids = list(ids)
            self._turn = dataclasses.replace(
                self._turn, prompt_length=prompt_length, forgotten=forgotten
            )

    def follow(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Pass the chunks on, each when it has been taken in."""
        for chunk in chunks:
            with self._lock:
                self._ids += [step.token for step in chunk.steps]
                self._new += len(chunk.steps)
                self._texts.append(chunk.text)
                self._finish, self._usage = chunk.finish, chunk.usage
            yield chunk

    def leave(self) -> None:
        """No chunk comes any more: without an end of its own, the reply was interrupted."""
        with self._lock:
            self._finish = self._finish or "interrupted"

    def turn(self) -> Turn:
        """The turn so far; of its ids and feeds, what the parent doesn't have."""
        with self._lock:
            ids, feeds = self._ids, self._log.feeds
            shared, shared_feeds = common(self._parent_ids, ids), common(self._parent_feeds, feeds)
            memory = self._chain.memory(len(ids) - self._turn.prompt_length)
            sampling = self._chain.config
            run = Run(self._new, sampling, self._origin, self._finish, self._usage, memory)
            return dataclasses.replace(
                self._turn,
                reply="".join(self._texts) if self._turn.runs or self._new else "",
                shared=shared,
                tail=tuple(ids[shared:]),
                shared_feeds=shared_feeds,
                feeds=feeds[shared_feeds:],
                runs=(*self._turn.runs, run) if self._new else self._turn.runs,
            )
