"""Why a token was drawn, as `chatcli probs --explain` shows it.

The line from 0 to 1 with the slices of the drawn token and the likeliest other and the number that
fell into one of them; both tokens with their figures; and what would have drawn another.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.probe.explain import Change, Explanation, Slice
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.panel import clip, percent
from chatcli.ui.probs_table import prompt_title
from chatcli.ui.theme import Paint, prob_style

__all__ = ["explanation_lines", "show_explanation"]

_WIDEST = 80  # cells of the line from 0 to 1
_LABEL = 20  # cells of a token at most
_NAMES = {"top_p": "top-p", "top_k": "top-k", "min_p": "min-p"}
_FINEST = 0.0001  # of what is found
_DRAWN, _NEXT, _OTHER = "█", "▒", "─"


def show_explanation(
    env: Environment, prompt: str, tokens: int, found: Explanation, tokenizer: Tokenizer
) -> None:
    """Write the explanation under a title with the prompt, of so many `tokens`, and the chain."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    title = paint("heading", prompt_title(prompt, width))
    facts = [count(tokens, "token"), found.chain]
    head = fold([*facts, *_luck(found)], width)
    lines = explanation_lines(found, tokenizer, paint, width)
    env.write("\n".join([title, *head, "", *lines]) + "\n")


def _luck(found: Explanation) -> list[str]:
    """The seed, and where it decides nothing now, the number it gives to a temperature above 0."""
    if found.u is not None:
        return [f"seed {found.seed}"]
    return [f"seed {found.seed} gives u = {found.luck:.6f} at a temperature above 0"]


def explanation_lines(
    found: Explanation, tokenizer: Tokenizer, paint: Paint, width: int | None
) -> list[str]:
    """What was drawn, and what would have drawn another, in at most `width` cells."""
    return [
        *_verdict(found, tokenizer, paint, width),
        "",
        *_slices(found, tokenizer, paint, width),
        "",
        *_changes(found.changes, tokenizer, paint, width),
    ]


def _verdict(
    found: Explanation, tokenizer: Tokenizer, paint: Paint, width: int | None
) -> list[str]:
    label = clip(token_label(tokenizer, found.drawn.token), _LABEL)
    if found.u is None or found.drawn.interval is None:
        return fold([f"{label} is drawn", "greedy takes the likeliest, no number decides"], width)
    low, high = found.drawn.interval
    why = f"u = {found.u:.6f} lies in its slice, from {low:.6f} to {high:.6f}"
    return [*fold([f"{label} is drawn", why], width), *_ruler(found, found.u, paint, width)]


def _ruler(found: Explanation, u: float, paint: Paint, width: int | None) -> list[str]:
    """The line from 0 to 1, and under it where u fell."""
    cells = min(_WIDEST, width or _WIDEST) - 4
    at = min(int(u * cells), cells - 1)
    kinds = [_owner(found, (cell + 0.5) / cells) for cell in range(cells)]
    kinds[at] = _DRAWN  # however thin its slice is
    styles = {_DRAWN: prob_style(found.drawn.prob), _NEXT: "removed", _OTHER: "border"}
    line = "".join(paint(styles[kind], kind) for kind in kinds)
    return [f"0 {line} 1", f"{' ' * (at + 2)}▲ u"]


def _owner(found: Explanation, number: float) -> str:
    for mark, one in ((_DRAWN, found.drawn), (_NEXT, found.runner_up)):
        if one is not None and one.interval is not None:
            if one.interval[0] <= number < one.interval[1]:
                return mark
    return _OTHER


def _slices(found: Explanation, tokenizer: Tokenizer, paint: Paint, width: int | None) -> list[str]:
    rows = [("drawn", _DRAWN, found.drawn)]
    if found.runner_up is not None:
        rows.append(("likeliest other", _NEXT, found.runner_up))
    slices = [one for _, _, one in rows]
    titles, *body = table_lines(
        [
            Column("", [f"{mark} {name}" for name, mark, _ in rows]),
            Column("token", [token_label(tokenizer, one.token) for one in slices], gives=True),
            Column("slice", list(map(_interval, slices)), rank=1),
            Column("after the chain", [percent(one.prob) for one in slices], right=True),
            Column("model", [percent(one.raw_prob) for one in slices], rank=2, right=True),
            Column("rank", [f"{one.rank:,}" for one in slices], rank=3, right=True),
        ],
        width,
    )
    return [paint("heading", titles), *body]


def _interval(one: Slice) -> str:
    return "–" if one.interval is None else "{:.6f} – {:.6f}".format(*one.interval)


def _changes(
    changes: Sequence[Change], tokenizer: Tokenizer, paint: Paint, width: int | None
) -> list[str]:
    """A row for each setting and direction, and below them how they were searched."""
    labels = [_drawn(one, tokenizer) for one in changes]
    titles, *rows = table_lines(
        [
            Column("setting", [_NAMES.get(one.setting, one.setting) for one in changes]),
            Column("now", [_number(one, one.now) for one in changes], rank=1, right=True),
            Column("", ["up" if one.up else "down" for one in changes], rank=3),
            Column("nearest", [_nearest(one) for one in changes], right=True),
            Column("draws", labels, gives=True),
            Column("searched", [f"to {one.limit:,.15g}" for one in changes], rank=2),
        ],
        width,
    )
    searched = fold(_searched(changes), width)
    return [
        "the nearest change that draws another:",
        paint("heading", titles),
        *rows,
        *(paint("figures", line) for line in searched),
    ]


def _drawn(change: Change, tokenizer: Tokenizer) -> str:
    if change.token is not None:
        return token_label(tokenizer, change.token)
    return "" if change.value is None else "nothing is left"


def _nearest(change: Change) -> str:
    if change.value is None:
        return "none"
    if change.setting == "u" and not change.up:  # its slice begins at the number above
        return f"<{change.value:.6f}"
    return _number(change, change.value)


def _number(change: Change, value: float) -> str:
    if change.setting == "u":
        return f"{value:.6f}"
    if change.setting == "top_k":
        return f"{value:,}" if value else "off"
    return f"{value:.15g}"


def _searched(changes: Sequence[Change]) -> list[str]:
    """How far apart the values are that were tried: "top-p, min-p by 0.0001"."""
    by_step: dict[float, list[str]] = {}
    for name, step in dict.fromkeys((one.setting, one.step) for one in changes):
        by_step.setdefault(step, []).append(_NAMES.get(name, name))
    facts = [f"{', '.join(by_step[step])} {_steps(step)}" for step in by_step]
    return [f"searched {facts[0]}", *facts[1:]]


def _steps(step: float) -> str:
    if step == 0:
        return "exactly"
    return f"by {step:g}" if step in (1, _FINEST) else f"by {step:g}, then {_FINEST:g}"
