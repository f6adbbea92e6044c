"""How a session begins, and what it may be called."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chatcli.chat.search import folded
from chatcli.chat.types import Session, Settings
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.chat.listing import Summary

__all__ = ["check_name", "new_session"]


def new_session(model: str, settings: Settings) -> Session:
    """A session without a turn, for the checkpoint that is loaded by the name `model`."""
    now = time.time()
    seed = secrets.randbits(64)
    return Session(secrets.token_hex(4), now, now, model, settings=settings, seed=seed)


def check_name(name: str, kept: Iterable[Summary], session_id: str | None = None) -> None:
    """Raises UsageError on a name that can't be one, or that another of the kept sessions has.

    `session_id` is the one that is to be named; None: one that isn't kept yet.
    """
    if not name.strip() or not name.isprintable():
        raise UsageError(f"a conversation can't be named {name!r}; give it some letters")
    for each in kept:
        if each.name and folded(each.name) == folded(name) and each.id != session_id:
            raise UsageError(
                f"conversation {each.id} is named {each.name!r} already; choose another"
            )
