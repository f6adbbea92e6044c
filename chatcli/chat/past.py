"""What lies before a message, as one model knows it: turns, and the ids it knows them by.

Where the beginning of that changes (another system prompt, turns that fell out), what is left
of the ids is grafted onto the new beginning, so that what the model wrote stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatcli.chat.context import Renderer
from chatcli.chat.tree import Tree
from chatcli.chat.types import Turn
from chatcli.text.types import Message

__all__ = ["Past"]


@dataclass(frozen=True, slots=True)
class Past:
    """The turns before a message.

    `ids` hold the turns from `forgotten` on, after `preamble`; they are empty where there are
    none that count, for another checkpoint wrote them.
    """

    turns: Sequence[Turn]
    ids: Sequence[int]
    forgotten: int
    preamble: tuple[Message, ...]
    renderer: Renderer
    tree: Tree

    def seen_from(self, first: int, preamble: tuple[Message, ...]) -> Sequence[int]:
        """The ids of the turns from `first` on after `preamble`; none where they can't be kept."""
        if first == self.forgotten and preamble == self.preamble:
            return self.ids
        if not self.ids or first >= len(self.turns):
            return ()
        start = self._start(first)
        opening = self._opening(first, preamble)
        return () if start is None or opening is None else [*opening, *self.ids[start:]]

    def _opening(self, first: int, preamble: tuple[Message, ...]) -> list[int] | None:
        """What is read up to the reply of turn `first`, if the template then goes on as before."""
        old = self.renderer.history(self.preamble, self.turns[self.forgotten :])
        new = self.renderer.history(preamble, self.turns[first:])
        asked = self.renderer.prompt(preamble, (), self.turns[first].user)
        rest = new[len(asked) :]
        if new[: len(asked)] != asked or not rest or old[-len(rest) :] != rest:
            return None
        prefill = self.turns[first].prefill
        return self.renderer.prompt(preamble, (), self.turns[first].user, prefill=prefill)

    def _start(self, index: int) -> int | None:
        """Where in `ids` the reply of turn `index` begins; None where it isn't as it was written.

        A turn's own ids say where it began then; later turns may have been grafted onto other
        beginnings, and each moved it.
        """
        moved = 0
        for number in range(len(self.turns) - 1, index, -1):
            later, turn = self.turns[number], self.turns[number - 1]
            if later.shared < turn.shared + len(turn.tail):
                added = self._added(number)
                if added is None:
                    return None
                moved += later.prompt_length - len(added) - turn.new_tokens - turn.prompt_length
        turn = self.turns[index]
        start = turn.prompt_length + moved
        reply = self.tree.ids(turn.id)[turn.prompt_length :]
        return start if list(self.ids[start : start + len(reply)]) == reply else None

    def _added(self, number: int) -> list[int] | None:
        """What turn `number` added to the ids before it, up to its reply."""
        turn, before = self.turns[number], self.tree.ids(self.turns[number - 1].id)
        return self.renderer.added(
            turn.preamble,
            self.turns[turn.forgotten : number],
            turn.user,
            before[-1],
            prefill=turn.prefill,
        )
