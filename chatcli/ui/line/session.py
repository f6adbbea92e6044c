"""The lines that a person types in a chat, one after another, until they leave or are gone.

On a full terminal they are edited with prompt-toolkit (`prompt`), on a dumb one by the
terminal itself (`plain`). What a line means, what completes it, and what the toolbar says
are the business of the caller, through `LineHelp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from chatcli.folders import data_folder
from chatcli.ui.environment import Environment
from chatcli.ui.line.blocks import unquoted
from chatcli.ui.line.departure import tells_of_the_end
from chatcli.ui.line.history import HistoryFile

__all__ = [
    "PROMPT",
    "Completion",
    "EditingMode",
    "Leave",
    "LineHelp",
    "LineOptions",
    "typed_lines",
]

PROMPT = "> "

EditingMode = Literal["emacs", "vi"]


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How the line is edited."""

    editing_mode: EditingMode = "emacs"


@dataclass(frozen=True, slots=True)
class Completion:
    """`text` that may stand from index `start` of the line to the cursor, and what it is."""

    text: str
    start: int
    description: str = ""


class LineHelp(Protocol):
    """What the line needs to know of the chat.

    Everything is asked while a person types, in the thread that calls `typed_lines`, so it
    must answer at once: no model work, and nothing slower than a few milliseconds.
    """

    first: str
    """What the next line begins with (a message that was refused, say); emptied when taken.
    It waits until all that was typed ahead is taken."""

    ahead: str
    """What was typed while a reply was shown, a newline for Enter; emptied when taken."""

    begun: bool
    """Whether what was typed ahead goes on behind the line that was read last, and its own last
    line has no Enter yet: what is typed next edits it. Set with each line."""

    def complete(self, line: str) -> Iterable[Completion]:
        """What may follow in `line`, the text up to the cursor; asked only where it starts
        with a slash. A ChatcliError counts as nothing."""

    def toolbar(self, columns: int) -> str | list[tuple[str, str]]:
        """One line of at most `columns` cells below the prompt, or (style, text) pairs in
        prompt-toolkit's styles; made inert here. Asked at every key."""

    def leaving(self) -> str:
        """A word on how to resume, said when a person leaves by Ctrl-C or Ctrl-D; "" for none."""


class Leave(EOFError):
    """The person has left, by Ctrl-D or two Ctrl-C; a bare EOFError: the terminal is gone."""


def typed_lines(
    help: LineHelp, options: LineOptions, env: Environment, notice: Callable[[str], None]
) -> Iterator[str]:
    """Every line that is typed, as it is, newlines included; blank ones too.

    Text between triple quotes comes without them, as `blocks.Quoted`: a message, even where
    it starts with a slash. The iterator ends when the person leaves, the terminal vanishes,
    or SIGHUP or SIGTERM come at the prompt; what was said must be kept by then. While a reply
    is made those signals are the caller's (see `departure.Departure`). `notice` gets remarks
    of one line, never while the prompt is on the screen.
    """
    history = HistoryFile(data_folder() / "history", notice)
    read = _reader(help, options, env, notice, history.entries())
    while True:
        try:
            text = read()
        except Leave:
            if word := help.leaving():
                notice(word)
            return
        except KeyboardInterrupt:  # a signal; as a key, Ctrl-C is the reader's
            continue
        except Exception as error:
            if not tells_of_the_end(error):
                raise
            env.abandon()  # what is still buffered can go nowhere
            return
        history.append(text)
        yield unquoted(text)


def _reader(
    help: LineHelp,
    options: LineOptions,
    env: Environment,
    notice: Callable[[str], None],
    entries: list[str],
) -> Callable[[], str]:
    """What reads a line. It raises Leave, EOFError where the terminal ends, and what reading
    and writing raise."""
    from prompt_toolkit.utils import is_dumb_terminal  # costs start-up time

    if is_dumb_terminal():
        from chatcli.ui.line.plain import Plain

        return Plain(help, env, notice).read
    from chatcli.ui.line.prompt import Prompt

    return Prompt(help, options, env, notice, entries).read
