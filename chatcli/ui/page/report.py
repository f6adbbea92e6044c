"""The page itself: texts as tinted tokens, a plot under each, and where the tables appear.

It can be read without its script, on paper and in grey: tints go with underlines and weight.
The skeleton, and what pages share with plain exports, is in `text.page` and `chat.page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatcli.chat.page import heading, made, section
from chatcli.probe.report import Passage, Report, Told
from chatcli.text import page
from chatcli.text.page import escaped
from chatcli.text.visible import visible
from chatcli.ui.page.block import block
from chatcli.ui.page.plot import plot

__all__ = ["report_page"]

_FOLDER = Path(__file__).parent
# The steps of the theme, from the probable to the surprising, and how the page names them.
_LEVELS = ((0.8, "a", "≥ 80 %"), (0.4, "b", "≥ 40 %"), (0.15, "c", "≥ 15 %"), (0.05, "d", "≥ 5 %"))
_LEAST = ("e", "less")
_LONG = 600  # characters of a prompt that is folded away


def report_page(report: Report, *, top: int) -> str:
    """The whole page; `top` says how many candidates of a token were told of."""
    turns = [_turn(number, passages) for number, passages in enumerate(report.turns, 1)]
    told = [each for passages in report.turns for each in passages if each.told]
    legend = _legend() if told else ""
    main = "\n".join([heading(report.title, report.facts), legend, *turns])
    aside = '<aside id="panel" aria-label="The token" hidden></aside>' if told else ""
    return page.page(
        report.title,
        f'<div class="report">\n<main>\n{main}\n</main>\n{aside}\n</div>',
        style=_read("report.css"),
        script=_read("report.js") if told else "",
        data=block(told, top) if told else None,
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _legend() -> str:
    steps = [*((name, words) for _, name, words in _LEVELS), _LEAST]
    keys = " ".join(f'<span class="{name}">{words}</span>' for name, words in steps)
    return f'<p class="legend">The model gave a token <span class="keys">{keys}</span></p>'


def _turn(number: int, passages: Sequence[Passage]) -> str:
    return section(number, [_passage(each) for each in passages])


def _passage(passage: Passage) -> str:
    shown = [_plain(passage)]
    if passage.told:
        shown = [_tinted(passage), plot(passage.told)]
    if passage.note:
        shown.append(f'<p class="note">{escaped(passage.note, one_line=True)}</p>')
    figures = passage.figures() if passage.told else []
    shown += made([*passage.about, *figures])
    return "\n".join([*shown, _settings(passage)])


def _plain(passage: Passage) -> str:
    """The text alone; a long prompt is folded away."""
    shown = page.said(passage.role, passage.name, passage.text)
    if passage.role != "prompt" or len(passage.text) <= _LONG:
        return shown
    words = escaped(f"{passage.name}, {len(passage.text):,} characters", one_line=True)
    return f"<details><summary>{words}</summary>{shown}</details>"


def _tinted(passage: Passage) -> str:
    text = "".join(map(_token, passage.told))
    lang = page.language(passage.text)
    return page.block(passage.role, passage.name, text, lang, kind="told")


def _token(one: Told) -> str:
    """A token as it stands in the text; one that has no characters shows its label instead,
    which isn't text, and so isn't copied with it."""
    level = next((name for least, name, _ in _LEVELS if one.raw_prob >= least), _LEAST[0])
    label = escaped(one.label, one_line=True)
    if one.control:
        return f'<span class="{level} x" data-is="{label}"></span>'
    if not one.text:
        return f'<span class="{level} f" data-is="{label}"></span>'
    if not one.text.strip() and "\n" in one.text:
        mark = "↵" * one.text.count("\n")
        return f'<span class="{level} f" data-is="{mark}">{visible(one.text)}</span>'
    return f'<span class="{level}">{escaped(one.text)}</span>'


def _settings(passage: Passage) -> str:
    """The settings, one below the other, folded away."""
    if not passage.made:
        return ""
    rows = "".join(
        f"<dt>{escaped(name, one_line=True)}</dt><dd>{escaped(value, one_line=True)}</dd>"
        for name, value in passage.made
    )
    return f"<details><summary>how it was made</summary><dl>{rows}</dl></details>"
