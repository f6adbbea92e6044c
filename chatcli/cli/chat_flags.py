"""The options of `chatcli chat` alone, and what they mean together for its settings.

Said on the command line beats said in a prompt file, beats said in the config file, beats
what the checkpoint starts from. A conversation that is taken up goes on as it was held, but
for what is said on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

from typer import Context, Option

from chatcli.cli.options import SamplingFlags, complete_words, sampling_config, sampling_given
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.chat.types import Settings
    from chatcli.model.types import LanguageModel
    from chatcli.text.prompts import BoundPrompt
    from chatcli.ui.frames import DisplayOptions
    from chatcli.ui.line.session import EditingMode

__all__ = [
    "ConversationFlags",
    "ReplyFlags",
    "ScreenFlags",
    "Wanted",
    "check_flags",
    "complete_sessions",
    "editing_mode",
    "screen_options",
    "typed_options",
    "wanted",
]

_TALK = "Conversation"
_DISPLAY = "Display"

_OVERFLOW = ("error", "drop-oldest", "slide")
_THINKING = ("show", "fold")
_EDITING = ("emacs", "vi")


def complete_sessions(incomplete: str) -> list[str]:
    """Ids and names of what is kept."""
    from chatcli.chat.store import Store
    from chatcli.errors import ChatcliError

    try:
        kept = Store.open(create=False).sessions()
    except ChatcliError:
        return []
    words = [word for each in kept for word in (each.id, each.name) if word]
    return [word for word in words if word.startswith(incomplete)]


@dataclass(frozen=True, slots=True)
class ConversationFlags:
    """Which conversation, and whether it is kept."""

    last: Annotated[
        bool,
        Option(
            "-c",
            "--continue",
            help="Go on with the conversation held last.",
            rich_help_panel=_TALK,
        ),
    ] = False
    session: Annotated[
        str | None,
        Option(
            metavar="ID",
            help="Go on with this one: its id, the beginning of it, or its name.",
            autocompletion=complete_sessions,
            rich_help_panel=_TALK,
        ),
    ] = None
    name: Annotated[
        str | None,
        Option("--name", metavar="NAME", help="Name this conversation.", rich_help_panel=_TALK),
    ] = None
    keep: Annotated[
        bool,
        Option("--keep/--no-keep", help="Keep what is said.", rich_help_panel=_TALK),
    ] = True


@dataclass(frozen=True, slots=True)
class ReplyFlags:
    """What is said to the model besides messages, and what ends a reply. None: not said."""

    system: Annotated[str | None, Option(metavar="TEXT", help="The system prompt.")] = None
    prefill: Annotated[str | None, Option(metavar="TEXT", help="How every reply starts.")] = None
    max_tokens: Annotated[
        int | None,
        Option(
            "-n",
            "--max-tokens",
            min=1,
            metavar="N",
            help="End a reply after N tokens.",
            show_default="the prompt file's own, else 512",
        ),
    ] = None
    stop: Annotated[
        list[str] | None,
        Option(metavar="TEXT", help="End a reply before TEXT; may be given again."),
    ] = None
    overflow: Annotated[
        str | None,
        Option(
            metavar="POLICY",
            help="When the context is full: error, drop-oldest (turns), or slide (inside a reply).",
            show_default="drop-oldest",
            autocompletion=complete_words(*_OVERFLOW),
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ScreenFlags:
    """What a person sees of a chat, besides what every reply has."""

    probs: Annotated[
        str | None,
        Option(
            metavar="on|off|N",
            help="Probabilities, with N alternatives; off is a calm chat.",
            show_default="on",
            autocompletion=complete_words("on", "off"),
            rich_help_panel=_DISPLAY,
        ),
    ] = None
    markdown: Annotated[
        bool,
        Option("--markdown", help="Render finished replies.", rich_help_panel=_DISPLAY),
    ] = False
    thinking: Annotated[
        str,
        Option(
            metavar="HOW",
            help="Thinking parts: show or fold.",
            autocompletion=complete_words(*_THINKING),
            rich_help_panel=_DISPLAY,
        ),
    ] = "show"
    editing: Annotated[
        str,
        Option(
            metavar="KEYS",
            help="Keys of the line: emacs or vi.",
            autocompletion=complete_words(*_EDITING),
            rich_help_panel=_DISPLAY,
        ),
    ] = "emacs"


def check_flags(talk: ConversationFlags, reply: ReplyFlags, screen: ScreenFlags) -> None:
    """Refuse what can't be right before a model is loaded for it. Raises UsageError."""
    if talk.last and talk.session is not None:
        raise UsageError("--continue is the last conversation and --session another; drop one")
    if talk.name is not None and not talk.keep:
        raise UsageError("--name is for a conversation that is kept, and --no-keep keeps none")
    if not all(reply.stop or ()):
        raise UsageError("--stop is empty, which would end every reply; give it some text")
    _one_of("--overflow", reply.overflow or _OVERFLOW[0], _OVERFLOW)
    _one_of("--thinking", screen.thinking, _THINKING)
    _one_of("--editing", screen.editing, _EDITING)


