"""From what the user typed to the ids that the model reads.

PROMPT is raw text unless --chat renders it as a user's turn through the chat template; with
--prompt a prompt file puts its own words around it. It is text either way: control tokens in
it count as such only with --special.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

from typer import Context, Option

from chatcli.errors import ChatcliError, PromptFileError, SamplingError, UsageError
from chatcli.text.prompt_binding import BoundPrompt
from chatcli.text.types import Message, Tokenizer

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.text.prompts import PromptFile
    from chatcli.ui.environment import Environment

__all__ = [
    "PLAIN",
    "PromptFileFlags",
    "PromptFlags",
    "bound_prompt",
    "chat_messages",
    "check_prompt_flags",
    "checked_sampling",
    "complete_prompts",
    "mention_unreadable",
    "prompt_ids",
    "raw_text",
    "read_prompt",
    "reply_prefill",
    "variable_values",
]

_PROMPT = "Prompt"
MENTIONED = 20  # characters that one remark can name
# Without --prompt: what is typed, and nothing around it.
PLAIN = BoundPrompt("plain", raw=("", ""))


def complete_prompts(incomplete: str) -> list[str]:
    """The names of prompts that begin so."""
    from chatcli.text.prompts import prompt_names

    return [name for name in prompt_names() if name.startswith(incomplete)]


def _complete_variables(ctx: Context, incomplete: str) -> list[str]:
    """NAME= for each variable of the prompt named before, and its choices after the sign."""
    from chatcli.text.prompts import find_prompt

    try:
        variables = find_prompt(ctx.params.get("prompt_file") or "").variables
    except ChatcliError:
        return []
    words = [f"{one.name}={choice}" for one in variables for choice in one.choices or ("",)]
    return [word for word in words if word.startswith(incomplete)]


@dataclass(frozen=True, slots=True)
class PromptFileFlags:
    """Which prompt file, and what its variables are."""

    prompt_file: Annotated[
        str | None,
        Option(
            "--prompt",
            metavar="NAME",
            help="A prompt, by name or file; `chatcli prompts` lists them.",
            autocompletion=complete_prompts,
            rich_help_panel=_PROMPT,
        ),
    ] = None
    var: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=TEXT",
            help="A variable of that prompt; may be given again.",
            autocompletion=_complete_variables,
            rich_help_panel=_PROMPT,
        ),
    ] = None


def bound_prompt(flags: PromptFileFlags) -> BoundPrompt | None:
    """The prompt that the flags name, its variables set and its sampling settings checked.

    None without --prompt. Raises PromptFileError, and UsageError on a --var that can't be read.
    """
    from chatcli.text.prompts import find_prompt

    if flags.prompt_file is None:
        if flags.var:
            raise UsageError(f"--var {flags.var[0]} sets a variable of a prompt: add --prompt NAME")
        return None
    prompt = find_prompt(flags.prompt_file)
    bound = prompt.bind(variable_values(flags.var or ()))
    return replace(bound, sampling=checked_sampling(prompt))


def variable_values(given: Sequence[str]) -> dict[str, str]:
    """--var NAME=TEXT as name → text. Raises UsageError on another form, or a name twice."""
    values: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--var wants NAME=TEXT, such as language=zh; got {text!r}")
        if name in values:
            raise UsageError(f"--var {name} is given twice; drop one")
        values[name] = value
    return values


def checked_sampling(prompt: PromptFile) -> dict[str, Any]:
    """The prompt's own settings, in their canonical types. Raises PromptFileError."""
    from chatcli.sampling.types import SamplingConfig
    from chatcli.text.prompt_binding import nearest

    known = [field.name for field in fields(SamplingConfig)]
    for name in prompt.sampling:
        if name not in known:
            raise PromptFileError(
                f"{prompt.path}: unknown key 'sampling.{name}'; {nearest(name, known)}"
            )
    try:
        config = SamplingConfig.from_dict(prompt.sampling)
    except SamplingError as error:
        raise PromptFileError(f"{prompt.path}: sampling.{error}") from error
    return {name: getattr(config, name) for name in prompt.sampling}


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


