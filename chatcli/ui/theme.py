"""Colours by meaning: one theme for every view, and the cheap way to apply it to a stream.

Probabilities run from `prob.sure` to `prob.surprise` in five steps, in colours of the
256-colour cube that read on dark and light ground. Without colour only weight and underline
remain, and the improbable is underlined.
"""

from __future__ import annotations

from functools import cache

from rich.color import ColorSystem as RichColorSystem
from rich.style import Style
from rich.theme import Theme

from chatcli.ui.environment import ColorSystem, Environment

__all__ = ["LEVELS", "THEME", "Paint", "prob_style", "underlined_below"]

THEME = Theme(
    {
        "prob.sure": "#5faf87",
        "prob.likely": "#87af5f",
        "prob.open": "#d7af5f",
        "prob.unlikely": "#d7875f",
        "prob.surprise": "#d75f5f",
        "chosen": "bold",
        "removed": "dim",
        "border": "dim",
        "heading": "bold",
        "figures": "dim",
        "prompt": "dim",
        "thinking": "dim",
        "mark": "dim",
        "warning": "bold #d7875f",
        "token.control": "bold #af87d7",
        "token.template": "dim",
        "token.system": "#af87d7",
        "token.message": "#5f87d7",
        "token.reply": "#5faf87",
        "difference": "#d7875f",
        "progress": "#5faf87",
        "curve.training": "#5f87d7",
        "curve.validation": "#d7875f",
    },
    inherit=False,
)
# From the least probability on, the name of its style.
LEVELS = (
    (0.8, "prob.sure"),
    (0.4, "prob.likely"),
    (0.15, "prob.open"),
    (0.05, "prob.unlikely"),
    (0.0, "prob.surprise"),
)
_UNDERLINED = ("prob.unlikely", "prob.surprise", "difference")
_RESET = "\x1b[0m"
_RICH_NAMES = {
    None: RichColorSystem.STANDARD,  # for weight and underline alone
    "standard": RichColorSystem.STANDARD,
    "256": RichColorSystem.EIGHT_BIT,
    "truecolor": RichColorSystem.TRUECOLOR,
}


def prob_style(prob: float) -> str:
    """The theme's name for a probability in [0, 1]."""
    for least, name in LEVELS:
        if prob >= least:
            return name
    return LEVELS[-1][1]


def underlined_below() -> float:
    """The probability under which a text is underlined where colour is off."""
    return min(least for least, name in LEVELS if name not in _UNDERLINED)


class Paint:
    """Styles as escape sequences: `paint("chosen", text)`; plain text where nothing is obeyed."""

    def __init__(self, env: Environment) -> None:
        self._start = _sequences(env.color_system) if env.cursor else {}

    def __call__(self, name: str, text: str) -> str:
        """`text` in the style `name`; the text must be inert already."""
        start = self._start.get(name)
        return f"{start}{text}{_RESET}" if start and text else text


@cache
def _sequences(color_system: ColorSystem | None) -> dict[str, str]:
    """The escape sequence that starts each style ("" for one that changes nothing)."""
    return {name: _sequence(name, style, color_system) for name, style in THEME.styles.items()}


def _sequence(name: str, style: Style, color_system: ColorSystem | None) -> str:
    if color_system is None:
        style = Style(underline=True) if name in _UNDERLINED else style.without_color
    style = style.copy()  # a style renders as it first did, whatever the colour system
    return style.render("\0", color_system=_RICH_NAMES[color_system]).partition("\0")[0]
