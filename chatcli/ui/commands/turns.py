"""Other replies and other messages: /retry, /continue, /undo, /edit.

Nothing is lost by any of them: what was there stays in the tree, and /branches leads back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatcli.chat.settings import inside
from chatcli.ui.commands.registry import Command, no_argument
from chatcli.ui.commands.settings import pair_words
from chatcli.ui.commands.values import changed
from chatcli.ui.commands.views import numbered_turn, turn_numbers
from chatcli.ui.commands.words import read_pairs
from chatcli.ui.line.editor import edit_text
from chatcli.ui.panel import clip

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

_MENTIONED = 40  # cells of a message that is only named


def _retry(repl: Repl, argument: str) -> bool:
    talk = repl.talk
    given = read_pairs(argument)
    settings = changed(talk.settings, given, repl.defaults) if given else None
    repl.show(
        lambda frames, interrupt: talk.retry(
            settings=settings, top=frames, cancelled=interrupt.cancelled
        ),
        prefix=talk.settings.prefill,
        sampling=None if settings is None else settings.sampling,
    )
    return True


def _continue(repl: Repl, argument: str) -> bool:
    no_argument("continue", argument)
    head = repl.talk.head
    repl.show(
        lambda frames, interrupt: repl.talk.resume(top=frames, cancelled=interrupt.cancelled),
        said="" if head is None else head.reply,
    )
    return True


def _undo(repl: Repl, argument: str) -> bool:
    no_argument("undo", argument)
    turn = repl.talk.undo()
    number = len(repl.talk.path) + 1
    ends = [view for view in repl.talk.branches() if turn in repl.talk.tree.path(view.head)]
    back = next((view for view in ends if view.head == turn.id), ends[-1])
    repl.say(
        f"back to before turn {number} ({_named(turn.user)}); /switch {back.name} leads there again"
    )
    return True


def _edit(repl: Repl, argument: str) -> bool:
    talk = repl.talk
    number, turn = numbered_turn(repl, argument, "edit")
    typed = inside(talk.settings, turn.user)
    text = edit_text(typed)
    if text is None or text == typed:
        repl.say(f"turn {number} is unchanged")
        return True
    if repl.env.interactive:
        repl.say(f"{number} > {text}")
    repl.show(
        lambda frames, interrupt: talk.edit(
            number, text, top=frames, cancelled=interrupt.cancelled
        ),
        prefix=talk.settings.prefill,
    )
    return True


def _named(text: str) -> str:
    return clip(" ".join(text.split()), _MENTIONED)


COMMANDS = (
    Command(
        "retry",
        "[KEY=VALUE …]",
        "another reply to the last message",
        "Replies",
        _retry,
        pair_words,
        "settings are for this reply alone: /retry temperature=1.2 seed=5\n"
        "The reply before it stays: /branches lists it. A message that got no reply is asked "
        "again.",
        aliases=("regen",),
    ),
    Command(
        "continue",
        "",
        "let the last reply go on where it stopped",
        "Replies",
        _continue,
        details="token for token as if it had never been interrupted or cut at max_tokens",
    ),
    Command(
        "undo",
        "",
        "go back to before the last turn",
        "Replies",
        _undo,
        details="what is undone stays in the tree: /branches lists it, /switch leads back",
    ),
    Command(
        "edit",
        "[N]",
        "ask a turn anew in other words, in $EDITOR",
        "Replies",
        _edit,
        turn_numbers,
        "N is the turn's number, the last one's if there is none; unchanged text asks nothing",
    ),
)
