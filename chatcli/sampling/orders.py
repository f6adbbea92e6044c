"""The stages by name, and the orders in which well-known programs apply them.

A preset fixes the order, the rules for ties and boundaries and the default penalty
window of the program it is named after; it never changes a setting. What the stages
compute is in `stages`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRESETS", "STAGE_NAMES", "Preset", "preset_for"]


@dataclass(frozen=True, slots=True)
class Preset:
    """The order of one program, and where its rules differ from transformers'.

    `penalty_window`: the newest tokens that penalties see, None = all. `exact_k`: top_k
    keeps exactly k, not every tie of the k-th. `typical_overshoots`: typical_p stops once
    the mass is above p rather than at p, and keeps no ties. `counts_output_only`:
    frequency and presence penalties don't see the prompt.
    """

    stages: tuple[str, ...]
    penalty_window: int | None = None
    exact_k: bool = False
    typical_overshoots: bool = False
    counts_output_only: bool = False


_ADJUST = ("logit_bias", "repetition_penalty", "frequency_penalty", "presence_penalty")

PRESETS = {
    "hf": Preset((*_ADJUST, "temperature", "top_k", "top_p", "min_p", "typical_p")),
    "llamacpp": Preset(
        (*_ADJUST, "top_k", "typical_p", "top_p", "min_p", "temperature"),
        penalty_window=64,
        exact_k=True,
        typical_overshoots=True,
    ),
    "vllm": Preset(
        (*_ADJUST, "temperature", "min_p", "top_k", "top_p", "typical_p"),
        counts_output_only=True,
    ),
    "mlx": Preset(
        (*_ADJUST, "top_p", "min_p", "top_k", "typical_p", "temperature"),
        exact_k=True,
    ),
}

STAGE_NAMES = PRESETS["hf"].stages


def preset_for(order: str | tuple[str, ...]) -> Preset:
    """The preset of that name, or the given stages under transformers' rules."""
    return PRESETS[order] if isinstance(order, str) else Preset(order)
