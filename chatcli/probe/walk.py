"""A walk through what a model may write: the paths that were taken, as a tree of ids.

A node adds ids to those of its parent, and nothing here reads a text: what was typed is kept
beside the ids that it became, once. Going back removes nothing, but for typed text that is
opened again. What the model says at a place is in `waterfall`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from math import log2
from typing import Any, Literal, Self, get_args

from chatcli.errors import StoreError, UsageError
from chatcli.sampling.types import Candidate

__all__ = ["By", "Fork", "Node", "Walk", "fork", "surprisal_bits"]

By = Literal["given", "typed", "taken", "drawn"]


@dataclass(frozen=True, slots=True)
class Node:
    """One move of a walk.

    number, parent  the tree; the root has number 0 and no parent
    ids             what the move adds
    by              "given" beforehand, "typed" by a person, a candidate "taken" by one, or
                    "drawn" by the chain
    text            as it was typed
    chosen          the candidate as it was when it was chosen
    """

    number: int
    parent: int | None
    ids: tuple[int, ...]
    by: By
    text: str = ""
    chosen: Candidate | None = None
    name: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class _Standing:
    """What leads to a node."""

    path: tuple[Node, ...]
    ids: tuple[int, ...]
    prompt_length: int


class Walk:
    """The tree, and the node in hand (`at`)."""

    def __init__(self, root: Sequence[int] = ()) -> None:
        self._nodes = {0: Node(0, None, tuple(root), "given")}
        self._children: dict[int, list[int]] = {0: []}
        self._onward: dict[int, int] = {}  # of a node, the child that was last gone to
        self._known: _Standing | None = None  # of the node in hand
        self._next = 1
        self._at = 0

    def __getitem__(self, number: int) -> Node:
        """Raises KeyError where there is no such node."""
        return self._nodes[number]

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._nodes)

    @property
    def at(self) -> Node:
        """The node in hand."""
        return self._nodes[self._at]

    @property
    def ids(self) -> tuple[int, ...]:
        """All ids up to the node in hand."""
        return self._standing.ids

    @property
    def prompt_length(self) -> int:
        """How many of `ids` stand before the first one that was chosen."""
        return self._standing.prompt_length

    def path(self, number: int | None = None) -> tuple[Node, ...]:
        """From the root to a node, the one in hand by default."""
        return self._standing.path if number is None else self._path(number)

    def ids_of(self, number: int) -> tuple[int, ...]:
        """All ids up to that node."""
        return tuple(token for node in self.path(number) for token in node.ids)

    def children(self, number: int) -> tuple[Node, ...]:
        """In the order in which they were made."""
        return tuple(self._nodes[child] for child in self._children[number])

    def give(self, ids: Sequence[int], by: By = "given") -> None:
        """Go on by ids of which nothing else is known."""
        self._go(by, tuple(ids))

    def type(self, text: str, ids: Sequence[int]) -> None:
        """Go on by a text that has become `ids`."""
        self._go("typed", tuple(ids), text=text)

    def take(self, candidate: Candidate, by: By = "taken") -> None:
        """Go on by one token."""
        self._go(by, (candidate.token,), chosen=candidate)

    def back(self) -> Node | None:
        """Go to the parent; return the node that was left, None at the root.

        Typed text that nothing follows is gone: it is the caller's to be typed on.
        """
        left = self.at
        if left.parent is None:
            return None
        self._at, self._known = left.parent, None
        if left.by == "typed" and not left.name and not self._children[left.number]:
            self._remove(left.number, left.parent)
        return left

    def onward(self) -> bool:
        """Go to the child that was last gone to; False where there is none."""
        child = self._onward.get(self._at)
        if child is None:
            return False
        self._at, self._known = child, None
        return True

    def jump(self, number: int) -> None:
        """Go to that node."""
        for node in self.path(number):
            if node.parent is not None:
                self._onward[node.parent] = node.number
        self._at, self._known = number, None

    def name(self, number: int, name: str) -> None:
        """Raises UsageError where another node has that name; "" takes the name away."""
        if name and any(node.name == name and node.number != number for node in self._all()):
            raise UsageError(f"another place is named {name!r}; choose another name")
        self._nodes[number] = replace(self._nodes[number], name=name)
        self._known = None

    def fold(self, number: int) -> None:
        """Hide what follows a node, or show it again."""
        node = self._nodes[number]
        self._nodes[number] = replace(node, folded=not node.folded)
        self._known = None

    def to_plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"at": self._at, "nodes": [asdict(node) for node in self._all()]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_plain`. Raises StoreError on anything else."""
        try:
            walk = cls()
            for node in sorted(map(_node, plain["nodes"]), key=lambda node: node.number):
                walk._add(node)
            walk.jump(plain["at"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"the saved exploration is damaged ({error!r:.60})") from error
        return walk

    @property
    def _standing(self) -> _Standing:
        """Asked at every key, and as long as the text: found once a place."""
        if self._known is None:
            path = self._path(self._at)
            ids = tuple(token for node in path for token in node.ids)
            given = sum(len(node.ids) for node in takewhile(_is_prompt, path))
            self._known = _Standing(path, ids, given)
        return self._known

    def _path(self, number: int) -> tuple[Node, ...]:
        found = [self._nodes[number]]
        while (parent := found[-1].parent) is not None:
            found.append(self._nodes[parent])
        return tuple(reversed(found))

    def _add(self, node: Node) -> None:
        """Raises ValueError where its path doesn't lead to the root: parents are older."""
        if (node.parent is None) != (node.number == 0) or node.number in self._nodes.keys() - {0}:
            raise ValueError(f"node {node.number} hangs in the air")
        if node.parent is not None:
            self._children[node.parent].append(node.number)
        self._nodes[node.number] = node
        self._children[node.number] = []
        self._next = node.number + 1

    def _remove(self, number: int, parent: int) -> None:
        del self._nodes[number], self._children[number]
        self._children[parent].remove(number)
        if self._onward.get(parent) == number:
            del self._onward[parent]

    def _all(self) -> tuple[Node, ...]:
        return tuple(self._nodes.values())

    def _go(
        self, by: By, ids: tuple[int, ...], *, text: str = "", chosen: Candidate | None = None
    ) -> None:
        """To the child with these ids; it is made where there is none."""
        children = self.children(self._at)
        known = next((one for one in children if (one.ids, one.text) == (ids, text)), None)
        if known is None:
            known = Node(self._next, self._at, ids, by, text, chosen)
            self._add(known)
        self._onward[self._at] = known.number
        self._at, self._known = known.number, None


@dataclass(frozen=True, slots=True)
class Fork:
    """Two paths: what they share, and how each goes on."""

    shared: tuple[Node, ...]
    left: tuple[Node, ...]
    right: tuple[Node, ...]


def fork(walk: Walk, left: int, right: int) -> Fork:
    """Where the paths to two nodes part."""
    ours, theirs = walk.path(left), walk.path(right)
    together = takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False))
    count = sum(1 for _ in together)
    return Fork(ours[:count], ours[count:], theirs[count:])


def surprisal_bits(nodes: Sequence[Node]) -> float:
    """How surprising the model finds the chosen ones of `nodes`, all together."""
    probs = [node.chosen.raw_prob for node in nodes if node.chosen is not None]
    return sum(-log2(prob) if prob > 0 else float("inf") for prob in probs)


def _is_prompt(node: Node) -> bool:
    return node.by in ("given", "typed")


def _node(plain: Mapping[str, Any]) -> Node:
    fields = dict(plain)
    fields["ids"] = tuple(int(token) for token in plain["ids"])
    if plain["chosen"] is not None:
        fields["chosen"] = Candidate(**plain["chosen"])
    node = Node(**fields)
    if node.by not in get_args(By):
        raise ValueError(f"a move by {node.by!r}")
    return node
