"""What is wrong with a checkpoint's chat template, found out by rendering short dialogues.

A sound template gets no warning. Each warning names the cause and what follows from it. What
chatcli mends by itself, or what may be meant so, is told only to those who ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcli.errors import TemplateError
from chatcli.text.chat import ANSWER, FURTHER, PROBE, QUESTION
from chatcli.text.types import Message

if TYPE_CHECKING:
    from chatcli.text.tokenizer import CheckpointTokenizer

__all__ = ["lint"]

SYSTEM = "sysmarkzq"
ASKED, ANSWERED, GOING_ON = PROBE[:1], PROBE[:2], PROBE
INSTRUCTED = (Message("system", SYSTEM), *ASKED)

Check = Callable[["CheckpointTokenizer"], str | None]


def lint(tokenizer: CheckpointTokenizer, *, thorough: bool = False) -> tuple[str, ...]:
    """Warnings about the chat template, one line each; none where all is well.

    `thorough` adds what does no harm here, but does in programs that encode the rendered text
    as any other or stop at the files' own end tokens alone; and what may be meant so.
    """
    if tokenizer.chat_template is None:
        return (_no_template(tokenizer),)
    if broken := _fails(tokenizer):
        return (broken,)
    checks = (*CHECKS, *(THOROUGH if thorough else ()))
    return tuple(warning for check in checks if (warning := check(tokenizer)) is not None)


def _no_template(tokenizer: CheckpointTokenizer) -> str:
    ends = " or ".join(repr(text.strip()) for text in tokenizer.fallback_stop)
    return (
        "no chat template, as base models have none: chats are written as lines of User and "
        f"Assistant, and a reply ends where it writes {ends}"
    )


def _fails(tokenizer: CheckpointTokenizer) -> str | None:
    """On what every template must take: a message, a reply, a message."""
    for dialogue, what in ((ASKED, "a first message"), (GOING_ON, "a second message")):
        try:
            tokenizer.render_chat(dialogue)
        except TemplateError as error:
            return f"{error}; so {what} can't be sent"
    return None


def _system_prompt(tokenizer: CheckpointTokenizer) -> str | None:
    try:
        text = tokenizer.render_chat(INSTRUCTED)
    except TemplateError as error:
        return f"{error}; so a system prompt can't be given: put it into the first message"
    if SYSTEM in text:
        return None
    return (
        "the chat template drops the system message: the model never sees a system prompt; "
        "put it into the first message"
    )


def _dropped_message(tokenizer: CheckpointTokenizer) -> str | None:
    text = tokenizer.render_chat(GOING_ON)
    for content, what in ((FURTHER, "newest message"), (QUESTION, "first message")):
        if content not in text:
            return f"the chat template drops the {what}: the model never sees it"
    return None


def _generation_prompt(tokenizer: CheckpointTokenizer) -> str | None:
    """Llama 2 needs none: what opens a reply stands at the end of a message already."""
    asked = tokenizer.render_chat(ASKED, add_generation_prompt=False)
    answered = tokenizer.render_chat(ANSWERED, add_generation_prompt=False)
    opened, found, _ = answered.partition(ANSWER)
    header = opened.removeprefix(asked).strip()
    if not (found and header and opened.startswith(asked)):
        return None
    if tokenizer.render_chat(ASKED) != asked or _opens_turns(tokenizer, asked):
        return None
    return (
        f"the chat template has no generation prompt: it opens a reply with {header!r}, but "
        "add_generation_prompt writes nothing, so the model has to write that first itself"
    )


def _opens_turns(tokenizer: CheckpointTokenizer, asked: str) -> bool:
    """Whether a reply is opened after every message, asked for or not.

    One control token closes the message; more of them open something.
    """
    closing = tokenizer.encode(asked.rpartition(QUESTION)[2], special=True)
    return sum(map(tokenizer.is_special, closing)) > 1


def _repeated_bos(tokenizer: CheckpointTokenizer) -> str | None:
    ids = tokenizer.encode_chat(ASKED)
    if not (ids[:1] == ids[1:2] and ids[:1] == tokenizer.encode("", bos=True)):
        return None
    return (
        f"the chat template writes {tokenizer.decode(ids[:1])} twice at its beginning, "
        "and models are trained on one"
    )


def _endless(tokenizer: CheckpointTokenizer) -> str | None:
    """Between a reply and the next message something must stand that generation stops at."""
    ids = tokenizer.encode_chat(GOING_ON)
    after = tokenizer.decode(ids).partition(ANSWER)[2].partition(FURTHER)[0]
    if not tokenizer.eos_ids or tokenizer.eos_ids & set(tokenizer.encode(after, special=True)):
        return None
    return (
        "the chat template ends a reply with no token that generation stops at, so replies may "
        "run on: give a --stop"
    )


def _bos_of_both(tokenizer: CheckpointTokenizer) -> str | None:
    start = tokenizer.encode("", bos=True)
    if not start or tokenizer.encode_chat(ASKED)[: len(start)] != start:
        return None
    return (
        f"the chat template writes {tokenizer.decode(start)} and so does the tokenizer, to start "
        "a text: chatcli feeds it once; programs that encode a rendered chat as any text, twice"
    )


def _unnamed_end(tokenizer: CheckpointTokenizer) -> str | None:
    named = tokenizer.named_ends
    end = tokenizer.end_of_turn(named)
    if end is None or not named:
        return None
    others = ", ".join(tokenizer.decode([token]) for token in sorted(named))
    return (
        f"the chat template ends a turn with {tokenizer.decode([end])}, which eos_token_id "
        f"doesn't name (it has {others}): chatcli stops at either; other programs may run on"
    )


CHECKS: tuple[Check, ...] = (_system_prompt, _dropped_message, _generation_prompt, _repeated_bos)
THOROUGH: tuple[Check, ...] = (_bos_of_both, _unnamed_end, _endless)
