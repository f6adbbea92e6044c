"""Text that goes on from ids that are there: which ids it becomes, and whether it can at all."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.errors import UsageError
from chatcli.text.types import Tokenizer

__all__ = ["continuing", "spelled", "starting_ids"]

_ANCHOR = "\n"


def starting_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """What the checkpoint puts before every text, if anything."""
    return tuple(tokenizer.encode("", bos=True))


def continuing(
    tokenizer: Tokenizer, before: Sequence[int], text: str, *, special: bool = False
) -> tuple[int, ...]:
    """The ids that `text` adds after `before`, whose own ids stay as they are.

    A tokenizer that puts a space before every text (SentencePiece) does so only at the start.
    """
    if not text:
        return ()
    start = starting_ids(tokenizer)
    if tuple(before) == start:
        return tuple(tokenizer.encode(text, bos=True, special=special))[len(start) :]
    return _inner(tokenizer, text, special)


def spelled(tokenizer: Tokenizer, text: str, *, what: str = "the text") -> tuple[int, ...]:
    """The ids of a `text` that goes on from another one.

    Raises UsageError on a text that is empty, or that this vocabulary can't spell; `what` it
    is called there.
    """
    if not text:
        raise UsageError(f"{what} is empty; give it some text")
    if lost := tokenizer.unreadable(text):
        raise UsageError(
            f"{what} {text!r} can't be spelt: this model's vocabulary has no {lost!r}; "
            "leave it out, or choose another text"
        )
    return _inner(tokenizer, text, False)


def _inner(tokenizer: Tokenizer, text: str, special: bool) -> tuple[int, ...]:
    """The ids of `text` in the middle of another one."""
    ids = tokenizer.encode(text, special=special)
    data = b"".join(map(tokenizer.token_bytes, ids))
    if data.startswith(b" ") and not text.startswith(" "):
        anchor = tokenizer.encode(_ANCHOR)
        anchored = tokenizer.encode(_ANCHOR + text, special=special)
        if anchored[: len(anchor)] == anchor:
            ids = anchored[len(anchor) :]
    return tuple(ids)
