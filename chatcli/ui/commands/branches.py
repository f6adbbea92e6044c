"""Ways through the tree of turns: /branch, /branches, /switch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatcli.chat.branches import BranchView, end_name
from chatcli.errors import UsageError
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.commands.registry import Command, Word, no_argument
from chatcli.ui.commands.words import plain_text
from chatcli.ui.figures import count
from chatcli.ui.panel import clip

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

_MESSAGE = 24  # cells of a message, so that its reply is seen too


def _branch(repl: Repl, argument: str) -> bool:
    if not argument:
        raise UsageError("/branch needs a name for the new branch: /branch other")
    repl.talk.branch(plain_text(argument))
    repl.say(f"on the new branch {repl.talk.session.branch}, {_length(repl)}")
    return True


def _branches(repl: Repl, argument: str) -> bool:
    no_argument("branches", argument)
    views = repl.talk.branches()
    columns = (
        Column("", [_sign(repl, view) for view in views]),
        Column("branch", [visible(view.name) for view in views]),
        Column("turns", [f"{view.turns:,}" for view in views], right=True),
        Column("last turn", [_last(repl, view) for view in views], gives=True),
    )
    repl.say("\n".join(table_lines(columns, repl.env.columns())))
    return True


def _sign(repl: Repl, view: BranchView) -> str:
    """Whether a branch is in hand, or goes on from where we are."""
    if view.current:
        return "•"
    head, path = repl.talk.head, repl.talk.tree.path(view.head)
    goes_on = path[-1:] != (head,) and (head in path if head is not None else bool(path))
    return "↳" if goes_on else ""


def _last(repl: Repl, view: BranchView) -> str:
    """Message and reply that a branch ends with; replies are what ends differ in."""
    if view.head is None:
        return ""
    turn = repl.talk.tree[view.head]
    return f"{clip(_line(turn.user), _MESSAGE)} → {_line(turn.reply)}"


def _line(text: str) -> str:
    return visible(" ".join(text.split()), keep_newlines=False)


def _switch(repl: Repl, argument: str) -> bool:
    if not argument:
        raise UsageError("/switch needs the name of a branch; /branches lists them")
    names = [view.name for view in repl.talk.branches()]
    branch, head = repl.talk.session.branch, repl.talk.session.head
    repl.talk.switch(argument if argument in names else plain_text(argument))
    if repl.talk.session.branch == branch and repl.talk.session.head != head:
        repl.say_facts(*_moved(repl, head))
    else:
        repl.say(f"on branch {repl.talk.session.branch}, {_length(repl)}")
    repl.show_past(last=1)
    return True


def _moved(repl: Repl, before: int | None) -> Iterator[str]:
    """Where the branch in hand is now, and where it was, with what leads back."""
    session = repl.talk.session
    there = "its start" if session.head is None else end_name(session.head)
    yield f"branch {session.branch} moved to {there}"
    yield _length(repl)
    views = [view for view in repl.talk.branches() if view.head == before]
    if before is None:
        yield "it was empty"
    elif views:
        yield f"it was on {_last(repl, views[0])}"
        yield f"/switch {views[0].name} leads there again"
    else:
        yield f"it was on {_line(repl.talk.tree[before].user)}"


def _length(repl: Repl) -> str:
    return count(len(repl.talk.path), "turn")


def _names(repl: Repl, typed: str) -> Iterator[str]:
    for view in repl.talk.branches():
        if not view.current:
            yield Word(view.name, _last(repl, view))


COMMANDS = (
    Command(
        "branch",
        "NAME",
        "begin a new branch from here",
        "Branches",
        _branch,
        details="the branch that you leave stays where it is: /switch leads back to it",
    ),
    Command(
        "branches",
        "",
        "list the branches, and ends that have no name",
        "Branches",
        _branches,
        details="• marks the one in hand, ↳ what goes on from here; an earlier reply or an\n"
        "undone turn is an end, @ and some digits, until a branch leads to it",
    ),
    Command(
        "switch",
        "NAME",
        "go on with another branch, or an end by its @…",
        "Branches",
        _switch,
        _names,
        "of an @… as much as no other begins with; a name with spaces may stand in quotes",
    ),
)
