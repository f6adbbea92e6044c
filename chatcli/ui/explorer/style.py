"""The theme of every other view, as prompt-toolkit writes styles; and what only a screen needs."""

from __future__ import annotations

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatcli.ui.environment import ColorSystem
from chatcli.ui.theme import THEME

__all__ = ["color_depth", "screen_style"]

_DEPTHS = {
    None: ColorDepth.DEPTH_1_BIT,
    "standard": ColorDepth.DEPTH_4_BIT,
    "256": ColorDepth.DEPTH_8_BIT,
    "truecolor": ColorDepth.DEPTH_24_BIT,
}
_UNDERLINED = ("prob.unlikely", "prob.surprise", "difference")
_OWN = {
    "selected": "reverse",
    "behind": "dim",
    "typed": "bold",
    "current": "bold",
    "key": "bold",
    "note": "italic",
    "match": "underline",
}


def color_depth(color_system: ColorSystem | None) -> ColorDepth:
    """How many colours are sent; NO_COLOR leaves weight, underline and reverse."""
    return _DEPTHS[color_system]


def screen_style(*, color: bool) -> Style:
    """The improbable is underlined where there is no colour."""
    spelt = {}
    for name, style in THEME.styles.items():
        parts = [style.color.name] if color and style.color is not None else []
        parts += ["bold"] * bool(style.bold) + ["dim"] * bool(style.dim)
        parts += ["underline"] * (not color and name in _UNDERLINED)
        spelt[name] = " ".join(parts)
    return Style.from_dict(spelt | _OWN)