def editing_mode(flags: ScreenFlags) -> EditingMode:
    """The keys of the line."""
    return "vi" if flags.editing == "vi" else "emacs"


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} is {value!r}, but must be one of {', '.join(allowed)}")


def screen_options(flags: ScreenFlags, options: DisplayOptions) -> DisplayOptions:
    """The display of a chat. Raises UsageError on a --probs that is nothing of the kind."""
    probs = flags.probs or "on"
    if probs.isascii() and probs.isdigit():
        options = replace(options, top=int(probs))
    elif probs not in ("on", "off"):
        raise UsageError(f"--probs is {probs!r}, but must be on, off or a number of alternatives")
    thinking: Any = flags.thinking
    return replace(options, probs=probs != "off", markdown=flags.markdown, thinking=thinking)


def typed_options(ctx: Context) -> frozenset[str]:
    """The names of the parameters that were given on the command line itself."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return frozenset(name for name, each in sources.items() if each and each.name == "COMMANDLINE")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say of the settings; `typed` are those of the command line itself."""

    sampling: Mapping[str, Any]
    reply: Mapping[str, Any]
    prompt: BoundPrompt | None
    typed: frozenset[str]

    def defaults(self, model: LanguageModel) -> Settings:
        """What a conversation with `model` starts from, where nothing is typed."""
        from chatcli.chat.types import Settings

        sampling = sampling_config(self._of_file(self.sampling), model.checkpoint.path)
        return _with_reply(Settings(sampling=sampling), self._of_file(self.reply))

    def fresh(self, model: LanguageModel) -> Settings:
        """The settings of a new conversation."""
        settings = self._prompted(self.defaults(model))
        said = {} if self.prompt is None else self.prompt.sampling
        # All at once: greedy decoding that a checkpoint asks for gives way to any of them.
        given = {**self._of_file(self.sampling), **said, **self._typed(self.sampling)}
        sampling = sampling_config(given, model.checkpoint.path)
        return _with_reply(replace(settings, sampling=sampling), self._typed(self.reply))

    def taken_up(self, settings: Settings) -> Settings:
        """The settings of a conversation that was held under `settings`."""
        if "prompt_file" in self.typed:
            settings = self._prompted(settings)
        sampling = replace(settings.sampling, **self._typed(self.sampling))
        return _with_reply(replace(settings, sampling=sampling), self._typed(self.reply))

    def _prompted(self, settings: Settings) -> Settings:
        from chatcli.chat.settings import apply_prompt

        return settings if self.prompt is None else apply_prompt(settings, self.prompt)

    def _typed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name in self.typed}

    def _of_file(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name not in self.typed}


def wanted(
    sampling: SamplingFlags, reply: ReplyFlags, prompt: BoundPrompt | None, typed: frozenset[str]
) -> Wanted:
    """The options taken together. Raises what `sampling_given` raises."""
    said = {
        part.name: value
        for part in fields(reply)
        if (value := getattr(reply, part.name)) is not None
    }
    typed |= {"temperature"} if "greedy" in typed else set()
    return Wanted(sampling_given(sampling), said, prompt, typed)


def _with_reply(settings: Settings, said: Mapping[str, Any]) -> Settings:
    from chatcli.chat.settings import with_system

    values = dict(said)
    if "system" in values:
        settings = with_system(settings, values.pop("system"))
    if "stop" in values:
        values["stop"] = tuple(values["stop"])
    return replace(settings, **values)
