"""Branches: names for ends of the tree, and how one gets from one to another.

A branch is a name for its newest turn. Ends that no branch leads to (an earlier reply after
/retry, a turn taken back) are called by "@" and the first digits of their turn's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from chatcli.chat.tree import Tree
from chatcli.chat.types import Session
from chatcli.errors import UsageError

__all__ = ["BranchView", "Branches", "end_name", "find_branch"]

_DIGITS = 5


def end_name(turn: int) -> str:
    """What an end is called that no branch leads to."""
    return f"@{turn:014x}"[: _DIGITS + 1]


@dataclass(frozen=True, slots=True)
class BranchView:
    """A branch or an unnamed end: its newest turn (None: nothing yet), and how many lead to it."""

    name: str
    head: int | None
    turns: int
    current: bool = False


def find_branch(views: Sequence[BranchView], name: str) -> BranchView:
    """The one that is called so, or the only end "@…" that begins so. Raises UsageError."""
    by_name = {view.name: view for view in views}
    if name in by_name:
        return by_name[name]
    means = [one for one in by_name if name.startswith("@") and one.startswith(name)]
    if len(means) == 1:
        return by_name[means[0]]
    if means:
        raise UsageError(f"{name!r} may be any of {', '.join(means)}; give more of it")
    near = get_close_matches(name, by_name, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "/branches lists them"
    quotes = "" if '"' in name or " " not in name else '; a name with spaces may stand in "quotes"'
    raise UsageError(f"no branch {name!r}; {hint}{quotes}")


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of one session; changes are fields for `dataclasses.replace`."""

    session: Session
    tree: Tree

    def views(self) -> tuple[BranchView, ...]:
        """The named ones, then the unnamed ends."""
        return (*self._named(), *self._unnamed())

    def added(self, name: str) -> Mapping[str, object]:
        """A branch `name` from the head, in hand. Raises UsageError on a name that can't be one."""
        name = name.strip()
        if not name or name.startswith("@") or not name.isprintable():
            raise UsageError(
                f"a branch needs a name of its own, one line without a leading @; got {name!r}"
            )
        if name in self.session.branches:
            raise UsageError(f"there is a branch {name!r} already; /switch {name} takes it in hand")
        return {"branch": name, "branches": {**self.session.branches, name: self.session.head}}

    def switched(self, name: str) -> Mapping[str, object]:
        """The branch `name` in hand; for an unnamed end, the branch in hand moves there."""
        view = find_branch(self.views(), name.strip())
        if view.name in self.session.branches:
            return {"branch": view.name}
        return {"branches": {**self.session.branches, self.session.branch: view.head}}

    def _named(self) -> Iterator[BranchView]:
        for name, head in self.session.branches.items():
            turns = len(self.tree.path(head))
            yield BranchView(name, head, turns, current=name == self.session.branch)

    def _unnamed(self) -> Iterator[BranchView]:
        named = set(self.session.branches.values())
        for leaf in self.tree.leaves():
            if leaf.id not in named:
                yield BranchView(end_name(leaf.id), leaf.id, len(self.tree.path(leaf.id)))
