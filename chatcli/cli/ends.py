"""Where a continued text ends: -n and --stop, written once for the commands that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from chatcli.text.prompt_binding import BoundPrompt
from chatcli.text.types import Tokenizer

__all__ = ["EndFlags", "longest", "stops"]

_MAX_TOKENS = 128


@dataclass(frozen=True, slots=True)
class EndFlags:
    """What ends a text. None: what the prompt file says, or else chatcli."""

    max_tokens: Annotated[
        int | None,
        Option(
            "-n",
            "--max-tokens",
            min=1,
            metavar="N",
            help="Stop after N tokens.",
            show_default=f"the prompt file's own, else {_MAX_TOKENS}",
        ),
    ] = None
    stop: Annotated[
        list[str] | None,
        Option(metavar="TEXT", help="Stop before TEXT; may be given again."),
    ] = None


def longest(flags: EndFlags, around: BoundPrompt) -> int:
    """Tokens after which a text ends."""
    return flags.max_tokens or around.max_tokens or _MAX_TOKENS


def stops(
    flags: EndFlags, around: BoundPrompt, tokenizer: Tokenizer, chat: bool
) -> tuple[str, ...]:
    """Strings that end a text; in a chat without a template, the fallback's own too."""
    return (*(flags.stop or around.stop), *(tokenizer.fallback_stop if chat else ()))
