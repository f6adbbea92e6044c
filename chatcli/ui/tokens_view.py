"""The tokens of a context, as text between lines: each piece, and its id below it.

A gutter names what the tokens are for, so that nothing rests on colour; control tokens have a
mark. The table has one row a token, with its place and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from chatcli.chat.parts import Part
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint

__all__ = ["CONTROL_MARK", "part_name", "spelt_bytes", "token_flow", "token_heading", "token_rows"]

CONTROL_MARK = "◆"
_GAP = "  "
_NARROWEST = 8
_WIDEST_LABEL = 16
_BYTES = 6  # as many are spelt in a table


def part_name(part: Part) -> str:
    """ "reply 3", "system", "template"; what stands before the first turn has no number."""
    if part.turn is None or part.kind == "template":
        return part.kind
    return f"{part.kind} {part.turn}"


def token_heading(
    parts: Sequence[Part], tokenizer: Tokenizer, cached: int | None, columns: int | None
) -> list[str]:
    """How many tokens there are, and how many of them the cache holds (None: unknown)."""
    ids = [token for part in parts for token in part.ids]
    control = sum(map(tokenizer.is_special, ids))
    facts = [
        count(len(ids), "token"),
        f"{control:,} of them control tokens ({CONTROL_MARK})",
    ]
    if cached is not None:
        facts.append(f"{cached:,} in the cache" + _to_read(len(ids) - cached))
    return fold(facts, columns)


def token_flow(
    parts: Sequence[Part], tokenizer: Tokenizer, paint: Paint, columns: int
) -> list[str]:
    """Two lines for as many tokens as fit in `columns` cells: pieces, and ids under them."""
    names = [part_name(part) for part in parts]
    gutter = min(max(map(cell_len, names), default=0), max(_NARROWEST, columns // 4))
    room = max(_NARROWEST, columns - gutter - len(_GAP))
    lines: list[str] = []
    for part, name in zip(parts, names, strict=True):
        head = clip(name, gutter)
        for cells in _wrapped(_cells(part, tokenizer, room), room):
            above, below = _pair(cells, f"token.{part.kind}", paint)
            lines += [paint("heading", f"{head:<{gutter}}") + _GAP + above]
            lines += [" " * (gutter + len(_GAP)) + paint("removed", below)]
            head = ""
    return lines


def token_rows(
    parts: Sequence[Part], tokenizer: Tokenizer, paint: Paint, columns: int | None
) -> list[str]:
    """The heading and a row for each token, in at most `columns` cells (None: all columns)."""
    of = [(part, place) for part in parts for place in range(len(part.ids))]
    ids = [part.ids[place] for part, place in of]
    table = [
        Column("place", [f"{part.start + place:,}" for part, place in of], rank=1, right=True),
        Column("id", [str(token) for token in ids], right=True),
        Column("token", [clip(_label(tokenizer, one), _WIDEST_LABEL) for one in ids], gives=True),
        Column("bytes", [spelt_bytes(tokenizer.token_bytes(one)) for one in ids], rank=2),
        Column("part", [part_name(part) for part, _ in of]),
    ]
    heading, *rows = table_lines(table, columns)
    styles = ["token.control" if tokenizer.is_special(one) else "" for one in ids]
    return [paint("heading", heading), *map(paint, styles, rows)]


def _to_read(rest: int) -> str:
    if not rest:
        return ""
    which = "the last one is" if rest == 1 else f"the last {rest:,} are"
    return f", {which} read with the next message"


@dataclass(frozen=True, slots=True)
class _Cell:
    """A token as it stands in the flow."""

    label: str
    number: str
    control: bool

    @property
    def width(self) -> int:
        return max(cell_len(self.label), len(self.number)) + len(_GAP)


def _cells(part: Part, tokenizer: Tokenizer, room: int) -> Iterator[_Cell]:
    for token in part.ids:
        label = clip(_label(tokenizer, token), room)
        yield _Cell(label, str(token), tokenizer.is_special(token))


def _label(tokenizer: Tokenizer, token: int) -> str:
    label = token_label(tokenizer, token)
    return f"{CONTROL_MARK}{label}" if tokenizer.is_special(token) else label


def _wrapped(cells: Iterable[_Cell], room: int) -> Iterator[list[_Cell]]:
    line: list[_Cell] = []
    used = 0
    for cell in cells:
        if line and used + cell.width - len(_GAP) > room:
            yield line
            line, used = [], 0
        line.append(cell)
        used += cell.width
    if line:
        yield line


def _pair(cells: Sequence[_Cell], style: str, paint: Paint) -> tuple[str, str]:
    """The line of pieces and the line of ids."""
    above = below = ""
    for cell in cells:
        above += paint("token.control" if cell.control else style, cell.label)
        above += " " * (cell.width - cell_len(cell.label))
        below += f"{cell.number:<{cell.width}}"
    return above.rstrip(), below.rstrip()


def spelt_bytes(data: bytes) -> str:
    """Bytes in hex, the first of them where there are many: "E4 B8 AD"."""
    spelt = data[:_BYTES].hex(" ").upper()
    return f"{spelt} …" if len(data) > _BYTES else spelt
