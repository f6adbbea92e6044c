"""The tree of turns, and the whole of what each turn keeps only a part of.

Turns know their parent; here are the ways down and along, and the ids and feeds of a turn put
together again from those of the turns above it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence

from chatcli.chat.types import Feed, Turn
from chatcli.errors import StoreError
from chatcli.text.types import Message

__all__ = ["Tree", "common", "messages_of", "new_turn_id"]


class Tree:
    """Turns by id. Raises StoreError on turns that make no tree."""

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns: dict[int, Turn] = {}
        self._children: dict[int | None, list[int]] = {}
        for turn in turns:
            self.put(turn)
        self._check()

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[int]:
        return iter(self._turns)

    def __getitem__(self, id: int) -> Turn:
        return self._turns[id]

    def put(self, turn: Turn) -> None:
        """Add a turn, or put a newer state in its place."""
        if turn.id not in self._turns:
            self._children.setdefault(turn.parent, []).append(turn.id)
        self._turns[turn.id] = turn

    def path(self, id: int | None) -> tuple[Turn, ...]:
        """The turns from the first to `id`; none for None."""
        turns: list[Turn] = []
        while id is not None:
            turns.append(self._turns[id])
            id = turns[-1].parent
        return tuple(reversed(turns))

    def children(self, id: int | None) -> tuple[Turn, ...]:
        """The turns right after `id` (None: the first ones), in the order they came."""
        return tuple(self._turns[child] for child in self._children.get(id, ()))

    def leaves(self) -> tuple[Turn, ...]:
        """The answered turns that no answered turn follows."""
        return tuple(
            turn
            for turn in self._turns.values()
            if turn.answered and not any(one.answered for one in self.children(turn.id))
        )

    def ids(self, id: int) -> list[int]:
        """All ids of a turn: the prompt it read and the reply."""
        turn = self._turns[id]
        pieces, wanted = [turn.tail], turn.shared
        while wanted:
            turn = self._parent(turn)
            if wanted > turn.shared:
                pieces.append(turn.tail[: wanted - turn.shared])
                wanted = turn.shared
        return [token for piece in reversed(pieces) for token in piece]

    def feeds(self, id: int) -> list[Feed]:
        """How the cache was filled that held the ids of a turn."""
        turn = self._turns[id]
        pieces, wanted = [turn.feeds], turn.shared_feeds
        while wanted:
            turn = self._parent(turn)
            if wanted > turn.shared_feeds:
                pieces.append(turn.feeds[: wanted - turn.shared_feeds])
                wanted = turn.shared_feeds
        return [feed for piece in reversed(pieces) for feed in piece]

    def _parent(self, turn: Turn) -> Turn:
        if turn.parent is None:
            raise StoreError(f"turn {turn.id} shares ids with a turn before it, but is the first")
        return self._turns[turn.parent]

    def _check(self) -> None:
        sound: set[int | None] = {None}
        for id in self._turns:
            walk: dict[int | None, None] = {}
            at: int | None = id
            while at not in sound:
                if at in walk or at not in self._turns:
                    raise StoreError(
                        f"a kept conversation is damaged: turn {id} doesn't lead back to a "
                        "first one; `chatcli sessions export` may still read other branches"
                    )
                walk[at] = None
                at = self._turns[at].parent
            sound.update(walk)


def messages_of(turns: Iterable[Turn]) -> list[Message]:
    """The messages of answered turns, the preamble apart."""
    messages: list[Message] = []
    for turn in turns:
        messages += (Message("user", turn.user), Message("assistant", turn.reply))
    return messages


def common(left: Sequence[object], right: Sequence[object]) -> int:
    """The length of the longest common beginning."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def new_turn_id() -> int:
    """An id that no other process makes, and that JSON can hold."""
    return secrets.randbelow((1 << 53) - 1) + 1