def check_prompt_flags(flags: PromptFlags, prompt: BoundPrompt = PLAIN) -> None:
    """Refuse flags that contradict each other before a model is loaded for them.

    Raises UsageError; and PromptFileError where --prompt is for chats and --chat isn't given.
    """
    if flags.system is not None and not flags.chat:
        raise UsageError("--system needs --chat: raw text has no system turn")
    if flags.special and flags.chat:
        raise UsageError("--special reads raw text and --chat writes the control tokens; drop one")
    if not flags.chat:
        prompt.text("")


def read_prompt(argument: str, env: Environment, name: str = "PROMPT") -> str:
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
            f"{name} isn't UTF-8: undecodable byte at character {error.start:,}; "
            "convert it first (iconv -t utf-8)"
        ) from error
    return argument


def raw_text(text: str, flags: PromptFlags, prompt: BoundPrompt) -> str:
    """The text to be continued where no chat template is used."""
    return prompt.text(text) + reply_prefill(flags, prompt)


def reply_prefill(flags: PromptFlags, prompt: BoundPrompt) -> str:
    """How the reply starts. A prompt's own way is for chats: its raw text says it all."""
    if flags.prefill is not None:
        return flags.prefill
    return prompt.prefill if flags.chat else ""


def prompt_ids(
    model: LanguageModel,
    text: str,
    flags: PromptFlags,
    notice: Callable[[str], None],
    prompt: BoundPrompt = PLAIN,
) -> list[int]:
    """The ids of the whole prompt. Raises UsageError where there are none.

    An empty PROMPT is legal where the checkpoint starts every text with a token of its own.
    `notice` is told of that, and which characters the model won't see. What a flag says goes
    before what the prompt file says.
    """
    if flags.chat:
        return _chat_ids(model, text, flags, notice, prompt)
    whole = raw_text(text, flags, prompt)
    mention_unreadable(model.tokenizer, whole, flags.special, notice)
    ids = model.tokenizer.encode(whole, bos=True, special=flags.special)
    if not ids:
        raise UsageError(
            "the prompt is empty, and this model has no token that starts a text; "
            "give it something to continue"
        )
    if not whole:
        notice("the prompt is empty; starting from the token that starts a text")
    return ids


def mention_unreadable(
    tokenizer: Tokenizer, text: str, special: bool, notice: Callable[[str], None]
) -> None:
    """Tell `notice` which characters of `text` the vocabulary has nothing for, if any."""
    if lost := tokenizer.unreadable(text, special=special):
        notice(_unreadable_remark(lost))


def _unreadable_remark(lost: str) -> str:
    from chatcli.text.visible import visible

    shown = visible(lost[:MENTIONED], keep_newlines=False).replace(" ", "␣").replace("\t", "⇥")
    more = f" and {len(lost) - MENTIONED:,} more" if len(lost) > MENTIONED else ""
    return f"this model's vocabulary has no {shown}{more}: it reads another token there, or none"


def _chat_ids(
    model: LanguageModel,
    text: str,
    flags: PromptFlags,
    notice: Callable[[str], None],
    prompt: BoundPrompt,
) -> list[int]:
    messages = chat_messages(text, flags, prompt)
    prefill = reply_prefill(flags, prompt)
    typed = "".join(message.content for message in messages) + prefill
    mention_unreadable(model.tokenizer, typed, flags.special, notice)
    return model.tokenizer.encode_chat(messages, prefill=prefill)


def chat_messages(text: str, flags: PromptFlags, prompt: BoundPrompt) -> list[Message]:
    """What --chat makes of a text: the prompt's own messages, and it as the user's.

    Raises UsageError where it is empty.
    """
    if not text.strip():
        raise UsageError("the prompt is empty; --chat needs a message to answer")
    return [*_preamble(flags, prompt), prompt.message(text)]


def _preamble(flags: PromptFlags, prompt: BoundPrompt) -> Sequence[Message]:
    """The prompt's own, with --system in place of its system prompt."""
    if flags.system is None:
        return prompt.preamble
    rest = [message for message in prompt.preamble if message.role != "system"]
    return [Message("system", flags.system), *rest]
