"""The text at the top of the screen: what was taken is tinted by how probable it was.

Only its end is laid out, from the last row upwards, so a long text costs what a short one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.probe.walk import Node
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label, visible
from chatcli.ui.explorer.cells import Fragment, Row, width
from chatcli.ui.explorer.line import Line
from chatcli.ui.theme import prob_style

__all__ = ["CURSOR", "passage", "spelled_nodes"]

CURSOR: Fragment = ("[SetCursorPosition]", "")
_HERE: Fragment = ("class:mark", "▏")
_NEWLINE = "↵"
_MANY = 1 << 40
_LONGEST = 4  # bytes of a character


def passage(
    tokenizer: Tokenizer,
    path: Sequence[Node],
    line: Line,
    columns: int,
    rows: int,
    *,
    typing: bool,
    asked: bool = False,
) -> list[Row]:
    """At most `rows` rows; the cursor stands in them unless something else is `asked`."""
    cursor = [] if asked else [CURSOR]
    mark = [] if typing else [_HERE]
    cells = columns * rows
    tail = [*_typed(line.before[-cells:]), *cursor, *mark, *_typed(line.after[:cells])]
    # A wide character of four bytes may be as many tokens.
    fragments = [*spelled_nodes(tokenizer, path, last=2 * cells), *tail]
    return _wrapped(fragments, max(2, columns - 1))[-rows:]


def spelled_nodes(
    tokenizer: Tokenizer, nodes: Sequence[Node], *, last: int = _MANY
) -> list[Fragment]:
    """Whole characters where tokens complete them, bytes and control tokens as they are named.

    Of the tokens only the `last` are spelt.
    """
    found: list[Fragment] = []
    held, labels, style = b"", "", ""
    for node, token in _last(nodes, last):
        special = tokenizer.is_special(token)
        data = b"" if special else tokenizer.token_bytes(token)
        style = _style(node)
        whole = _whole(held + data)
        if special or (whole is None and not _open(held + data)):
            name = labels + token_label(tokenizer, token)
            found.append(("class:token.control" if special else style, name))
            held, labels = b"", ""
        elif whole is None:
            held, labels = held + data, labels + token_label(tokenizer, token)
        else:
            found.append((style, visible(whole)))
            held, labels = b"", ""
    return [*found, (style, labels)] if labels else found


def _last(nodes: Sequence[Node], count: int) -> list[tuple[Node, int]]:
    """The last tokens, each with its node."""
    found: list[tuple[Node, int]] = []
    for node in reversed(nodes):
        room = count - len(found)
        if room <= 0:
            break
        found += [(node, token) for token in reversed(node.ids[-room:])]
    return found[::-1]


def _typed(text: str) -> Iterator[Fragment]:
    if text:
        yield "class:typed", visible(text)


def _style(node: Node) -> str:
    if node.chosen is not None:
        return f"class:{prob_style(node.chosen.raw_prob)}"
    return "class:prompt" if node.by == "given" else ""


def _whole(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _open(data: bytes) -> bool:
    """Whether bytes that come may still make characters of these."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(data) - error.start < _LONGEST
    return True


def _wrapped(fragments: Sequence[Fragment], columns: int) -> list[Row]:
    """Rows of at most `columns` cells; a newline is shown, and ends its row."""
    rows: list[Row] = [[]]
    used = 0
    for style, text in fragments:
        if not text:
            rows[-1].append((style, text))
        for char in text:
            if used + width(char) > columns:
                rows.append([])
                used = 0
            shown = _NEWLINE if char == "\n" else "  " if char == "\t" else char
            used += width(shown)
            _append(rows[-1], style, shown)
            if char == "\n":
                rows.append([])
                used = 0
    return rows


def _append(row: Row, style: str, text: str) -> None:
    if row and row[-1][0] == style and row[-1][1]:
        row[-1] = style, row[-1][1] + text
    else:
        row.append((style, text))
