"""Sampling settings under one name: chatcli's own, and those of the user's config file.

    greedy     always the likeliest token: the same text each time
    precise    close to the model's best guess, with little luck: facts, code, extraction
    balanced   what chatcli starts from where a checkpoint says nothing
    creative   hotter, but without the tail: min_p keeps what is at least 5 % as likely as the
               likeliest (Nguyen et al. 2024, arXiv:2407.01082, use 0.05 to 0.1)

A preset starts from everything off. Order, bias and seed are no matter of style, so they
stay unless the preset names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from chatcli.errors import UsageError
from chatcli.sampling.types import SamplingConfig

__all__ = ["PRESETS", "apply_preset"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "precise": {"temperature": 0.3, "top_p": 0.9},
    "balanced": {"temperature": 0.8, "top_k": 40, "top_p": 0.95},
    "creative": {"temperature": 1.1, "min_p": 0.05},
}


def apply_preset(
    name: str, presets: Mapping[str, Mapping[str, Any]], config: SamplingConfig
) -> SamplingConfig:
    """`config` under the preset `name`. Raises UsageError where there is none or it is wrong."""
    if name not in presets:
        near = get_close_matches(name.lower(), presets, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(presets)}"
        raise UsageError(f"no preset {name!r}; {hint}")
    start = SamplingConfig(order=config.order, logit_bias=config.logit_bias, seed=config.seed)
    try:
        return SamplingConfig.from_dict({**start.to_dict(), **presets[name]})
    except UsageError as error:
        raise UsageError(f"preset {name}: {error}") from error
