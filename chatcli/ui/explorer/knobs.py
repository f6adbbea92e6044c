"""The settings that a single key turns: how far a press goes, and where it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chatcli.sampling.orders import PRESETS
from chatcli.sampling.random import draw_seed
from chatcli.sampling.types import SamplingConfig

__all__ = ["KNOBS", "turned"]

# A key in lower case turns down, in upper case up.
KNOBS = {"t": "temperature", "k": "top_k", "p": "top_p", "m": "min_p", "o": "order", "s": "seed"}


def turned(config: SamplingConfig, name: str, up: bool) -> SamplingConfig:
    """`config` with one setting a step further; at an end it stays."""
    change: dict[str, Any] = {name: _TURN[name](config, up)}
    return replace(config, **change)


def _temperature(config: SamplingConfig, up: bool) -> float:
    return round(max(0.0, config.temperature + (0.1 if up else -0.1)), 2)


def _top_k(config: SamplingConfig, up: bool) -> int:
    """By one up to 10, by ten up to 100, then by hundreds; 0, which is off, lies below 1."""
    now = config.top_k
    size = 1 if now < 10 + (not up) else 10 if now < 100 + (not up) else 100
    return max(0, now + size if up else now - size)


def _top_p(config: SamplingConfig, up: bool) -> float:
    step = 0.05 if config.top_p < 0.95 + (0 if up else 0.001) else 0.01
    return round(min(1.0, max(0.01, config.top_p + (step if up else -step))), 4)


def _min_p(config: SamplingConfig, up: bool) -> float:
    step = 0.01 if config.min_p < 0.1 + (0 if up else 0.001) else 0.05
    return round(min(1.0, max(0.0, config.min_p + (step if up else -step))), 4)


def _order(config: SamplingConfig, up: bool) -> str:
    names = list(PRESETS)
    if not isinstance(config.order, str):
        return names[0]
    return names[(names.index(config.order) + (1 if up else -1)) % len(names)]


def _seed(config: SamplingConfig, up: bool) -> int:
    """Up draws another seed, down counts one on."""
    return draw_seed() if up else ((config.seed or 0) + 1) % 2**64


_TURN: dict[str, Callable[[SamplingConfig, bool], float | str]] = {
    "temperature": _temperature,
    "top_k": _top_k,
    "top_p": _top_p,
    "min_p": _min_p,
    "order": _order,
    "seed": _seed,
}
