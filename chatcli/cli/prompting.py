"""From what the user typed to the ids that the model reads.

PROMPT is raw text unless --chat renders it as a user's turn through the chat template. It
is text either way: control tokens in it count as such only with --special.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.ui.environment import Environment

__all__ = ["PromptFlags", "check_prompt_flags", "prompt_ids", "read_prompt"]

_PROMPT = "Prompt"
MENTIONED = 20  # characters that one remark can name


@dataclass(frozen=True, slots=True)
class PromptFlags:
    """How PROMPT becomes ids."""

    chat: Annotated[
        bool,
        Option(
            "--chat",
            help="Render PROMPT as a user's turn through the chat template.",
            rich_help_panel=_PROMPT,
        ),
    ] = False
    system: Annotated[
        str | None,
        Option(metavar="TEXT", help="The system prompt; needs --chat.", rich_help_panel=_PROMPT),
    ] = None
    prefill: Annotated[
        str | None,
        Option(
            metavar="TEXT",
            help="How the reply starts; without --chat, more of PROMPT.",
            rich_help_panel=_PROMPT,
        ),
    ] = None
    special: Annotated[
        bool,
        Option(
            "--special",
            help="Read control tokens spelt out in PROMPT as such; not with --chat.",
            rich_help_panel=_PROMPT,
        ),
    ] = False


def check_prompt_flags(flags: PromptFlags) -> None:
    """Refuse flags that contradict each other before a model is loaded for them."""
    if flags.system is not None and not flags.chat:
        raise UsageError("--system needs --chat: raw text has no system turn")
    if flags.special and flags.chat:
        raise UsageError("--special reads raw text and --chat writes the control tokens; drop one")


def read_prompt(argument: str, env: Environment) -> str:
    """PROMPT as text; `-` is all of stdin, less one final newline.

    Raises UsageError where the bytes are not UTF-8.
    """
    if argument == "-":
        return env.read().removesuffix("\n").removesuffix("\r")
    # Python hands over undecodable bytes of the command line as lone surrogates.
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"PROMPT isn't UTF-8: undecodable byte at character {error.start:,}; "
            "convert it first (iconv -t utf-8)"
        ) from error
    return argument


def prompt_ids(
    model: LanguageModel, text: str, flags: PromptFlags, notice: Callable[[str], None]
) -> list[int]:
    """The ids of the whole prompt. Raises UsageError where there are none.

    An empty PROMPT is legal where the checkpoint starts every text with a token of its own.
    `notice` is told of that, and which characters the model won't see.
    """
    typed = (flags.system or "") + text + (flags.prefill or "")
    if lost := model.tokenizer.unreadable(typed, special=flags.special):
        notice(_unreadable_remark(lost))
    if flags.chat:
        return _chat_ids(model, text, flags)
    whole = text + (flags.prefill or "")
    ids = model.tokenizer.encode(whole, bos=True, special=flags.special)
    if not ids:
        raise UsageError(
            "the prompt is empty, and this model has no token that starts a text; "
            "give it something to continue"
        )
    if not whole:
        notice("the prompt is empty; starting from the token that starts a text")
    return ids


def _unreadable_remark(lost: str) -> str:
    from chatcli.text.visible import visible

    shown = visible(lost[:MENTIONED], keep_newlines=False).replace(" ", "␣").replace("\t", "⇥")
    more = f" and {len(lost) - MENTIONED:,} more" if len(lost) > MENTIONED else ""
    return f"this model's vocabulary has no {shown}{more}: it reads another token there, or none"


def _chat_ids(model: LanguageModel, text: str, flags: PromptFlags) -> list[int]:
    from chatcli.text.types import Message

    if not text.strip():
        raise UsageError("the prompt is empty; --chat needs a message to answer")
    system = [Message("system", flags.system)] if flags.system is not None else []
    messages = [*system, Message("user", text)]
    return model.tokenizer.encode_chat(messages, prefill=flags.prefill or "")
