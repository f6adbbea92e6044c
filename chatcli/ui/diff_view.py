"""Two branches of a conversation: what they share in a line, then where they part.

Side by side where the screen is wide enough, else one below the other. What differs stands
between ⟦ ⟧ besides its colour. Chinese is compared by characters, other writing by words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from rich.cells import cell_len

from chatcli.chat.tree import common
from chatcli.chat.types import Turn
from chatcli.text.visible import visible
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint

__all__ = ["Branch", "diff_lines", "parted_lines"]

_WIDE = 80
_BETWEEN = " │ "
_TAB = " " * 4
_NARROWEST = 8
# A word, a run of spaces, or any one character: Chinese, kana, Hangul and signs stand alone.
_SPELT = r"[A-Za-z0-9_À-ʯͰ-ϿЀ-ӿ]+|[^\S\n]+|."
_UNIT = re.compile(_SPELT, re.DOTALL)
_BRACKETED = re.compile(f"⟦?(?:{_SPELT})⟧?", re.DOTALL)
_ALIKE = 0.3  # below this, marking every word that happens to recur would only confuse
_MANY = 4_000_000  # pairs of units; beyond, difflib may leave out the commonest of them


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch by its name, and the turns that lead to its end, root first."""

    name: str
    turns: Sequence[Turn]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class _Side:
    """What one branch has at a place; None for a text where it has ended."""

    title: str
    text: str | None
    pieces: Sequence[_Piece]


def diff_lines(left: Branch, right: Branch, paint: Paint, columns: int | None) -> list[str]:
    """The comparison, in lines of at most `columns` cells (None: no terminal; as for 80)."""
    width = max(_NARROWEST, (columns or _WIDE + 1) - 1)
    shared = common([one.id for one in left.turns], [one.id for one in right.turns])
    lines = fold(_summary(left, right, shared), columns)
    show = _beside if width >= _WIDE - 1 else _stacked
    pairs = zip_longest(left.turns[shared:], right.turns[shared:])
    for number, turns in enumerate(pairs, shared + 1):
        for kind in ("message", "reply"):
            said = [_said(turn, kind) for turn in turns]
            if said[0] == said[1]:
                title = f"{kind} {number}, the same in both"
                block = _block(title, said[0], [_Piece(said[0] or "")], paint, width)
                lines += ["", *(line for line, _ in block)]
                continue
            titles = [f"{each.name} · {kind} {number}" for each in (left, right)]
            sides = zip(titles, said, _compared(*said), strict=True)
            lines += ["", *show([_Side(*side) for side in sides], paint, width)]
    return lines


def parted_lines(
    titles: tuple[str, str],
    texts: tuple[str, str],
    shared: tuple[int, int],
    paint: Paint,
    columns: int | None,
) -> list[str]:
    """Two texts that go their own ways behind their first `shared` characters."""
    width = max(_NARROWEST, (columns or _WIDE + 1) - 1)
    sides = []
    for title, text, at in zip(titles, texts, shared, strict=True):
        pieces = [_Piece(_inert(text[:at]))] + [_Piece(_inert(text[at:]), True)] * (at < len(text))
        sides.append(_Side(title, "".join(piece.text for piece in pieces), pieces))
    show = _beside if width >= _WIDE - 1 else _stacked
    return list(show(sides, paint, width))


def _summary(left: Branch, right: Branch, shared: int) -> list[str]:
    facts = [f"{left.name} and {right.name} share {count(shared, 'turn')}"]
    if len(left.turns) == len(right.turns) == shared:
        return [*facts, "there is no difference"]
    for one in (left, right):
        if len(one.turns) == shared:
            return [*facts, f"{one.name} ends there"]
    return [*facts, f"they part at turn {shared + 1}"]


def _said(turn: Turn | None, kind: str) -> str | None:
    if turn is None:
        return None
    return _inert(turn.user if kind == "message" else turn.reply)


