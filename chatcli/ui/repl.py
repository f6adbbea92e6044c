"""The conversation at the keyboard: a line is a message, or a command that starts with a slash.

On a terminal lines come from prompt-toolkit; without one, from stdin, and only replies are
written to stdout. What a reply looks like is in `display`; what a turn does to the context,
in `chat.conversation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from chatcli.chat.conversation import Conversation
from chatcli.engine.types import Chunk
from chatcli.errors import ChatcliError, OutputError, UsageError
from chatcli.ui.display import Reply, show_reply
from chatcli.ui.environment import Environment
from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt

if TYPE_CHECKING:
    from chatcli.chat.keeper import Keeper
    from chatcli.chat.store import Store
    from chatcli.model.types import LanguageModel

__all__ = ["Repl", "ReplyOptions", "run_repl"]

# A slash, a word, and nothing or a space: "/usr/bin is a folder" is a message.
_SLASH = re.compile(r"/([A-Za-z?]+)(?:\s+(.*))?", re.DOTALL)
_PROMPT = "> "


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What holds for every reply of a conversation."""

    display: DisplayOptions
    max_tokens: int = 512
    stop: Sequence[str] = ()
    prefill: str = ""


def run_repl(
    env: Environment,
    conversation: Conversation,
    options: ReplyOptions,
    lines: Iterator[str] | None = None,
) -> bool:
    """Read lines and answer them until they end; return whether every turn succeeded.

    `lines` are by default those of the terminal, or of stdin where there is none. Raises
    KeyboardInterrupt where Ctrl-C is pressed and there is no prompt to go back to.
    """
    if lines is None:
        lines = _typed_lines() if env.interactive else env.lines()
    repl = _Repl(env, conversation, options)
    for line in lines:
        if not repl.take(line):
            break
    return not repl.failed


class _Repl:
    """One conversation on one terminal; `failed` says whether a turn went wrong."""

    def __init__(self, env: Environment, conversation: Conversation, options: ReplyOptions) -> None:
        self.env = env
        self.conversation = conversation
        self.options = options
        self.failed = False

    def take(self, line: str) -> bool:
        """Obey or answer `line`; return whether the conversation goes on."""
        slash = _SLASH.fullmatch(line.strip())
        try:
            if slash is not None:
                return _command(slash[1]).run(self, slash[2] or "")
            if line.strip():
                self._reply(line)
        except OutputError:
            raise
        except ChatcliError as error:
            self.failed = True
            self.env.error(str(error))
        return True

    def _reply(self, text: str) -> None:
        options, frames = self.options, Frames(self.env, self.options.display)
        with Interrupt() as interrupt:
            chunks = self.conversation.ask(
                text,
                max_tokens=options.max_tokens,
                stop=options.stop,
                prefill=options.prefill,
                top=frames,
                cancelled=interrupt.cancelled,
            )
            show_reply(
                self.env,
                chunks,
                model=self.conversation.model,
                chain=self.conversation.chain,
                frames=frames,
                interrupt=interrupt,
                prefix=options.prefill,
            )
            if not self.env.stdout_is_terminal:
                self.env.write("\n")  # a pipe gets the text alone; a reply ends its line
        if interrupt.cancelled() and not self.env.interactive:
            raise KeyboardInterrupt


class Repl:
    """A conversation on a terminal, as commands see it: they may assign `talk` and `display`."""

    def __init__(
        self,
        env: Environment,
        talk: Conversation,
        display: DisplayOptions,
        *,
        load: Callable[[str], LanguageModel],
        store: Store | None = None,
        keeper: Keeper | None = None,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.env = env
        self.talk = talk
        self.display = display
        self.load = load
        self.store = store
        self.keeper = keeper
        self.presets = presets or {}
        self.failed = False
        self.reply: Reply | None = None

    def say(self, text: str) -> None:
        """A remark, never part of what a pipe gets."""
        self.env.say(text)

    def show(self, start: Callable[[Frames, Interrupt], Iterator[Chunk]], prefix: str = "") -> None:
        """Show the reply whose chunks `start` gives, after `prefix`; it is `reply` afterwards.

        Raises what the reply raises, and KeyboardInterrupt where Ctrl-C is pressed and there
        is no prompt to go back to.
        """
        frames = Frames(self.env, self.display)
        with Interrupt() as interrupt:
            chunks = start(frames, interrupt)
            self.reply = show_reply(
                self.env,
                chunks,
                model=self.talk.model,
                chain=self.talk.chain,
                frames=frames,
                interrupt=interrupt,
                prefix=prefix,
            )
            if not self.env.stdout_is_terminal:
                self.env.write("\n")  # a pipe gets the text alone; a reply ends its line
        if interrupt.cancelled() and not self.env.interactive:
            raise KeyboardInterrupt


def _help(repl: _Repl, argument: str) -> bool:
    width = max(len(command.name) for command in _COMMANDS)
    lines = [f"/{command.name:<{width}}  {command.help}" for command in _COMMANDS]
    keys = "Ctrl-C stops a reply or clears the line; Ctrl-D leaves."
    repl.env.say("\n".join([*lines, keys]))
    return True


def _reset(repl: _Repl, argument: str) -> bool:
    repl.conversation.reset()
    repl.env.say("a fresh conversation; the system prompt stays")
    return True


def _exit(repl: _Repl, argument: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Command:
    """A slash command; `run` gets what follows the name, and says whether the chat goes on."""

    name: str
    help: str
    run: Callable[[_Repl, str], bool]


_COMMANDS = (
    _Command("help", "list the commands", _help),
    _Command("reset", "forget the conversation and start afresh", _reset),
    _Command("exit", "leave", _exit),
)


def _command(name: str) -> _Command:
    """The command of that name. Raises UsageError, with the nearest one, where there is none."""
    names = {command.name: command for command in _COMMANDS}
    if name in names:
        return names[name]
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    hint = f"did you mean /{near[0]}?" if near else "/help lists them"
    raise UsageError(f"no command /{name}; {hint}")


def _typed_lines() -> Iterator[str]:
    """Lines from the keyboard until Ctrl-D; Ctrl-C gives the line up."""
    from prompt_toolkit import PromptSession

    prompt = PromptSession[str](_PROMPT)
    while True:
        try:
            yield prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
