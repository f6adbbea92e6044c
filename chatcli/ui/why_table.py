"""Why each token of a reply came: what the model gave it, what the chain made of that, its rival.

A row a token. A token that is only a part of a character shows its bytes, and the one that
completes the character shows that too. On a narrow screen columns give way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from chatcli.chat.tree import common
from chatcli.engine.types import Step
from chatcli.sampling.types import Candidate
from chatcli.text.types import Tokenizer
from chatcli.text.visible import BROKEN_BYTES, token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.figures import count
from chatcli.ui.panel import clip, percent
from chatcli.ui.theme import Paint, prob_style

__all__ = ["Why", "why", "why_figures", "why_table"]

_WIDE = 80  # from here on, what the chain removed has a column of its own
_LABEL = 14  # cells of a token at most


@dataclass(frozen=True, slots=True)
class Why:
    """One token of a reply, and what nearly came instead.

    `step.draw.probs` is empty: a reply has too many of them to be held. `spelt` are the
    characters that the token completes; "" where it is whole characters itself. `rival` is
    the likeliest other token after the chain, with its probability there; `removed`, the
    model's likeliest that the chain took out.
    """

    step: Step
    spelt: str
    rival: tuple[int, float] | None
    removed: Candidate | None


def why(steps: Iterable[Step], tokenizer: Tokenizer, prompt: Sequence[int]) -> list[Why]:
    """What there is to say of the steps that follow `prompt`."""
    detokenizer = tokenizer.detokenizer(tuple(prompt))
    told = []
    for step in steps:
        text = detokenizer.add(step.token)
        spelt = text if _is_fragment(tokenizer, step.token) else ""
        removed = next((one for one in step.draw.candidates if one.removed_by), None)
        light = dataclasses.replace(step.draw, probs=step.draw.probs.new_empty(0))
        told.append(Why(dataclasses.replace(step, draw=light), spelt, _rival(step), removed))
    return told


def why_table(
    told: Sequence[Why], tokenizer: Tokenizer, paint: Paint, columns: int | None
) -> list[str]:
    """The heading and a row for each token, in at most `columns` cells (None: all columns)."""
    wide = columns is None or columns >= _WIDE
    spell = _Wide(tokenizer) if wide else _Narrow(tokenizer)
    steps = [one.step for one in told]
    labels = [clip(_label(one, tokenizer), _LABEL) for one in told]
    numbers = [f"{step.index + 1:,}" for step in steps]
    table = [
        _figures("#", 0, numbers),
        Column("token", labels, gives=True),
        _figures(f"drawn{spell.unit}", 1, [spell.share(step.prob) for step in steps]),
        _figures(f"model{spell.unit}", 0, [spell.share(step.raw_prob) for step in steps]),
        _figures("rank", 4, [f"{step.rank:,}" for step in steps]),
        _figures(spell.entropy, 5, [f"{step.entropy_bits:.2f}" for step in steps]),
        Column(f"instead{spell.unit}", [spell.instead(one) for one in told], rank=2),
    ]
    if wide:
        table.append(Column("removed", [spell.removed(one) for one in told], rank=6))
        table.append(_figures("u", 7, [_luck(step) for step in steps]))
    heading, *rows = table_lines(table, columns)
    at = max(map(len, ("#", *numbers))) + 2
    tinted = (
        _tinted(row, at, shown, prob_style(step.raw_prob), paint)
        for row, shown, step in zip(rows, labels, steps, strict=True)
    )
    return [paint("heading", heading), *tinted]


def why_figures(steps: Sequence[Step]) -> list[str]:
    """What the steps come to, by the model's own probabilities."""
    facts = [count(len(steps), "token")]
    if all(step.raw_prob > 0 for step in steps):
        surprisal = abs(fmean(math.log2(step.raw_prob) for step in steps))
        facts += [f"surprisal {surprisal:.2f} bits/token", f"perplexity {2**surprisal:,.2f}"]
    entropy = fmean(step.entropy_bits for step in steps)
    return [*facts, f"entropy {entropy:.2f} bits/token"]


def _is_fragment(tokenizer: Tokenizer, token: int) -> bool:
    data = tokenizer.token_bytes(token).decode("utf-8", "surrogateescape")
    return BROKEN_BYTES.search(data) is not None


def _rival(step: Step) -> tuple[int, float] | None:
    best = torch.topk(step.draw.probs, min(2, len(step.draw.probs)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return next((pair for pair in pairs if pair[0] != step.token and pair[1] > 0), None)


def _label(one: Why, tokenizer: Tokenizer) -> str:
    label = token_label(tokenizer, one.step.token)
    return f"{label} → {visible(one.spelt, keep_newlines=False)}" if one.spelt else label


class _Wide:
    """How things are spelt where there is room."""

    unit, entropy, cells = "", "entropy", 10

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def share(self, prob: float) -> str:
        return percent(prob)

    def instead(self, one: Why) -> str:
        """The rival after the chain; where there is no luck, what the model has next best."""
        if one.rival is not None:
            return self._pair(*one.rival)
        others = [each for each in one.step.draw.candidates if each.token != one.step.token]
        if one.step.draw.u is None and others:
            return self._pair(others[0].token, others[0].raw_prob)
        return "–"

    def removed(self, one: Why) -> str:
        if one.removed is None:
            return ""
        return f"{self._pair(one.removed.token, one.removed.raw_prob)} {one.removed.removed_by}"

    def _pair(self, token: int, prob: float) -> str:
        return f"{clip(token_label(self._tokenizer, token), self.cells)} {self.share(prob)}"


class _Narrow(_Wide):
    """The same in fewer cells: what was removed stands in for a rival, in parentheses."""

    unit, entropy, cells = "%", "bits", 7

    def share(self, prob: float) -> str:
        return percent(prob).removesuffix(" %")

    def instead(self, one: Why) -> str:
        if one.rival is None and one.removed is not None:
            return f"({self._pair(one.removed.token, one.removed.raw_prob)})"
        return super().instead(one)


def _luck(step: Step) -> str:
    return "" if step.draw.u is None else f"{step.draw.u:.4f}"


def _figures(title: str, rank: int, cells: Sequence[str]) -> Column:
    return Column(title, cells, rank=rank, right=True)


def _tinted(row: str, at: int, label: str, style: str, paint: Paint) -> str:
    """The row with its token in colour, as far as the column shows it."""
    shown = label[: common(row[at:], label)]
    return row[:at] + paint(style, shown) + row[at + len(shown) :]