def _inert(text: str) -> str:
    return visible(text).replace("\t", _TAB)


def _compared(one: str | None, other: str | None) -> tuple[list[_Piece], list[_Piece]]:
    """Both texts in pieces that are the same or differ."""
    if one is None or other is None:
        return [_Piece(one or "")], [_Piece(other or "")]
    left, right = _UNIT.findall(one), _UNIT.findall(other)
    matcher = SequenceMatcher(None, left, right, autojunk=len(left) * len(right) > _MANY)
    if one != other and matcher.ratio() < _ALIKE:
        return [_Piece(one, True)], [_Piece(other, True)]
    pairs = [
        (tag != "equal", "".join(left[a:b]), "".join(right[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
    ]
    pairs = list(_joined(pairs))
    return [_Piece(one, differs) for differs, one, _ in pairs], [
        _Piece(other, differs) for differs, _, other in pairs
    ]


def _joined(pairs: Sequence[tuple[bool, str, str]]) -> Iterator[tuple[bool, str, str]]:
    """Differences with nothing but a space between them are one difference."""
    held: tuple[bool, str, str] | None = None
    for index, (differs, one, other) in enumerate(pairs):
        between = 0 < index < len(pairs) - 1 and not one.strip()
        if held is not None and (differs or between):
            held = (True, held[1] + one, held[2] + other)
            continue
        if held is not None:
            yield held
            held = None
        if differs:
            held = (True, one, other)
        else:
            yield (False, one, other)
    if held is not None:
        yield held


def _beside(sides: Sequence[_Side], paint: Paint, width: int) -> Iterator[str]:
    room = (width - cell_len(_BETWEEN)) // 2
    blocks = [_block(one.title, one.text, one.pieces, paint, room) for one in sides]
    for (one, used), (other, _) in zip_longest(*blocks, fillvalue=("", 0)):
        yield f"{one}{' ' * (room - used)}{paint('border', _BETWEEN)}{other}".rstrip()


def _stacked(sides: Sequence[_Side], paint: Paint, width: int) -> Iterator[str]:
    for one in sides:
        if one.text is not None:
            block = _block(one.title, one.text, one.pieces, paint, width)
            yield from (line for line, _ in block)


def _block(
    title: str, text: str | None, pieces: Sequence[_Piece], paint: Paint, room: int
) -> list[tuple[str, int]]:
    """Lines of at most `room` cells, each with its width."""
    if text is None:
        return [(paint("removed", "–"), 1)]
    head = clip(title, room)
    return [(paint("heading", head), cell_len(head)), *_wrapped(pieces, paint, room)]


def _wrapped(pieces: Sequence[_Piece], paint: Paint, room: int) -> Iterator[tuple[str, int]]:
    """The pieces broken between units, and inside one that is longer than a line."""
    line, used = "", 0
    for text, differs in _units(pieces):
        for part in _short(text, room):
            width = cell_len(part)
            if part == "\n" or used + width > room:
                yield line, used
                line, used = "", 0
                if part.isspace():
                    continue
            line += paint("difference", part) if differs else part
            used += width
    yield line, used


def _units(pieces: Sequence[_Piece]) -> Iterator[tuple[str, bool]]:
    """The units of the pieces; brackets stay with theirs, and line ends that differ show."""
    for piece in pieces:
        text, after = piece.text, ""
        if piece.differs:
            marked = text.replace("\n", "↵\n")
            text = f"⟦{marked.rstrip(chr(10))}⟧"
            after = marked[len(text) - 2 :]
        yield from ((unit, piece.differs) for unit in _BRACKETED.findall(text))
        yield from ((end, False) for end in after)


def _short(text: str, room: int) -> Iterator[str]:
    """`text` in parts that each fit on a line."""
    while cell_len(text) > room:
        cut = len(text)
        while cell_len(text[:cut]) > room and cut > 1:
            cut -= 1
        yield text[:cut]
        text = text[cut:]
    yield text
