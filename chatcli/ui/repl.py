"""The conversation at the keyboard: a line is a message, or a command that starts with a slash.

On a terminal lines come from `ui.line`; without one, from stdin, and only replies are
written to stdout. What a reply looks like is in `display`; what a turn does to the context,
in `chat.conversation`; what commands there are, in `commands`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.types import Session, Settings
from chatcli.chat.window import Window
from chatcli.engine.types import Chunk
from chatcli.errors import ChatcliError, ContextError, OutputError, StreamError
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.ui.commands.all import COMMANDS
from chatcli.ui.commands.completion import completions
from chatcli.ui.commands.presets import PRESETS
from chatcli.ui.commands.registry import as_message, find, split_line
from chatcli.ui.display import Reply, show_reply
from chatcli.ui.environment import Environment
from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.line.blocks import Quoted, joined
from chatcli.ui.line.departure import Departure
from chatcli.ui.line.session import Completion, EditingMode, LineOptions, typed_lines
from chatcli.ui.remarks import Remarks
from chatcli.ui.thinking import opening_of
from chatcli.ui.toolbar import toolbar
from chatcli.ui.transcript import show_transcript

if TYPE_CHECKING:
    from chatcli.chat.keeper import Keeper
    from chatcli.chat.store import Store
    from chatcli.model.types import LanguageModel
    from chatcli.text.prompts import PromptFile

__all__ = ["Repl", "Start", "run_repl"]

# Begins a reply: `Frames` is its `top`, and the interrupt tells when it is cancelled.
Start = Callable[[Frames, Interrupt], Iterator[Chunk]]

_GOES_ON = "/continue goes on"
_UNANSWERED = "the last message has no reply; /retry asks it again"
# Turns that are shown again where a conversation is taken up.
_SHOWN = 6


class Repl:
    """A conversation on a terminal, as commands see it: they may assign `talk` and `display`.

    `load` gives the checkpoint that --model would; `defaults` the settings that a conversation
    with a checkpoint starts from; `presets` are the user's own.
    """

    def __init__(
        self,
        env: Environment,
        talk: Conversation,
        display: DisplayOptions,
        *,
        load: Callable[[str], LanguageModel],
        defaults: Callable[[LanguageModel], Settings] = lambda model: Settings(),
        store: Store | None = None,
        keeper: Keeper | None = None,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        remarks: Remarks | None = None,
    ) -> None:
        self.env = env
        self.talk = talk
        self.display = display
        self.load = load
        self.store = store
        self.keeper = keeper
        self.presets = {**PRESETS, **(presets or {})}
        self.remarks = remarks or Remarks(env)
        self.failed = False
        self.ended = False  # by a signal: no line is asked for any more
        self.told = False  # how to resume
        self.reply: Reply | None = None
        self.first = ""  # what the next line begins with
        self.prompted: tuple[PromptFile, Settings] | None = None  # and what held before it
        self.ahead = ""  # what was typed while a reply was shown
        self.begun = False  # a line, by what was typed ahead and not ended
        self._defaults = defaults
        self._window: tuple[Session, Window] | None = None

    @property
    def defaults(self) -> Settings:
        """What a fresh conversation with this checkpoint would start from."""
        return self._defaults(self.talk.model)

    def say(self, text: str) -> None:
        """A remark, never part of what a pipe gets."""
        self.remarks(text)

    def say_facts(self, *facts: str) -> None:
        """Short facts in a row, folded where the screen is narrow."""
        self.remarks.facts(*facts)

    # Lines

    def take(self, line: str) -> bool:
        """Obey or answer `line`; return whether the conversation goes on."""
        command = None if isinstance(line, Quoted) else split_line(line)
        try:
            if command is not None:
                name, argument = command
                return find(COMMANDS, name).run(self, argument) and not self.ended
            if line.strip():
                self.ask(as_message(line))
        except StreamError:  # there is nowhere left to go on
            raise
        except ChatcliError as error:
            self.failed = True
            self.remarks.error(str(error))
        return not self.ended

    def ask(self, text: str) -> None:
        """Show the reply to `text`. A message that can't fit goes back into the line."""
        try:
            self.show(
                lambda frames, interrupt: self.talk.ask(
                    text, top=frames, cancelled=interrupt.cancelled
                ),
                prefix=self.talk.settings.prefill,
            )
        except ContextError:
            self.first = text if split_line(text) is None else f'"""{text}"""'
            raise

    def show(
        self,
        start: Start,
        *,
        prefix: str = "",
        said: str = "",
        sampling: SamplingConfig | None = None,
    ) -> None:
        """Show the reply whose chunks `start` gives; it is `reply` afterwards.

        `prefix` is how it begins, or `said` what it goes on from; `sampling` is what it is
        drawn by, where that isn't what holds for every reply. Raises what the reply raises, and
        KeyboardInterrupt where Ctrl-C or a signal ends it and there is no prompt to go back to.
        """
        frames = Frames(self.env, self.display)
        with Interrupt() as interrupt, Departure(interrupt.cancel) as departure:
            chunks = start(frames, interrupt)  # what it says of the context comes before the reply
            with self.remarks.held(), self._line_of_a_pipe():
                self.reply = show_reply(
                    self.env,
                    chunks,
                    model=self.talk.model,
                    chain=self.talk.chain if sampling is None else self._chain(sampling),
                    frames=frames,
                    interrupt=interrupt,
                    prefix=prefix,
                    said=said,
                    opened=opening_of(self.talk.model.tokenizer),
                    hint=_GOES_ON,
                    typed=self._type_ahead if self.env.interactive else None,
                    begun=self.begun,
                )
        self.ended = departure.asked
        if interrupt.cancelled() and not self.env.interactive:
            raise KeyboardInterrupt
        if self.talk.unanswered is not None and self.env.interactive and not self.ended:
            self.say(_UNANSWERED)

    def _type_ahead(self, keys: str) -> None:
        """Keep what is typed while a reply is shown, for the next line."""
        self.ahead += keys
        self.begun = not keys.endswith("\n")

    @contextmanager
    def _line_of_a_pipe(self) -> Iterator[None]:
        """A pipe gets the text alone; a reply ends its line."""
        try:
            yield
        finally:
            if not self.env.stdout_is_terminal:
                self.env.write("\n")

    def _chain(self, sampling: SamplingConfig) -> SamplerChain:
        """The chain of a reply that has settings of its own."""
        seed = self.talk.session.seed if sampling.seed is None else sampling.seed
        return SamplerChain(replace(sampling, seed=seed))

    # What was said before

    def show_past(self, last: int = _SHOWN) -> None:
        """On a terminal, the `last` turns again; where the last message has no reply, that too."""
        if not self.env.interactive:
            return
        turns, waiting = self.talk.path, self.talk.unanswered
        shown = turns if waiting is None else (*turns, waiting)
        if shown:
            show_transcript(
                self.env,
                shown,
                self.talk.window().forgotten,
                last=last,
                thinking=self.display.thinking,
            )
        if waiting is not None:
            self.say(_UNANSWERED)

    # What the line asks for

    def complete(self, line: str) -> Iterable[Completion]:
        """What Tab offers in `line`, the text up to the cursor."""
        return completions(self, COMMANDS, line)

    def window(self) -> Window:
        """How full the context is, worked out anew only when the conversation has changed."""
        session = self.talk.session
        if self._window is None or self._window[0] is not session:
            self._window = session, self.talk.window()
        return self._window[1]

    def toolbar(self, columns: int) -> list[tuple[str, str]]:
        """The line below the prompt."""
        return toolbar(self, columns)

    def leaving(self) -> str:
        """How this conversation can be taken up again; "" where it isn't kept."""
        self.told = True
        if self.keeper is None or not len(self.talk.tree):
            return ""
        session = self.talk.session
        return f"to go on: chatcli chat --session {shlex.quote(session.name or session.id)}"


def run_repl(
    repl: Repl, lines: Iterable[str] | None = None, editing_mode: EditingMode = "emacs"
) -> bool:
    """Read lines and answer them until they end; return whether every line succeeded.

    `lines` are by default those of the terminal, or of stdin where there is none. Raises
    KeyboardInterrupt where Ctrl-C is pressed and there is no prompt to go back to.
    """
    env = repl.env
    if lines is None and env.interactive:
        lines = typed_lines(repl, LineOptions(editing_mode), env, repl.say)
    try:
        for line in joined(env.lines()) if lines is None else lines:
            if not repl.take(line):
                break
    finally:  # also after a second Ctrl-C in a reply, and a signal at the prompt
        _say_goodbye(repl)
    return not repl.failed


def _say_goodbye(repl: Repl) -> None:
    """How to resume, once, where a terminal is still there to read it."""
    if repl.env.interactive and not repl.told and (word := repl.leaving()):
        with suppress(OSError, OutputError):
            repl.say(word)
