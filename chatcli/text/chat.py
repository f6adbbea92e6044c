"""A conversation through a chat template, with its contents kept from becoming control tokens.

Renders with the checkpoint's own template, or with the open "User: … Assistant:" fallback
of prompts/; encoding the rendered spans is left to `tokenizer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from chatcli.errors import TemplateError, UsageError
from chatcli.text.control import ControlTokens, unused_character
from chatcli.text.prompts import ChatFormat, load_format
from chatcli.text.types import Message

if TYPE_CHECKING:
    from chatcli.text.template import ChatTemplate

__all__ = ["ANSWER", "FURTHER", "PROBE", "QUESTION", "ChatRenderer", "RenderedChat"]

ROLES = ("system", "user", "assistant")
FALLBACK = "plain-chat"
# Words that no template writes itself, whatever it does to spaces around them. The turn that
# is probed is not the last: some templates leave the end of the last one open.
QUESTION = "askmarkzq"
ANSWER = "replymarkzq"
FURTHER = "nextmarkzq"
PROBE = (Message("user", QUESTION), Message("assistant", ANSWER), Message("user", FURTHER))


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A rendered conversation, cut into (text, whether control tokens in it count)."""

    spans: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(text for text, _ in self.spans)


class ChatRenderer:
    """Renders conversations through `source`, or the fallback where that is None.

    `control` are all control tokens, `special` those that are flagged special; `variables`
    (bos_token and the like) are what the template may name.
    """

    def __init__(
        self,
        source: str | None,
        variables: Mapping[str, object],
        *,
        control: ControlTokens,
        special: ControlTokens,
    ) -> None:
        self._source = source
        self._variables = dict(variables)
        self._control = control
        self._special = special

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end a reply; the fallback's own, none with a checkpoint's template."""
        return self._fallback.stop if self._source is None else ()

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        date: datetime | None = None,
    ) -> RenderedChat:
        """`date` is the now of templates that write a date; None: the clock's.

        Raises UsageError on an unknown role, TemplateError where the template fails."""
        _check_roles(messages)
        guard = unused_character([prefill, self._text, *(m.content for m in messages)])
        guarded = [
            {"role": m.role, "content": self._guarded(m.role, m.content, guard)} for m in messages
        ]
        rendered = self._template.render(
            guarded,
            add_generation_prompt=add_generation_prompt,
            date=date,
            **self._variables,
            **({"prefill": prefill} if self._source is None else {}),
        )
        rendered += self._guarded("assistant", prefill, guard)
        return RenderedChat(tuple(self._control.spans(rendered, guard)))

    def end_of_turn(self, known: Iterable[str]) -> str | None:
        """The control token that the template writes after an assistant's content, if any.

        None where one of the `known` ends stands there. Most templates plainly write one, and
        reading the source spares rendering it.
        """
        if self._source is None or any(_writes_after_content(self._source, end) for end in known):
            return None
        try:
            text = self.render(PROBE, add_generation_prompt=False).text
        except TemplateError:  # says so when it is asked for a conversation
            return None
        _, answer, rest = text.rpartition(ANSWER)
        after = rest.partition(FURTHER)[0]
        if not answer or any(end in after for end in known):
            return None
        return self._control.at_start(after.lstrip())

    def _guarded(self, role: str, content: str, guard: str) -> str:
        """A reply keeps the tokens that aren't flagged (`<think>`): templates cut at them."""
        tokens = self._special if role == "assistant" else self._control
        return tokens.guarded(content, guard)

    @cached_property
    def _fallback(self) -> ChatFormat:
        return load_format(FALLBACK)

    @property
    def _text(self) -> str:
        return self._fallback.template if self._source is None else self._source

    @cached_property
    def _template(self) -> ChatTemplate:
        from chatcli.text.template import ChatTemplate  # jinja2 costs start-up time

        return ChatTemplate(self._text)


def _check_roles(messages: Sequence[Message]) -> None:
    for message in messages:
        if message.role not in ROLES:
            raise UsageError(
                f"a message has the role {message.role[:40]!r}; roles are {', '.join(ROLES)}"
            )


def _writes_after_content(source: str, end: str) -> bool:
    """Whether the source joins `end` to a message's content, as in `content + '<|im_end|>'`."""
    return re.search(rf"content(?:'\]|\"\])?\s*[+~]\s*['\"]{re.escape(end)}", source) is not None
