"""The paths that were taken, as a tree: a row for each stretch between two forks.

A stretch ends where paths part, at a name, and at the place in hand; its row stands for its
last node. Below, where two places are marked, how their paths part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatcli.probe.walk import Node, Walk, fork, surprisal_bits
from chatcli.text.visible import visible
from chatcli.ui.explorer.cells import Row, clip_row, fit, note_rows, row_width
from chatcli.ui.explorer.passage import spelled_nodes
from chatcli.ui.explorer.state import State
from chatcli.ui.figures import count

__all__ = ["Stretch", "stretches", "tree_rows"]

_DEEPEST = 12  # levels that are drawn with their lines
_NOTHING = "(start)"
_UNTAKEN = (
    "Nothing has been taken yet: in the table Enter takes a token, and Tab has the model take one. "
    "Go back and take another, and the paths part here."
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Nodes without a fork between them; `lines` leads from the parent's row to this one."""

    nodes: tuple[Node, ...]
    lines: str
    hidden: int = 0

    @property
    def last(self) -> Node:
        return self.nodes[-1]


def stretches(walk: Walk) -> tuple[Stretch, ...]:
    """All that isn't folded away, parents first."""
    return tuple(_stretches(walk))


def tree_rows(state: State, columns: int, rows: int) -> list[Row]:
    """The rows around the one in hand, then what is being typed; where a place is marked, the
    fork, and where there is no path yet, why."""
    found = stretches(state.walk)
    typed = [_typed_row(state, columns)] if state.line.text else []
    parted = _fork_rows(state, columns) if state.tree_mark is not None else []
    room = max(1, rows - len(typed) - len(parted))
    at = next((i for i, one in enumerate(found) if one.last.number == state.tree_at), 0)
    first = max(0, min(at - room // 2, len(found) - room))
    body = [_row(state, one, columns) for one in found[first : first + room]]
    body += [[] for _ in range(room - len(body))] if parted else []
    empty = [] if _taken(state.walk) else note_rows(_UNTAKEN, columns)
    return [*body, *typed, *parted, *empty]


def _taken(walk: Walk) -> bool:
    return any(walk[number].by in ("taken", "drawn") for number in walk)


def _typed_row(state: State, columns: int) -> Row:
    """What stands behind the place in hand, and isn't a move of the walk yet."""
    known = None if state.behind else len(state.ids) - len(state.walk.ids)
    figures = f"  being typed  {'…' if known is None else count(known, 'token')}"
    room = columns - 2 - len(figures)
    typed = ("class:typed", visible(state.line.text[-columns:]))
    row: Row = [("", " ●  "), ("class:border", "└ ")]
    row += _end_of([typed], room - row_width(row))
    row = clip_row(row, room)
    gap = " " * (columns - 1 - row_width(row) - len(figures))
    return [*row, ("class:figures", gap + figures)]


def _stretches(walk: Walk) -> Iterator[Stretch]:
    """Depth first, without recursion: paths are as long as texts."""
    waiting = [(0, "", "")]
    while waiting:
        start, lines, below = waiting.pop()
        nodes = [walk[start]]
        while not _ends(walk, nodes[-1]):
            (onward,) = walk.children(nodes[-1].number)
            nodes.append(onward)
        children = walk.children(nodes[-1].number)
        if nodes[-1].folded:
            yield Stretch(tuple(nodes), lines, len(children))
            continue
        yield Stretch(tuple(nodes), lines)
        for child in reversed(children):
            last = child is children[-1]
            turn, down = ("└ ", "  ") if last else ("├ ", "│ ")
            waiting.append((child.number, below + turn, below + down))


def _ends(walk: Walk, node: Node) -> bool:
    alone = len(walk.children(node.number)) == 1
    return not alone or bool(node.name) or node.folded or node.number == walk.at.number


def _row(state: State, one: Stretch, columns: int) -> Row:
    node = one.last
    hand = "▶" if node.number == state.tree_at else " "
    here = "●" if node.number == state.walk.at.number and not state.line.text else " "
    mark = "◆" if node.number == state.tree_mark else " "
    base = "class:selected" if node.number == state.tree_at else ""
    figures = _figures(one)
    room = columns - 2 - len(figures)
    lines = one.lines[-2 * _DEEPEST :]
    shown = visible(node.name, keep_newlines=False)
    name = [("class:heading", f" [{shown}]")] if shown else []
    head: Row = [(base, f"{hand}{here}{mark} "), ("class:border", lines)]
    space = room - row_width(head) - row_width(name)
    text = _end_of(spelled_nodes(state.tokenizer, one.nodes, last=columns), space)
    row = clip_row([*head, *text, *name], room)
    gap = " " * (columns - 1 - row_width(row) - len(figures))
    return [*row, ("class:figures", gap + figures)]


def _figures(one: Stretch) -> str:
    hidden = f"+{one.hidden} folded  " if one.hidden else ""
    tokens = sum(len(node.ids) for node in one.nodes)
    bits = surprisal_bits(one.nodes)
    return f"  {hidden}{count(tokens, 'token')}{f'  {bits:.1f} bits' if bits else ''}"


def _end_of(fragments: Row, cells: int) -> Row:
    """The end of a text in one row, which tells more than its beginning."""
    flat = [(style, text.replace("\n", "↵").replace("\t", " ")) for style, text in fragments]
    if not any(text for _, text in flat):
        return [("class:figures", _NOTHING)]
    if row_width(flat) <= cells:
        return flat
    kept: Row = []
    for style, text in reversed(flat):
        if row_width([*kept, (style, text)]) > cells - 1:
            break
        kept.insert(0, (style, text))
    if not kept:
        kept = [(flat[-1][0], fit(flat[-1][1][::-1], cells - 1, fill=False)[::-1])]
    return [("class:figures", "…"), *kept]


def _fork_rows(state: State, columns: int) -> list[Row]:
    """What two paths share, and how each goes on."""
    assert state.tree_mark is not None
    parted = fork(state.walk, state.tree_mark, state.tree_at)
    shared: Row = [("class:heading", " both "), *_cut(state, parted.shared, columns - 8)]
    sides = (("◆", parted.left), ("▶", parted.right))
    return [
        [("class:border", "─" * (columns - 1))],
        shared,
        *(_side(state, sign, nodes, columns) for sign, nodes in sides),
    ]


def _side(state: State, sign: str, nodes: Sequence[Node], columns: int) -> Row:
    tokens = count(sum(len(node.ids) for node in nodes), "token")
    figures = f"  {tokens}  {surprisal_bits(nodes):.1f} bits"
    text = clip_row(_flat(state, nodes), columns - 8 - len(figures))
    gap = " " * max(0, columns - 8 - len(figures) - row_width(text))
    return [("class:difference", f"    {sign} "), *text, ("class:figures", gap + figures)]


def _cut(state: State, nodes: Sequence[Node], cells: int) -> Row:
    return _end_of(spelled_nodes(state.tokenizer, nodes, last=cells), cells)


def _flat(state: State, nodes: Sequence[Node]) -> Row:
    fragments = spelled_nodes(state.tokenizer, nodes)
    return [(style, text.replace("\n", "↵").replace("\t", " ")) for style, text in fragments]
