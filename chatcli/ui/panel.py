"""The panel under a streaming reply: the newest token, its rivals, and what each stage did.

Pure: a step and a size in, rows of text out. Rows are as wide as the terminal at most; the
columns behind a token's label are addressed absolutely, so that they line up whatever width
a terminal gives to a character. Under 60 columns, or with few rows, it folds to one line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from chatcli.engine.types import Step, Usage
from chatcli.sampling.types import Candidate
from chatcli.ui.figures import context_use, nearly_full
from chatcli.ui.folding import SEPARATOR
from chatcli.ui.theme import Paint, prob_style

__all__ = ["CalmView", "PanelView", "bar", "bits", "clip", "percent"]

_FOLD_BELOW = 60
_WIDEST = 84  # a full footer fits; wider rows would only break up when a window narrows
_EDGES = 6  # "│ ▶ " before a label, a space behind it, "│" behind the figures
_LONGEST_LABEL, _SHORTEST_BAR = 24, 15
_FIGURES = "  {prob:>7}   model {raw:>7}   {bits:>10} "
_FIGURES_WIDTH = len(_FIGURES.format(prob="", raw="", bits=""))
_WORDS_OVER = 11  # of the figures' cells, why a token is out may take these: all before "model"
_BLOCKS = " ▏▎▍▌▋▊▉"
_PAUSED = "paused · Space: next token · Enter: go on · q: stop"


@dataclass(frozen=True, slots=True)
class PanelView:
    """What stays the same through a reply.

    `chain` is the sampler chain as text, `seed` None when greedy, `label` a token's spelling
    for tables (inert), `vocab_size` and `context` (in force) count tokens.
    """

    chain: str
    seed: int | None
    vocab_size: int
    context: int
    top: int
    label: Callable[[int], str]
    paint: Paint

    def render(
        self, step: Step, usage: Usage, columns: int, rows: int, paused: bool = False
    ) -> list[str]:
        """The panel for `step`, at most `rows - 1` rows of at most `columns` cells."""
        # A row is kept for the text, and half the screen at least.
        room = min(self.top, alternatives_room(rows))
        if rows < 2:
            return []
        if columns < _FOLD_BELOW or room < 2:
            return [self._folded(step, columns - 1, paused)]
        return self._framed(step, usage, min(columns, _WIDEST), room, paused)

    def waiting(self, columns: int, rows: int) -> list[str]:
        """What stands there until the first token is drawn, which may take long."""
        return _remark(self.paint, "reading the prompt …", columns, rows)

    def _framed(self, step: Step, usage: Usage, width: int, room: int, paused: bool) -> list[str]:
        chain, state = self._footer(step, usage, width - 6, paused)
        top = self._border("╭", self._title(step), "╮", width)
        shown = _shown(step, room)
        label_width = self._label_width(shown, width)
        body = [self._row(step, one, width, label_width) for one in shown]
        if chain:
            text = set_cell_size(f" {clip(chain, width - 4)}", width - 2)
            body.append(self.paint("border", f"│{text}│"))
        return [top, *body, self._border("╰", state, "╯", width, self._warning(step))]

    def _border(self, left: str, text: str, right: str, width: int, warning: str = "") -> str:
        text = clip(text, width - 4)
        line = "─" * (width - 4 - cell_len(text))
        whole = f"{left} {text} {line}{right}"
        before, found, after = whole.rpartition(warning) if warning else ("", "", whole)
        return (
            self.paint("border", before)
            + self.paint("warning", found)
            + self.paint("border", after)
        )

    def _warning(self, step: Step) -> str:
        """The context's use where it is nearly full, as it stands in the state."""
        used = step.position + 1
        return context_use(used, self.context) if nearly_full(used, self.context) else ""

    def _title(self, step: Step) -> str:
        """The token's number, entropy before and after the chain, and the survivors."""
        items = [f"token {step.index + 1:,}", f"entropy {_entropies(step)} bits"]
        if step.draw.u is None:
            items.append("greedy")
        elif step.draw.stages:
            items.append(f"{step.draw.stages[-1].kept:,} of {self.vocab_size:,} survive")
        return SEPARATOR.join(items)

    def _footer(self, step: Step, usage: Usage, width: int, paused: bool) -> tuple[str, str]:
        """The chain and the state: together on the border where they fit, else on two rows."""
        chain = self.chain + ("" if self.seed is None else f"{SEPARATOR}seed {self.seed}")
        context = context_use(step.position + 1, self.context)
        # One token has no speed yet.
        speed = f"{rate:,.0f} tok/s{SEPARATOR}" if (rate := usage.tokens_per_second) else ""
        if paused:
            return chain, _PAUSED
        for state in (f"{speed}context {context}", f"{speed}{context}"):
            if cell_len(chain) + len(SEPARATOR + state) <= width:
                return "", chain + SEPARATOR + state
        return chain, f"{speed}context {context}"

    def _label_width(self, shown: Sequence[Candidate], width: int) -> int:
        """As wide as the labels need, as long as that leaves the bars enough."""
        needed = max(cell_len(self.label(one.token)) for one in shown)
        spare = width - _FIGURES_WIDTH - _EDGES - _SHORTEST_BAR
        return max(8, width // 8, min(needed, _LONGEST_LABEL, spare))

    def _row(self, step: Step, candidate: Candidate, width: int, label_width: int) -> str:
        chosen = candidate.token == step.token
        bar_at = 4 + label_width + 1  # 0-based: "│ ▶ ", the label, a space
        figures_at = width - 1 - _FIGURES_WIDTH
        label = clip(self.label(candidate.token), label_width)
        style = prob_style(candidate.raw_prob)
        if candidate.prob > 0:
            middle = self.paint(style, bar(candidate.prob, figures_at - bar_at))
            prob = percent(candidate.prob)
        else:
            room = figures_at + _WORDS_OVER - bar_at
            middle, prob = self.paint("removed", _why_out(candidate.removed_by, room)), ""
        figures = _FIGURES.format(
            prob=prob, raw=percent(candidate.raw_prob), bits=bits(candidate.raw_prob)
        )
        skip = 0 if prob else _WORDS_OVER
        edge = self.paint("border", "│")
        return (
            f"{edge} {'▶' if chosen else ' '} {self.paint('chosen' if chosen else style, label)}"
            f"{_column(bar_at)}{middle}{_column(figures_at + skip)}{figures[skip:]}{edge}"
        )

    def _folded(self, step: Step, width: int, paused: bool) -> str:
        """One line: the token, then as much as fits of its rivals and of the title."""
        first, *others = _chosen_first(step)
        state = f"{SEPARATOR}paused" if paused else ""  # unsaid, the reply would seem to hang
        room = max(1, width - len(state))
        label = f"▶ {self.label(first.token)}"
        line = f"{label} {percent(first.prob)}"
        if paused and cell_len(line) > room:
            line = label
        line = clip(clip(line, room) + state, width)
        if self._warning(step):
            line = clip(f"{line}{SEPARATOR}context {self._warning(step)}", width)
        rivals = [f"{self.label(one.token)} {percent(one.prob)}" for one in others if one.prob > 0]
        for item in [*rivals[:3], f"{_entropies(step)} bits", f"#{step.index + 1}"]:
            if cell_len(line) + len(SEPARATOR) + cell_len(item) <= width:
                line += SEPARATOR + item
        return self.paint(prob_style(first.raw_prob), line)


@dataclass(frozen=True, slots=True)
class CalmView:
    """What stands below a reply whose probabilities nobody wants to see: as good as nothing."""

    paint: Paint

    def render(
        self, step: Step, usage: Usage, columns: int, rows: int, paused: bool = False
    ) -> list[str]:
        """Nothing, or which keys end a pause."""
        return _remark(self.paint, _PAUSED, columns, rows) if paused else []

    def waiting(self, columns: int, rows: int) -> list[str]:
        """As a panel's."""
        return _remark(self.paint, "reading the prompt …", columns, rows)


def _why_out(stage: str | None, width: int) -> str:
    """Which stage removed a candidate; where there is little room, its name alone."""
    if stage is None:
        return clip("· not drawn", width)
    whole = (f"· removed by {stage}", f"· {stage}", stage)
    return next((text for text in whole if cell_len(text) <= width), clip(stage, width))


def _remark(paint: Paint, text: str, columns: int, rows: int) -> list[str]:
    return [paint("border", clip(text, columns - 1))] if rows > 1 else []


def percent(prob: float) -> str:
    """ "88.1 %"; "<0.1 %" for what would round to nothing, never "100.0 %" for less than 1."""
    if 0 < prob < 0.0005:
        return "<0.1 %"
    if 0.9995 <= prob < 1:
        return ">99.9 %"
    return f"{prob * 100:.1f} %"


def alternatives_room(rows: int) -> int:
    """How many alternatives a panel has room for on a terminal of `rows` rows."""
    return max(0, rows // 2 - 2)


def bits(prob: float) -> str:
    """Surprisal, -log2 of a probability: "0.43 bits"."""
    return f"{abs(math.log2(prob)):.2f} bits" if prob > 0 else "∞ bits"


def clip(text: str, width: int) -> str:
    """`text` in at most `width` cells, with "…" where something was cut off."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def _column(index: int) -> str:
    """The escape sequence that moves to a 0-based column of the row."""
    return f"\x1b[{index + 1}G"


def bar(prob: float, width: int) -> str:
    """A bar in eighths of a cell; a full one is certainty."""
    eighths = max(1, round(prob * width * 8))
    return ("█" * (eighths // 8) + _BLOCKS[eighths % 8]).rstrip()


def _entropies(step: Step) -> str:
    """ "1.63 → 0.63": of the model's own distribution, and of what the token was drawn from."""
    before = f"{step.entropy_bits:.2f}"
    if step.draw.u is None:  # greedy: one token has it all
        return f"{before} → 0.00"
    return f"{before} → {step.draw.stages[-1].entropy_bits:.2f}" if step.draw.stages else before


def _shown(step: Step, room: int) -> Sequence[Candidate]:
    """The first candidates, the chosen one always among them."""
    shown = step.draw.candidates[:room]
    if any(one.token == step.token for one in shown):
        return shown
    return [*shown[: room - 1], _chosen(step)]


def _chosen_first(step: Step) -> list[Candidate]:
    others = [one for one in step.draw.candidates if one.token != step.token]
    return [_chosen(step), *others]


def _chosen(step: Step) -> Candidate:
    """The chosen token as a candidate, whether it was reported as one or not."""
    for one in step.draw.candidates:
        if one.token == step.token:
            return one
    return Candidate(step.token, step.rank, math.nan, step.raw_prob, step.prob)
