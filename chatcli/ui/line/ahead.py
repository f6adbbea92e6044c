"""Lines that were typed before there was a prompt, while the model was still loading.

The terminal took them in its own line mode, in which Enter is a newline; read as keys they
would be the beginning of one long message.
"""

from __future__ import annotations

import os
import select

__all__ = ["typed_ahead"]

_MOST = 1 << 16


def typed_ahead(descriptor: int) -> list[str]:
    """The whole lines that wait in a terminal in line mode; what isn't ended yet stays there."""
    if os.name == "nt":
        return []  # a console's keys can't be waited for so
    typed = b""
    while len(typed) < _MOST and select.select([descriptor], [], [], 0)[0]:
        piece = os.read(descriptor, 4096)
        if not piece:  # Ctrl-D, or a terminal that is gone: the prompt will find out
            break
        typed += piece
    return typed.decode("utf-8", "replace").splitlines()
