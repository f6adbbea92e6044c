"""A scored text on the terminal: the text itself, tinted by how probable each token was.

Byte fragments stand as the character that they make, tinted by the product of their
probabilities. Where colour is off the improbable is underlined; what a template wrote stands
between « and ». `--table`, and a pipe, get a row for every token instead.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from chatcli.probe.perplexity import START, TEMPLATE, Perplexity, Reading
from chatcli.probe.score import TextScore, TokenScore
from chatcli.text.types import Tokenizer
from chatcli.text.visible import BROKEN_BYTES, LINE_MARKS, token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.panel import bits, clip, percent
from chatcli.ui.theme import LEVELS, Paint, prob_style, underlined_below

__all__ = ["ScoreView", "heat_map", "perplexity_facts", "score_table", "show_score"]

_LABEL_CELLS = 16
_SURPRISING = 5  # as many are named, where a text has four times as many tokens
_NONE = "–"


@dataclass(frozen=True, slots=True)
class ScoreView:
    """A scored text and its figures; `whole` counts the template's tokens too, None without."""

    reading: Reading
    found: TextScore
    own: Perplexity
    whole: Perplexity | None
    tokenizer: Tokenizer


def show_score(env: Environment, view: ScoreView, *, table: bool, title: str = "") -> None:
    """Write the map, or the table, and under it what it comes to."""
    paint = Paint(env)
    columns = env.columns() if env.stdout_is_terminal else None
    lines = [paint("heading", visible(title, keep_newlines=False))] if title else []
    if table or not env.cursor:
        heading, *rows = score_table(view, columns)
        lines += [paint("heading", heading), *rows]
    else:
        lines += [*heat_map(view, paint), "", *_legend(view, paint, env.no_color)]
    facts = [line for fact in _facts(view) for line in fold(fact, columns)]
    env.write("\n".join([*lines, "", *facts]) + "\n")


def heat_map(view: ScoreView, paint: Paint) -> list[str]:
    """The text as lines, each character in the style of its probability."""
    text = ""
    for templated, group in groupby(_pieces(view), key=lambda piece: piece.templated):
        run = "".join(_painted(piece, paint) for piece in group)
        text += f"{paint('mark', '«')}{run}{paint('mark', '»')}" if templated else run
    return text.removesuffix("\n").split("\n")


def score_table(view: ScoreView, columns: int | None) -> list[str]:
    """The heading and a row for each token, in at most `columns` cells (None: all columns)."""
    tokens = view.found.tokens
    entropies = [_NONE if one.entropy_bits is None else _bits(one.entropy_bits) for one in tokens]
    table = [
        Column("#", [f"{one.position + 1:,}" for one in tokens], right=True),
        Column("token", [_label(view, one) for one in tokens], gives=True),
        Column("id", [str(one.token) for one in tokens], rank=4, right=True),
        Column("probability", [_percent(one.prob) for one in tokens], right=True),
        Column("rank", [_NONE if one.rank is None else f"{one.rank:,}" for one in tokens], 1, True),
        Column("surprisal", [_surprisal(one) for one in tokens], rank=2, right=True),
        Column("entropy", entropies, rank=3, right=True),
    ]
    if len(set(view.reading.parts)) > 1:
        table.append(Column("part", view.reading.parts[: len(tokens)]))
    return table_lines(table, columns)


