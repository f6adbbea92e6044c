"""The view of `chatcli tokens`: how a text is cut, by one tokenizer or by several side by side.

One has a row a token. Several share rows: between two places at which all of them end a
token, each has its own ids and pieces. Control tokens have a mark, and what stands around the
text a name, so that nothing rests on colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chatcli.probe.tokens import Piece, Stretch, Tokenization, stretches
from chatcli.text.json_text import json_text
from chatcli.text.visible import one_line, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import fold, wrap
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint
from chatcli.ui.tokens_view import CONTROL_MARK, spelt_bytes

__all__ = ["show_tokens", "tokens_line"]

_WIDEST = 24  # cells of a piece
_NARROWEST = 8  # that several stand side by side in
_GAP = 2  # between columns


def show_tokens(env: Environment, ways: Sequence[Tokenization]) -> None:
    """Write the tokens of each; several side by side where they spell the same text."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    if len(ways) == 1:
        lines = _alone(ways[0], paint, width)
    else:
        lines = [*_summary(ways, paint, width), "", *_several(ways, paint, width)]
    env.write("\n".join(lines) + "\n")


def tokens_object(way: Tokenization) -> dict[str, Any]:
    """A tokenization as plain JSON; the texts of the pieces joined are what they spell."""
    return {
        "model": way.name,
        "vocab_size": way.vocab_size,
        "characters": way.characters,
        "bytes": way.size,
        "tokens": way.own,
        "tokens_per_character": way.tokens_per_character,
        "pieces": [
            {
                "token": piece.token,
                "text": piece.text,
                "bytes": piece.data.hex(),
                "special": piece.control,
                "part": piece.part,
            }
            for piece in way.pieces
        ],
    }


def tokens_line(way: Tokenization) -> str:
    """`tokens_object` as a line."""
    return json_text(tokens_object(way)) + "\n"


def _alone(way: Tokenization, paint: Paint, width: int | None) -> list[str]:
    heading = paint("heading", visible(way.name, keep_newlines=False))
    return [heading, *fold(_facts(way), width), "", *_rows(way, paint, width)]


def _facts(way: Tokenization) -> list[str]:
    """The size of the text, and what is in the way of its tokens."""
    around = len(way.pieces) - way.own
    facts = [count(way.own, "token"), count(way.characters, "character"), count(way.size, "byte")]
    facts += [f"{_ratio(way)} tokens/character"] if way.characters else []
    facts += [f"{count(around, 'token')} around it"] if around else []
    return [*facts, f"{count(way.control, 'control token')} ({CONTROL_MARK})"]


def _ratio(way: Tokenization) -> str:
    ratio = way.tokens_per_character
    return "–" if ratio is None else f"{ratio:.2f}"


def _rows(way: Tokenization, paint: Paint, width: int | None) -> list[str]:
    pieces = way.pieces
    if not pieces:
        return ["no tokens"]
    table = [
        Column("#", [f"{place:,}" for place in range(1, len(pieces) + 1)], rank=3, right=True),
        Column("id", [str(piece.token) for piece in pieces], right=True),
        Column("token", [_label(piece) for piece in pieces], gives=True),
        Column("bytes", [spelt_bytes(piece.data) for piece in pieces], rank=2),
    ]
    if any(not piece.own for piece in pieces):
        table.append(Column("part", [piece.part for piece in pieces], rank=1))
    heading, *rows = table_lines(table, width)
    return [paint("heading", heading), *map(paint, map(_style, pieces), rows)]


def _summary(ways: Sequence[Tokenization], paint: Paint, width: int | None) -> list[str]:
    """A row for each tokenizer: what the text costs in it."""
    table = [
        Column("tokenizer", [_name(way) for way in ways], gives=True),
        Column("vocabulary", [f"{way.vocab_size:,}" for way in ways], rank=3, right=True),
        Column("tokens", [f"{way.own:,}" for way in ways], right=True),
        Column("per character", [_ratio(way) for way in ways], right=True),
        Column("around", [f"{len(way.pieces) - way.own:,}" for way in ways], rank=1, right=True),
        Column("control", [f"{way.control:,}" for way in ways], rank=2, right=True),
    ]
    heading, *rows = table_lines(table, width)
    text = f"{count(ways[0].characters, 'character')}, {count(ways[0].size, 'byte')}"
    return [text, "", paint("heading", heading), *rows]


def _several(ways: Sequence[Tokenization], paint: Paint, width: int | None) -> list[str]:
    """Side by side, or else, with the reason, one after the other."""
    shared = stretches(ways)
    cells = _WIDEST if width is None else min(_WIDEST, (width + _GAP) // len(ways) - _GAP)
    if shared is not None and cells >= _NARROWEST:
        return _side_by_side(ways, shared, cells, paint, width)
    narrow = "there is no room for them side by side, so each has its own table"
    reason = narrow if shared else "they don't spell the same text, so each has its own table"
    lines = [reason] if width is None else wrap(reason, width)
    for way in ways:
        lines += ["", *_alone(way, paint, width)]
    return lines


def _side_by_side(
    ways: Sequence[Tokenization],
    shared: Sequence[Stretch],
    cells: int,
    paint: Paint,
    width: int | None,
) -> list[str]:
    """A row for every token of the tokenizer that has most of them in a stretch."""
    texts: list[str] = []
    columns: list[list[Piece | None]] = [[] for _ in ways]
    for stretch in shared:
        deep = max(map(len, stretch.pieces))
        texts += [one_line(stretch.text), *[""] * (deep - 1)]
        for column, pieces in zip(columns, stretch.pieces, strict=True):
            column += [*pieces, *[None] * (deep - len(pieces))]
    table = [Column("text", [clip(text, _WIDEST) for text in texts], rank=2)]
    for way, column in zip(ways, columns, strict=True):
        table += _of_one(way, column, cells)
    heading, *rows = table_lines(table, width)
    return [paint("heading", heading), *rows]


def _of_one(way: Tokenization, column: Sequence[Piece | None], cells: int) -> Iterator[Column]:
    ids = ["" if piece is None else str(piece.token) for piece in column]
    labels = ["" if piece is None else clip(_label(piece), cells) for piece in column]
    yield Column("id", ids, rank=1, right=True)
    yield Column(clip(_name(way), cells), labels, gives=True)


def _label(piece: Piece) -> str:
    label = f"{CONTROL_MARK}{piece.label}" if piece.control else piece.label
    return clip(label, _WIDEST)


def _style(piece: Piece) -> str:
    if piece.control:
        return "token.control"
    return "" if piece.own else "token.template"


def _name(way: Tokenization) -> str:
    return visible(way.name, keep_newlines=False)
