"""Where two branches part: /diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chatcli.chat.branches import BranchView, find_branch
from chatcli.errors import UsageError
from chatcli.text.visible import visible
from chatcli.ui.commands.registry import Command
from chatcli.ui.commands.views import show_view
from chatcli.ui.commands.words import split_words
from chatcli.ui.diff_view import Branch, diff_lines
from chatcli.ui.theme import Paint

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]


def _diff(repl: Repl, argument: str) -> bool:
    left, right = (
        Branch(visible(view.name, keep_newlines=False), repl.talk.tree.path(view.head))
        for view in _two(repl.talk.branches(), repl.talk.session.branch, argument)
    )
    show_view(repl, diff_lines(left, right, Paint(repl.env), repl.env.columns()))
    return True


def _two(views: Sequence[BranchView], current: str, argument: str) -> Sequence[BranchView]:
    """The branches to compare: the one in hand and another, or two that are named."""
    known = [view.name for view in views]
    names = [argument] if argument in known else split_words(argument)
    others = [name for name in known if name != current]
    if not names and len(others) == 1:
        names = others
    if not 1 <= len(names) <= 2:
        raise UsageError(
            "/diff needs one branch or two: /diff NAME; /branches lists them; a name with spaces "
            'stands in "quotes"'
        )
    return [find_branch(views, name) for name in (names if len(names) == 2 else [current, *names])]


def _branch_words(repl: Repl, typed: str) -> Iterator[str]:
    before = typed[: typed.rfind(" ") + 1]
    yield from (f"{before}{view.name}" for view in repl.talk.branches())


COMMANDS = (
    Command(
        "diff",
        "NAME [NAME]",
        "where two branches part, and how they differ",
        "Looking",
        _diff,
        _branch_words,
    ),
)
