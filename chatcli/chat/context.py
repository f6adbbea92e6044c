"""The ids of a conversation: what the model wrote stays as it is, templates add the rest.

A new turn appends to the ids at hand what the template puts between them and the next
reply. Where the system prompt changed or the oldest turns fell out, what is left of the ids
is grafted onto a new beginning. Only where a template rewrites what came before, or never
marks the end of a turn, the whole is encoded anew, and the cache still reuses the common
beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chatcli.chat.tree import messages_of
from chatcli.chat.types import Turn
from chatcli.text.types import Message, Tokenizer

__all__ = ["Renderer", "next_prompt"]


def next_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    so_far: Sequence[int],
    *,
    prefill: str = "",
    date: datetime | None = None,
) -> list[int]:
    """Ids to generate from, for `messages` that end with the user's newest.

    `so_far` are the ids of all turns before it, as they were fed and generated; empty where
    there are none, or none that count. Raises TemplateError and UsageError as encode_chat does.
    """
    whole = tokenizer.encode_chat(messages, prefill=prefill, date=date)
    if not so_far:
        return whole
    before = tokenizer.encode_chat(messages[:-1], add_generation_prompt=False, date=date)
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
        so_far: Sequence[int],
        *,
        prefill: str = "",
    ) -> list[int]:
        """The ids to reply to `message` from, after `turns`, whose ids are `so_far`."""
        messages = [*preamble, *messages_of(turns), Message("user", message)]
        return next_prompt(self.tokenizer, messages, so_far, prefill=prefill, date=self.date)

    def graft(
        self,
        preamble: Sequence[Message],
        turns: Sequence[Turn],
        ids: Sequence[int],
        first_reply: Sequence[int],
    ) -> list[int]:
        """The ids of `turns` after another beginning, the model's own tokens kept.

        `ids` hold the turns after an old beginning, and `first_reply` are those of the first
        one's reply. Returns no ids where the result would not spell what the template writes.
        """
        if not turns or not first_reply or not ids:
            return []
        asked = [*preamble, Message("user", turns[0].user)]
        opening = self.tokenizer.encode_chat(asked, prefill=turns[0].prefill, date=self.date)
        wanted = self.tokenizer.decode(self.history(preamble, turns))
        for start in _places(ids, first_reply):
            grafted = [*opening, *ids[start:]]
            if wanted.startswith(self.tokenizer.decode(grafted)):
                return grafted
        return []


def _places(ids: Sequence[int], part: Sequence[int]) -> Iterator[int]:
    """Where `part` occurs in `ids`, first places first."""
    wanted, size = list(part), len(part)
    for start, token in enumerate(ids):
        if token == wanted[0] and list(ids[start : start + size]) == wanted:
            yield start
