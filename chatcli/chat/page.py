"""A conversation as one page of HTML that needs no network and can't run anything."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.chat.records import CHANGED, ENDED, facts_of, model_of, said, title_of
from chatcli.chat.types import Session, Turn
from chatcli.text import page
from chatcli.text.page import escaped
from chatcli.text.types import Message

__all__ = ["heading", "html", "made", "section"]


def html(session: Session, turns: Sequence[Turn]) -> str:
    """The whole page, in UTF-8."""
    preamble: tuple[Message, ...] = ()
    sections = []
    for number, turn in enumerate(turns, 1):
        sections.append(_turn(number, turn, preamble))
        preamble = turn.preamble
    title = title_of(session, turns)
    return page.page(title, "\n".join([heading(title, facts_of(session)), *sections]))


def heading(title: str, facts: Sequence[str]) -> str:
    """What a page begins with."""
    shown = escaped(" · ".join(facts), one_line=True)
    name = escaped(title, one_line=True)
    return f'<h1{page.language(title)} dir="auto">{name}</h1>\n<p class="facts">{shown}</p>'


def section(number: int, parts: Sequence[str]) -> str:
    """A turn under its number."""
    return "\n".join([f'<section id="turn-{number}">\n<h2>{number}</h2>', *parts, "</section>"])


def made(facts: Sequence[str]) -> list[str]:
    """What a reply was made with, in a line; nothing where nothing is known."""
    shown = escaped(" · ".join(facts), one_line=True)
    return [f'<p class="made">{shown}</p>'] if facts else []


def _turn(number: int, turn: Turn, before: tuple[Message, ...]) -> str:
    """A turn; `before` is the preamble of the one before it."""
    parts = []
    if turn.preamble != before:
        parts += made([CHANGED if turn.preamble else ENDED]) if number > 1 else []
        parts += [page.said(row.role, row.role, row.content) for row in turn.preamble]
    parts += [
        page.said("user", "user", turn.user),
        page.said("assistant", model_of(turn), turn.reply),
    ]
    return section(number, [*parts, *made(said(turn))])
