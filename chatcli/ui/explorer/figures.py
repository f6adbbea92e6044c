"""Probabilities as the explorer writes them: a small one keeps its size."""

from __future__ import annotations

from chatcli.ui.panel import percent

__all__ = ["share"]


def share(prob: float) -> str:
    """ "88.1 %", "3.1e-05", "–" for none."""
    if prob <= 0:
        return "–"
    return f"{prob:.1e}" if prob < 0.0005 else percent(prob)
