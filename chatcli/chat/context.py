"""The ids of a conversation: what the model wrote stays as it is, templates add the rest.

A new turn appends to the ids at hand what the template puts between them and the next
reply. Where a template rewrites what came before, or never marks the end of a turn, the
whole is encoded anew, and the cache still reuses the common beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chatcli.chat.tree import messages_of
from chatcli.chat.types import Turn
from chatcli.text.types import Message, Tokenizer

__all__ = ["Renderer", "added_ids", "next_prompt"]


def next_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    so_far: Sequence[int],
    *,
    prefill: str = "",
    date: datetime | None = None,
) -> list[int]:
    """Ids to generate from, for `messages` that end with the user's newest.

    `so_far` are the ids of all before it, as they were fed and generated; empty where there
    are none, or none that count. Raises TemplateError and UsageError as encode_chat does.
    """
    if so_far:
        added = added_ids(tokenizer, messages, so_far[-1], prefill=prefill, date=date)
        if added is not None:
            return [*so_far, *added]
    return tokenizer.encode_chat(messages, prefill=prefill, date=date)


def added_ids(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    last: int,
    *,
    prefill: str = "",
    date: datetime | None = None,
) -> list[int] | None:
    """What the template puts after a reply, whose last id is `last`, up to the next one.

    None where it rewrites what came before, or never marks the end of a turn.
    """
    whole = tokenizer.encode_chat(messages, prefill=prefill, date=date)
    before = tokenizer.encode_chat(messages[:-1], add_generation_prompt=False, date=date)
    ends = [index for index, token in enumerate(before) if token in tokenizer.eos_ids]
    if not ends or whole[: len(before)] != before:
        return None
    closing = before[ends[-1] + (last in tokenizer.eos_ids) :]
    return [*closing, *whole[len(before) :]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns and messages as ids, through one tokenizer's template, on one date."""

    tokenizer: Tokenizer
    date: datetime

    def history(self, preamble: Sequence[Message], turns: Sequence[Turn]) -> list[int]:
        """The ids of a preamble and `turns`, from their text; none where there are neither."""
        messages = [*preamble, *messages_of(turns)]
        if not messages:
            return []
        return self.tokenizer.encode_chat(messages, add_generation_prompt=False, date=self.date)

    def prompt(
        self,
        preamble: Sequence[Message],
        turns: Sequence[Turn],
        message: str,
        so_far: Sequence[int] = (),
        *,
        prefill: str = "",
    ) -> list[int]:
        """The ids to reply to `message` from, after `turns`, whose ids are `so_far`."""
        messages = [*preamble, *messages_of(turns), Message("user", message)]
        return next_prompt(self.tokenizer, messages, so_far, prefill=prefill, date=self.date)

    def added(
        self,
        preamble: Sequence[Message],
        turns: Sequence[Turn],
        message: str,
        last: int,
        *,
        prefill: str = "",
    ) -> list[int] | None:
        """As `added_ids`, for the message after `turns`."""
        messages = [*preamble, *messages_of(turns), Message("user", message)]
        return added_ids(self.tokenizer, messages, last, prefill=prefill, date=self.date)
