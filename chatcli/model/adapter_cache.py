"""The KVCache of models that run through transformers, over whatever cache it makes for them.

Which kind that is, and how it is fed, is the adapter's business (`transformers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["AdapterCache"]


class AdapterCache:
    """A KVCache over whatever cache transformers makes for a model.

    Where that can't forget single tokens (a sliding window that has moved on, a recurrent
    state), it is dropped whole, and what is kept of the ids is fed again by `forward`.
    """

    def __init__(self, make_state: Callable[[], Any]) -> None:
        self.tokens: list[int] = []
        self.state: Any = None
        self.filled = 0
        self._make_state = make_state

    def reuse(self, ids: Sequence[int]) -> list[int]:
        """Crop to the longest common prefix with `ids`; return what must still be fed.

        Never empty: at least the last id is fed again. Raises ValueError on empty `ids`.
        """
        if not ids:
            raise ValueError("reuse needs at least one id")
        pairs = zip(self.tokens, ids[:-1], strict=False)
        shared = next((i for i, (held, new) in enumerate(pairs) if held != new), None)
        self.crop(min(len(self.tokens), len(ids) - 1) if shared is None else shared)
        # Ids whose keys and values were dropped are fed again, so they are not reused.
        del self.tokens[self.filled :]
        return list(ids[len(self.tokens) :])

    def crop(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises ValueError where there are fewer."""
        if not 0 <= length <= len(self.tokens):
            raise ValueError(f"crop to {length}: the cache holds {len(self.tokens)} tokens")
        del self.tokens[length:]
        if self.filled > length:
            self.filled = length if self._forget(self.filled - length) else 0

    def pending(self, ids: Sequence[int]) -> list[int]:
        """What must run so that `ids` are held after the tokens."""
        return [*self.tokens[self.filled :], *ids]

    @property
    def recurrent(self) -> bool:
        """Whether the state can't be taken back: a recurrent one, or of an older transformers."""
        return not getattr(self.state, "is_croppable", False)

    def opened(self) -> Any:
        """transformers' own cache, to be fed with what is `pending`.

        Until `filled` is set again it counts as empty, for a forward that fails leaves some
        of its layers longer than others.
        """
        if self.filled == 0:
            self.state = self._make_state()
        self.filled = 0
        return self.state

    def _forget(self, count: int) -> bool:
        """Take `count` tokens off the state's end; False where it can't do that exactly."""
        if self.recurrent:
            return False
        try:
            self.state.crop(-count)
        except RuntimeError:
            return False
        return True
