"""`chatcli tokens`: a text as one tokenizer cuts it, or several side by side; loads no weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app
from chatcli.cli.prompting import mention_unreadable, read_prompt
from chatcli.cli.text_files import read_file_text
from chatcli.errors import UsageError
from chatcli.model.resolve import BUILTIN
from chatcli.text.types import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatcli.probe.tokens import Tokenization
    from chatcli.text.tokenizer import CheckpointTokenizer
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_TEXT, _START = "text", "start"
_OWN = frozenset({_TEXT, "message"})

app = command_app()


@app.command(cls=SectionedCommand)
def tokens(
    ctx: Context,
    text: Annotated[
        str | None, Argument(metavar="TEXT", help="What is cut; - reads it from stdin.")
    ] = None,
    file: Annotated[
        Path | None,
        Option(metavar="FILE", help="Read TEXT from a file, less one final newline."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        Option(
            *("-m", "--model"),
            envvar="CHATCLI_MODEL",
            metavar="NAME",
            help="A model, or a folder with a tokenizer alone; again: side by side.",
            show_default=BUILTIN,
        ),
    ] = None,
    chat: Annotated[
        bool, Option("--chat", help="Render TEXT as a user's turn, and tell the template's tokens.")
    ] = False,
    system: Annotated[
        str | None, Option(metavar="TEXT", help="The system prompt; needs --chat.")
    ] = None,
    special: Annotated[
        bool,
        Option("--special", help="Read control tokens spelt out in TEXT as such; not with --chat."),
    ] = False,
    json: Annotated[bool, Option("--json", help="One JSON object a tokenizer.")] = False,
) -> int:
    """Show the tokens of TEXT: ids, pieces, bytes, and which are control tokens.

    A character that is spread over tokens stands, with the arrow, at the one that completes it.
    """
    if special and chat:
        raise UsageError("--special reads raw text and --chat writes the control tokens; drop one")
    if system is not None and not chat:
        raise UsageError("--system needs --chat: raw text has no system turn")
    env: Environment = ctx.obj
    whole = _text(text, file, env)
    if chat and not whole.strip():
        raise UsageError("TEXT is empty; --chat needs a message to render")

    from chatcli.model.tokenizing import named_tokenizer
    from chatcli.ui.tokens_table import show_tokens, tokens_line

    found = [named_tokenizer(name) for name in dict.fromkeys(map(str, model or ())) or (BUILTIN,)]
    ways = []
    for name, tokenizer in found:
        mention_unreadable(tokenizer, whole, special, _remarks(env, name if found[1:] else ""))
        if chat:
            ways.append(_rendered(name, tokenizer, whole, system))
        else:
            ways.append(_raw(name, tokenizer, whole, special))
    if json:
        env.write("".join(map(tokens_line, ways)))
    else:
        show_tokens(env, ways)
    return Status.DONE


def _remarks(env: Environment, name: str) -> Callable[[str], None]:
    """Where remarks go, under the name of the tokenizer that they are about."""
    return lambda line: env.say(f"{name}: {line}" if name else line)


def _text(text: str | None, file: Path | None, env: Environment) -> str:
    """TEXT from where it is. Raises UsageError where it is nowhere, or twice, or no text."""
    if (text is None) == (file is None):
        raise UsageError(
            "no TEXT to cut; give one, - to read it from stdin, or --file FILE"
            if text is None
            else f"TEXT and --file {file} are both given; drop one"
        )
    if file is None:
        return read_prompt(text or "", env, "TEXT")
    return read_file_text(file)


def _raw(name: str, tokenizer: CheckpointTokenizer, text: str, special: bool) -> Tokenization:
    """The text as `complete` reads it, after the token that starts a text, if there is one."""
    from chatcli.probe.tokens import tokenization

    ids = tokenizer.encode(text, bos=True, special=special)
    before = len(ids) - len(tokenizer.encode(text, special=special))
    parts = [_START] * before + [_TEXT] * (len(ids) - before)
    return tokenization(name, tokenizer, text, ids, parts, _OWN)


def _rendered(
    name: str, tokenizer: CheckpointTokenizer, text: str, system: str | None
) -> Tokenization:
    """The text as a user's turn, up to where the reply begins."""
    from chatcli.chat.parts import context_parts
    from chatcli.chat.types import Turn
    from chatcli.probe.tokens import tokenization

    preamble: Sequence[Message] = () if system is None else (Message("system", system),)
    ids = tokenizer.encode_chat([*preamble, Message("user", text)])
    turn = Turn(id=1, parent=None, user=text, created=0.0)
    parts = [
        part.kind
        for part in context_parts(tokenizer, ids, preamble, [turn])
        for _ in range(len(part.ids))
    ]
    return tokenization(name, tokenizer, text, ids, parts, _OWN)
