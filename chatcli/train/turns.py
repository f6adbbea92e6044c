"""Conversations as ids to learn from: what `chatcli chat` would feed, and the replies to it.

Each reply is learned after the very ids that chat would generate it from, so a model is
trained on what it will see. Reading files and packing rows are left to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chatcli.chat.context import next_prompt
from chatcli.errors import TemplateError, TrainingError
from chatcli.text.tokenizer import CheckpointTokenizer
from chatcli.text.types import Message

__all__ = ["encode_conversation"]

Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class _Piece:
    """Ids in a row, and which of them are the assistant's own."""

    ids: list[int] = field(default_factory=list)
    learn: list[bool] = field(default_factory=list)

    def add(self, ids: Sequence[int], learn: bool) -> None:
        self.ids += ids
        self.learn += [learn] * len(ids)


def encode_conversation(
    tokenizer: CheckpointTokenizer, messages: Sequence[Message]
) -> tuple[Ids, Mask]:
    """Ids [T] of a conversation, and [T] whether each is to be learned.

    Learned are the assistant's texts, each with the token that ends a turn. Where the
    template rewrites what came before (drops the thinking of earlier turns), the turn that
    sees it rewritten stands after the others in full, as chat feeds it, and its own reply
    alone is learned there. What follows the last reply is left out.

    Raises TrainingError, naming the message, where the template refuses or omits one.
    """
    pieces = [_Piece()]
    for index, message in enumerate(messages):
        if message.role != "assistant":
            continue
        try:
            prompt = _prompt(tokenizer, messages[:index], pieces[-1].ids)
            reply = _reply(tokenizer, messages[:index], message.content, prompt)
        except TemplateError as error:
            raise _refusal(tokenizer, messages, index, error) from error
        held = len(pieces[-1].ids)
        if prompt[:held] != pieces[-1].ids:
            pieces.append(_Piece())
            held = 0
        pieces[-1].add(prompt[held:], learn=False)
        pieces[-1].add(reply, learn=True)
    ids = [token for piece in pieces for token in piece.ids]
    learn = [mark for piece in pieces for mark in piece.learn]
    return np.array(ids, dtype=np.int32), np.array(learn, dtype=np.bool_)


def _prompt(
    tokenizer: CheckpointTokenizer, before: Sequence[Message], so_far: Sequence[int]
) -> list[int]:
    """The ids that chat generates the next reply from."""
    taken_in_turns = [message.role for message in before[-2:]] == ["assistant", "user"]
    return next_prompt(tokenizer, before, so_far if taken_in_turns else ())


def _reply(
    tokenizer: CheckpointTokenizer, before: Sequence[Message], content: str, prompt: list[int]
) -> list[int]:
    """The ids of a reply after the prompt for it, the end of the turn included."""
    opened = tokenizer.render_chat(before)
    _check_system(before, opened)
    said = [*before, Message("assistant", content)]
    whole = tokenizer.render_chat(said, add_generation_prompt=False)
    text, closing = _split(tokenizer, opened, whole, content)
    both = tokenizer.encode_chat(before, prefill=text)
    if both[: len(prompt)] != prompt:
        prompt = tokenizer.encode_chat(before)  # without the earlier replies' own ids
    joined = both[: len(prompt)] == prompt
    return [*(both[len(prompt) :] if joined else tokenizer.encode(text)), _end(tokenizer, closing)]


def _split(
    tokenizer: CheckpointTokenizer, opened: str, whole: str, content: str
) -> tuple[str, str]:
    """The text of a reply as the template writes it after `opened`, and what closes it.

    A space that the template puts before the text is the model's to write. A block of its
    own (Qwen3's empty `<think>`) isn't: the same template leaves it out of the history.
    """
    if not whole.startswith(opened):
        # The prompt opens what the history hasn't, such as `<think>`: the text goes on there.
        shared = (n for n in range(len(content), 0, -1) if opened.endswith(content[:n]))
        rest = content[next(shared, 0) :]
        return rest, whole.rpartition(rest)[2] if rest else whole
    written = whole[len(opened) :]
    for spelled in (content, content.strip()):
        lead, found, closing = written.partition(spelled) if spelled else ("", "", written)
        if found == spelled:
            return ("" if lead.strip() else lead) + spelled, closing
    ends = map(tokenizer.backend.id_to_token, tokenizer.eos_ids)
    stop = min((at for end in ends if end and (at := written.find(end)) >= 0), default=None)
    return written[:stop].rstrip() if stop is None else written[:stop], written[stop:]


def _end(tokenizer: CheckpointTokenizer, closing: str) -> int:
    """The end token that the template writes after a reply; without one, any that ends texts."""
    ends = tokenizer.eos_ids
    written = (token for token in tokenizer.encode(closing, special=True) if token in ends)
    found = next(written, min(ends, default=None))
    if found is None:
        raise TrainingError(
            "the tokenizer names no end token, so a reply could never end: set eos_token in its "
            "tokenizer_config.json"
        )
    return found


def _check_system(messages: Sequence[Message], rendered: str) -> None:
    for message in messages:
        if message.role == "system" and message.content.strip() not in rendered:
            raise TemplateError("the chat template leaves the system message out")


def _refusal(
    tokenizer: CheckpointTokenizer, messages: Sequence[Message], index: int, error: TemplateError
) -> TrainingError:
    """Which message the template refuses, and what to do about it."""
    systems = [at for at in range(index) if messages[at].role == "system"]
    others = [message for message in messages[: index + 1] if message.role != "system"]
    if systems and _renders(tokenizer, others):
        return TrainingError(
            f"message {systems[0] + 1} is a system message, which the model's chat template "
            f"doesn't take ({error}): put its text into the first user message"
        )
    return TrainingError(f"messages 1 to {index + 1} don't go through the chat template: {error}")


def _renders(tokenizer: CheckpointTokenizer, messages: Sequence[Message]) -> bool:
    try:
        return bool(tokenizer.render_chat(messages, add_generation_prompt=False))
    except TemplateError:
        return False
