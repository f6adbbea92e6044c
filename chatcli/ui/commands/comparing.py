"""Where two branches part: /diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

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
    views = {view.name: view for view in repl.talk.branches()}
    names = _two_names(list(views), repl.talk.session.branch, argument)
    left, right = (
        Branch(visible(name, keep_newlines=False), repl.talk.tree.path(views[name].head))
        for name in names
    )
    show_view(repl, diff_lines(left, right, Paint(repl.env), repl.env.columns()))
    return True


def _two_names(known: Sequence[str], current: str, argument: str) -> Sequence[str]:
    """The branches to compare: the one in hand and another, or two that are named."""
    names = [argument] if argument in known else split_words(argument)
    others = [name for name in known if name != current]
    if not names and len(others) == 1:
        names = others
    if not 1 <= len(names) <= 2:
        raise UsageError("/diff needs one branch or two: /diff NAME; /branches lists them")
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "/branches lists them"
            raise UsageError(f"no branch {name!r}; {hint}")
    return names if len(names) == 2 else [current, *names]


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
