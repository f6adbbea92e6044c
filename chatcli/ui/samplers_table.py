"""The view of `chatcli samplers`: the chain, what each stage does, and other programs' flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.cells import cell_len

from chatcli.sampling.catalog import CATALOG, StageInfo, active_stages, describe
from chatcli.sampling.elsewhere import Elsewhere, elsewhere
from chatcli.sampling.orders import PRESETS, preset_for
from chatcli.sampling.types import SamplingConfig
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.folding import fold, wrap
from chatcli.ui.theme import Paint

__all__ = ["samplers_object", "show_samplers"]

_ON = "• "
_LEFT = 22  # cells of the left column, its mark included
_NARROWEST = 24  # cells that a text beside it needs; with less, it stands below
_BELOW = 4


def show_samplers(env: Environment, config: SamplingConfig) -> None:
    """The chain, then its stages in order, a dot before those that are on, then the flags."""
    width = env.columns() if env.stdout_is_terminal else 100
    paint = Paint(env)
    lines = [paint("heading", line) for line in fold([describe(config)], width)]
    lines += ["", *wrap(_about_order(config), width), ""]
    on = active_stages(config)
    for stage in _in_order(config):
        lines += _stage_lines(stage, stage in on, width)
    lines += ["", paint("heading", "elsewhere")]
    for each in elsewhere(config):
        lines += _beside(each.program, _facts(each), width)
    env.write("\n".join(lines) + "\n")


def samplers_object(config: SamplingConfig) -> dict[str, Any]:
    """All of it as plain JSON."""
    on = active_stages(config)
    return {
        "chain": describe(config),
        "order": config.to_dict()["order"],
        "settings": config.to_dict(),
        "stages": [
            {
                "name": stage.name,
                "on": stage in on,
                "settings": list(stage.settings),
                "does": stage.does,
                "source": stage.source,
            }
            for stage in _in_order(config)
        ],
        "elsewhere": {
            each.program: {
                "flags": list(each.flags),
                "none": list(each.missing),
                "remarks": list(each.remarks),
            }
            for each in elsewhere(config)
        },
    }


def _in_order(config: SamplingConfig) -> list[StageInfo]:
    return [CATALOG[name] for name in preset_for(config.order).stages]


def _about_order(config: SamplingConfig) -> str:
    if not isinstance(config.order, str):
        return "These stages run, in this order, and no others:"
    others = ", ".join(name for name in PRESETS if name != config.order)
    return f"Order {config.order} (others: {others}); {_ON.strip()} marks what is on:"


def _stage_lines(stage: StageInfo, on: bool, width: int) -> Iterator[str]:
    left = (_ON if on else " " * len(_ON)) + stage.name
    yield from _beside(left, [f"{stage.does} ({stage.source})"], width)


def _facts(each: Elsewhere) -> Iterator[str]:
    yield "  ".join(each.flags) or "nothing to say"
    if each.missing:
        yield f"none: {', '.join(each.missing)}"
    yield from each.remarks


def _beside(left: str, texts: Iterable[str], width: int) -> Iterator[str]:
    """A text of the left column, and others beside it, or below where the screen is narrow."""
    indent = _LEFT if width >= _LEFT + _NARROWEST else _BELOW
    inert = (visible(text, keep_newlines=False) for text in texts)
    lines = [line for text in inert for line in wrap(text, width - indent)]
    if cell_len(left) < indent:
        yield left + " " * (indent - cell_len(left)) + lines.pop(0)
    else:
        yield left
    yield from (" " * indent + line for line in lines)
