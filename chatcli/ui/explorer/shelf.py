"""Where explorations of one checkpoint are kept: the store, opened only when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatcli.chat.store import store_path
from chatcli.chat.walks import Walks
from chatcli.model.types import Checkpoint

__all__ = ["StoreShelf"]


class StoreShelf:
    """The `Shelf` of a checkpoint in the user's own store. Raises StoreError."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def names(self) -> tuple[str, ...]:
        """Those that this checkpoint can read, the newest first; none where nothing is kept."""
        if not store_path().exists():
            return ()
        with Walks.open(create=False) as walks:
            return tuple(one.name for one in walks.all() if one.digest == self._checkpoint.digest)

    def holds(self, name: str) -> bool:
        """Whether any checkpoint's has that name."""
        if not store_path().exists():
            return False
        with Walks.open(create=False) as walks:
            return any(one.name == name for one in walks.all())

    def save(self, name: str, walk: Mapping[str, Any]) -> None:
        """Keep it, in place of what had that name."""
        with Walks.open() as walks:
            walks.save(name, self._checkpoint.name, self._checkpoint.digest, walk)

    def load(self, name: str) -> Mapping[str, Any]:
        """The one of that name."""
        with Walks.open() as walks:
            return walks.load(name, self._checkpoint.digest)

    def delete(self, name: str) -> None:
        """Remove it, from the disk too."""
        with Walks.open() as walks:
            walks.delete(name)
