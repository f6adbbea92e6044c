"""From texts and conversations to the ids that `chatcli score` reads, each token with its part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chatcli.cli.json_lines import Line, shortly
from chatcli.cli.prompting import mention_unreadable
from chatcli.errors import UsageError
from chatcli.text.types import Message, Tokenizer

if TYPE_CHECKING:
    from chatcli.probe.perplexity import Reading

__all__ = ["conversation", "line_messages", "raw_reading", "with_system"]

_TEXT = "text"
_ROLES = ("system", "user", "assistant")

Notice = Callable[[str], None]


def raw_reading(tokenizer: Tokenizer, text: str, special: bool, notice: Notice) -> Reading:
    """The text as `complete` reads it, after the token that starts a text, if there is one.

    Raises UsageError where it has no tokens of its own.
    """
    from chatcli.probe.perplexity import START, Reading

    mention_unreadable(tokenizer, text, special, notice)
    ids = tokenizer.encode(text, bos=True, special=special)
    before = len(ids) - len(tokenizer.encode(text, special=special))
    if len(ids) == before:
        raise UsageError("the text is empty; give it something to score")
    parts = (START,) * before + (_TEXT,) * (len(ids) - before)
    return Reading(tuple(ids), parts, (text,))


def conversation(
    tokenizer: Tokenizer, messages: Sequence[Message], notice: Notice, *, prefill: str = ""
) -> Reading:
    """The messages through the chat template, and which tokens are the template's.

    After a message of the user's come the tokens that the reply would follow, and `prefill`.
    """
    from chatcli.chat.parts import context_parts
    from chatcli.probe.perplexity import Reading

    said = [*messages, *([Message("assistant", prefill)] if prefill else [])]
    contents = tuple(message.content for message in said)
    mention_unreadable(tokenizer, "".join(contents), False, notice)
    asked = bool(prefill) or messages[-1].role != "assistant"
    ids = tokenizer.encode_chat(messages, add_generation_prompt=asked, prefill=prefill)
    found = context_parts(tokenizer, ids, said, ())
    parts = tuple(part.kind for part in found for _ in part.ids)
    return Reading(tuple(ids), parts, contents)


def line_messages(line: Line) -> tuple[Message, ...]:
    """The `messages` of a line. Raises UsageError where they are none."""
    value = line.fields["messages"]
    if not isinstance(value, list) or not value:
        line.refuse(f"messages must be a list of objects, got {shortly(value)}")
    return tuple(_message(line, each) for each in value)


def with_system(messages: Sequence[Message], system: str | None) -> tuple[Message, ...]:
    """The messages, under `system` in place of a system prompt of their own."""
    if system is None:
        return tuple(messages)
    rest = [message for message in messages if message.role != "system"]
    return (Message("system", system), *rest)


def _message(line: Line, value: Any) -> Message:
    role, content = (value.get(key) if isinstance(value, dict) else None for key in _KEYS)
    if role not in _ROLES or not isinstance(content, str):
        line.refuse(
            f'a message must be {{"role": {" or ".join(_ROLES)}, "content": a string}}, '
            f"got {shortly(value)}"
        )
    return Message(role, content)


_KEYS = ("role", "content")
