"""What a person should know of a conversation: one line each, before it costs them something."""

from __future__ import annotations

from chatcli.chat.origin import differences
from chatcli.chat.types import Origin, Turn
from chatcli.chat.window import Window

__all__ = ["fallen", "little_room", "nearly_full", "not_promised"]


def fallen(before: int, now: int, read: int) -> str:
    """Turns after the first `before` up to `now` fell out, so `read` tokens are read again."""
    fell = "falls" if now == before + 1 else "fall"
    return (
        f"{_turns(before + 1, now)} {fell} out of the context: the model no longer sees "
        f"{'it' if now == before + 1 else 'them'}, and {read:,} tokens are read again"
    )


def little_room(room: int) -> str:
    """The prompt leaves only `room` tokens for the reply, and nothing more can fall out."""
    tokens = "token" if room == 1 else "tokens"
    return f"the message leaves {room:,} {tokens} of the context: the reply ends there"


def nearly_full(window: Window) -> str:
    """The next message may cost something."""
    cost = "a longer message will be refused"
    if window.next_out:
        out = _turns(window.forgotten + 1, window.forgotten + window.next_out)
        cost = f"the next message may push {out} out of it"
    return f"the context is nearly full, {window.used:,}/{window.total:,}: {cost}; see /context"


def not_promised(head: Turn, now: Origin) -> str | None:
    """Why the next reply may not be what it would have been without a break; None where it is."""
    if not head.runs:
        return None
    then = head.runs[-1].origin
    if then.digest != now.digest:
        return f"the replies so far were written by {then.name}; going on from their text"
    changes = ", ".join(differences(then, now))
    return f"{changes}: the same replies as without a break aren't promised" if changes else None


def _turns(first: int, last: int) -> str:
    return f"turn {first}" if first == last else f"turns {first} to {last}"
