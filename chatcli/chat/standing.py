"""Where a conversation stands: the branch in hand, what was said on it, what the model holds.

To be looked at only; what changes any of it is in `conversation`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.chat.branches import Branches, BranchView
from chatcli.chat.speaker import Speaker
from chatcli.chat.tree import Tree, messages_of
from chatcli.chat.types import Origin, Session, Turn
from chatcli.chat.window import Window, window
from chatcli.errors import UsageError
from chatcli.model.types import KVCache, LanguageModel
from chatcli.text.types import Message

__all__ = ["Standing"]


class Standing:
    """A session, the tree of its turns, and the model that speaks in it."""

    tree: Tree
    _session: Session
    _speaker: Speaker

    @property
    def session(self) -> Session:
        """The session as it stands."""
        return self._session

    @property
    def model(self) -> LanguageModel:
        """The checkpoint of the next reply."""
        return self._speaker.model

    @property
    def origin(self) -> Origin:
        """Where the next reply will come from."""
        return self._speaker.origin

    @property
    def cache(self) -> KVCache:
        """What the model holds of what it was fed; to be looked at only."""
        return self._speaker.cache

    @property
    def head(self) -> Turn | None:
        """The turn that the next message follows."""
        return None if self._session.head is None else self.tree[self._session.head]

    @property
    def path(self) -> tuple[Turn, ...]:
        """The turns of the branch in hand, first to last."""
        return self.tree.path(self._session.head)

    @property
    def messages(self) -> Sequence[Message]:
        """All messages of the branch in hand, the system prompt first where there is one."""
        return (*self._session.settings.preamble, *messages_of(self.path))

    @property
    def ids(self) -> Sequence[int]:
        """The ids of the branch in hand, as they were fed and generated."""
        return () if self._session.head is None else tuple(self.tree.ids(self._session.head))

    @property
    def unanswered(self) -> Turn | None:
        """A message that got no reply, newer than all that follows the head."""
        later = self.tree.children(self._session.head)
        return later[-1] if later and not later[-1].answered else None

    def turn(self, number: int) -> Turn:
        """Turn `number` of the branch in hand, from 1. Raises UsageError where there is none."""
        path = self.path
        if not path:
            raise UsageError("there is no turn yet; write a message first")
        if not 1 <= number <= len(path):
            raise UsageError(f"there is no turn {number}; the turns are 1 to {len(path)}")
        return path[number - 1]

    def prompt_ids(self) -> list[int]:
        """What the model has before it: the ids of the branch, or of the preamble alone."""
        past, renderer = self._speaker.past(self.head), self._speaker.renderer
        return list(past.ids) or renderer.history(self._session.settings.preamble, past.turns)

    def window(self) -> Window:
        """How full the context is, and what the next message may cost."""
        return window(self._speaker.planner, self._speaker.past(self.head), self._session.settings)

    def next_out(self) -> int:
        """How many turns fall out of the context when it overflows the next time."""
        past = self._speaker.past(self.head)
        return self._speaker.planner.next_out(past, self._session.settings)

    def branches(self) -> tuple[BranchView, ...]:
        """The named branches, then the ends that no branch leads to."""
        return self._branches.views()

    @property
    def _branches(self) -> Branches:
        return Branches(self._session, self.tree)
