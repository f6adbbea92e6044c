"""A conversation so far, turn by turn: what a resumed chat and `sessions show` put on the screen.

Inert wherever it goes, for it is a view; whoever wants the exact text exports it. A message
and its reply are as wide as they are and wrapped by the terminal, as when they were streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatcli.chat.types import Turn, system_prompt
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count, mark
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint
from chatcli.ui.thinking import Part, Thinking, split_reply

__all__ = ["show_transcript", "transcript_lines"]

_Paint = Callable[[str, str], str]


def show_transcript(
    env: Environment,
    turns: Sequence[Turn],
    forgotten: int = 0,
    *,
    last: int | None = None,
    thinking: Thinking = "show",
) -> None:
    """Write `transcript_lines` to stdout. Raises as `Environment.write` does."""
    columns = env.columns() if env.stdout_is_terminal else None
    lines = transcript_lines(turns, forgotten, columns, Paint(env), last=last, thinking=thinking)
    env.write("".join(f"{line}\n" for line in lines))


def transcript_lines(
    turns: Sequence[Turn],
    forgotten: int,
    columns: int | None,
    paint: _Paint,
    *,
    last: int | None = None,
    thinking: Thinking = "show",
) -> list[str]:
    """`turns` from the first one on, of which the model no longer sees the first `forgotten`.

    Of all but the `last` ones only the number is told. `columns` is the terminal's width, None
    where there is none. A system prompt stands before the first turn that was given it.
    """
    hidden = 0 if last is None else max(0, len(turns) - last)
    lines = [_remark(paint, _earlier(hidden, forgotten), columns)] if hidden else []
    system = system_prompt(turns[hidden - 1].preamble) if hidden else None
    for number, turn in enumerate(turns[hidden:], hidden + 1):
        lines += [""] if lines else []
        given, system = system, system_prompt(turn.preamble)
        if system is not None and system != given:
            lines += [*_labelled("system", system, paint), ""]
        lines += [*_labelled(f"{number}", turn.user, paint), *_reply(turn, paint, thinking)]
        if ending := _ending(turn):
            lines.append(_remark(paint, f"— {ending} —", columns))
        if number == forgotten:
            lines += ["", _remark(paint, f"— {_unseen(forgotten)} —", columns)]
    return lines


def _labelled(label: str, text: str, paint: _Paint) -> list[str]:
    """`text` behind a label and "> ", its other lines below its first."""
    label += " > "
    first, *others = visible(text).split("\n")
    return [paint("prompt", label) + first, *(" " * len(label) + line for line in others)]


def _reply(turn: Turn, paint: _Paint, thinking: Thinking) -> list[str]:
    """The reply as it is shown when it streams, line by line."""
    parts = [Part(visible(one.text), one.thinking) for one in split_reply(turn.reply)]
    if thinking == "fold":
        parts = _folded(parts)
    styled = [("thinking" if one.thinking else "", one.text) for one in parts]
    whole = "".join(_painted(style, text, paint) for style, text in styled)
    return whole.removesuffix("\n").split("\n") if whole else []


def _painted(style: str, text: str, paint: _Paint) -> str:
    """Each line in a style of its own, so that one can be shown without the others."""
    return "\n".join(paint(style, line) for line in text.split("\n"))


def _folded(parts: Sequence[Part]) -> list[Part]:
    thought = sum(len(one.text) for one in parts if one.thinking)
    if not thought:
        return list(parts)
    said = "".join(one.text for one in parts if not one.thinking).lstrip()
    return [Part(f"thinking… {count(thought, 'character')}\n", True), Part(said, False)]


def _ending(turn: Turn) -> str | None:
    if not turn.answered:
        return "no reply"
    return mark(turn.finish, turn.new_tokens) if turn.runs else None


def _earlier(hidden: int, forgotten: int) -> str:
    told = f"… {count(hidden, 'earlier turn')}"
    return f"{told}; {_unseen(forgotten)}" if 0 < forgotten <= hidden else told


def _unseen(forgotten: int) -> str:
    turns = "turn 1" if forgotten == 1 else f"turns 1–{forgotten:,}"
    return f"the model no longer sees {turns}"


def _remark(paint: _Paint, text: str, columns: int | None) -> str:
    return paint("mark", text if columns is None else clip(text, columns - 1))