def perplexity_facts(found: Perplexity) -> list[str]:
    """ "perplexity 9.25", and the bits a token, a character and a byte."""
    per = {
        "token": found.bits_per_token,
        "character": found.bits_per_character,
        "byte": found.bits_per_byte,
    }
    shares = [f"{value:.3f} bits/{name}" for name, value in per.items() if value is not None]
    known = found.perplexity
    return [f"perplexity {_NONE if known is None else _number(known)}", *shares]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole characters, or a control token; `prob` is None where nothing foretold them."""

    text: str
    prob: float | None
    templated: bool


def _pieces(view: ScoreView) -> Iterator[_Piece]:
    """Tokens, joined until a character ends."""
    tokenizer, decoder = view.tokenizer, codecs.getincrementaldecoder("utf-8")("replace")
    data, logprobs, templated = b"", list[float | None](), False
    for token, part in zip(view.found.tokens, view.reading.parts, strict=False):
        if data and (tokenizer.is_special(token.token) or (part == TEMPLATE) != templated):
            yield _piece(data, logprobs, templated)  # a character that was never ended
            data, logprobs = b"", []
            decoder.reset()
        data, templated = data + tokenizer.token_bytes(token.token), part == TEMPLATE
        logprobs.append(token.logprob)
        decoder.decode(tokenizer.token_bytes(token.token))
        if not decoder.getstate()[0]:
            yield _piece(data, logprobs, templated)
            data, logprobs = b"", []
    if data:
        yield _piece(data, logprobs, templated)


def _piece(data: bytes, logprobs: Sequence[float | None], templated: bool) -> _Piece:
    known = [each for each in logprobs if each is not None]
    prob = math.exp(sum(known)) if len(known) == len(logprobs) else None
    text = BROKEN_BYTES.sub(_spelt, data.decode("utf-8", "surrogateescape"))
    return _Piece(text, prob, templated)


def _spelt(broken: re.Match[str]) -> str:
    raw = broken[0].encode("utf-8", "surrogateescape")
    return f"⟨{raw.hex(' ').upper()}⟩"


def _painted(piece: _Piece, paint: Paint) -> str:
    """Newlines stay, with their mark, and white space that stands alone is made visible."""
    style = "removed" if piece.prob is None else prob_style(piece.prob)
    shown = visible(piece.text)
    if not shown.strip():
        shown = shown.replace(" ", LINE_MARKS[" "]).replace("\t", LINE_MARKS["\t"])
    lines = shown.split("\n")
    ends = [line + LINE_MARKS["\n"] for line in lines[:-1]]
    return "\n".join(paint(style, line) for line in [*ends, lines[-1]])


def _legend(view: ScoreView, paint: Paint, no_color: bool) -> Iterator[str]:
    if no_color:
        yield f"underlined: less than {underlined_below() * 100:.0f} % probable"
    else:
        *levels, (_, last) = LEVELS
        shown = [paint(name, f"■ {least * 100:.0f} % or more") for least, name in levels[:1]]
        shown += [paint(name, f"■ {least * 100:.0f} %") for least, name in levels[1:]]
        yield "  ".join([*shown, paint(last, "■ less")])
    if view.reading.templated:
        yield "« » the template's"
    if any(token.logprob is None for token in view.found.tokens):
        yield paint("removed", "dim: nothing before it, so no probability")


def _facts(view: ScoreView) -> Iterator[list[str]]:
    own, found = view.own, view.found
    yield [
        f"{own.counted:,} of {count(len(found.tokens), 'token')} counted",
        *perplexity_facts(own),
    ]
    if view.whole is not None:
        whole = view.whole
        yield [f"with the template {whole.counted:,} counted", *perplexity_facts(whole)]
    if surprising := _surprising(view):
        yield ["most surprising " + surprising[0], *surprising[1:]]
    if len(found.windows) > 1:
        least = found.context - found.stride + 1
        yield [
            f"longer than the context: read in {len(found.windows):,} windows of "
            f"{count(found.context, 'token')}, stride {found.stride:,}",
            f"after the first window, each token is given {least:,} or more",
        ]


def _surprising(view: ScoreView) -> list[str]:
    """The text's own tokens that were least expected, the least probable first."""
    own = [
        token
        for token, part in zip(view.found.tokens, view.reading.parts, strict=False)
        if part not in (START, TEMPLATE) and token.logprob is not None
    ]
    if len(own) < 4 * _SURPRISING:
        return []
    worst = sorted(own, key=lambda token: token.logprob or 0.0)[:_SURPRISING]
    return [f"{_label(view, one)} {_surprisal(one)}" for one in worst]


def _label(view: ScoreView, token: TokenScore) -> str:
    return clip(token_label(view.tokenizer, token.token), _LABEL_CELLS)


def _percent(prob: float | None) -> str:
    return _NONE if prob is None else percent(prob)


def _surprisal(token: TokenScore) -> str:
    known = token.surprisal_bits
    if known is None:
        return _NONE
    return bits(0) if math.isinf(known) else _bits(known)


def _bits(value: float) -> str:
    return f"{abs(value):.2f} bits"


def _number(value: float) -> str:
    """ "9.25", "12,345", "∞"."""
    if math.isinf(value):
        return "∞"
    return f"{value:,.2f}" if value < 10000 else f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"
