"""The ids of a conversation: what the model wrote stays as it is, templates add the rest.

A new turn appends to the ids at hand what the template puts between them and the next
reply. Where a template rewrites what came before, or never marks the end of a turn, the
whole is encoded anew, and the cache still reuses the common beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.text.types import Message, Tokenizer

__all__ = ["next_prompt"]


def next_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    so_far: Sequence[int],
    *,
    prefill: str = "",
) -> list[int]:
    """Ids to generate from, for `messages` that end with the user's newest.

    `so_far` are the ids of all turns before it, as they were fed and generated; empty for
    the first turn. Raises TemplateError and UsageError as encode_chat does.
    """
    whole = tokenizer.encode_chat(messages, prefill=prefill)
    if not so_far:
        return whole
    before = tokenizer.encode_chat(messages[:-1], add_generation_prompt=False)
    closing = _closing(before, so_far, tokenizer.eos_ids)
    if closing is None or whole[: len(before)] != before:
        return whole
    return [*so_far, *closing, *whole[len(before) :]]


def _closing(
    before: Sequence[int], so_far: Sequence[int], eos_ids: frozenset[int]
) -> list[int] | None:
    """What the template writes after a reply's text that `so_far` doesn't hold yet."""
    ends = [index for index, token in enumerate(before) if token in eos_ids]
    if not ends:
        return None
    written = so_far[-1] in eos_ids
    return list(before[ends[-1] + written :])
