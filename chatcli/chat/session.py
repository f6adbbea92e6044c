"""How a session begins."""

from __future__ import annotations

import secrets
import time

from chatcli.chat.types import Session, Settings

__all__ = ["new_session"]


def new_session(model: str, settings: Settings) -> Session:
    """A session without a turn, for the checkpoint that is loaded by the name `model`."""
    now = time.time()
    seed = secrets.randbits(64)
    return Session(secrets.token_hex(4), now, now, model, settings=settings, seed=seed)
