"""The rotary settings of a config.json, in both spellings, as one RopeConfig.

Defaults and precedence follow transformers; the formulas are in `rope`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chatcli.errors import UnsupportedError
from chatcli.model.native.fields import MAX_CONTEXT, Fields

__all__ = ["ROPE_TYPES", "RopeConfig", "read_rope"]

ROPE_TYPES = ("default", "dynamic", "linear", "llama3", "yarn")


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """How positions become angles; each field is the one of that name in config.json."""

    rope_type: str
    theta: float
    factor: float = 1.0
    original_context: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float = 1.0
    truncate: bool = True


def read_rope(fields: Fields, context: int) -> RopeConfig:
    """How the checkpoint turns positions into angles; `context` is max_position_embeddings.

    Raises UnsupportedError for a kind the native decoder doesn't know, CheckpointError for
    settings that are missing or out of range.
    """
    spelt = "rope_scaling" if fields.has("rope_scaling") else "rope_parameters"
    rope = Fields(fields.mapping(spelt), f"config.json, {spelt}")
    kind = rope.text("rope_type", rope.text("type", "default"))
    if kind not in ROPE_TYPES:
        raise UnsupportedError(
            f"rope type {kind!r:.60} is not one that the native decoder knows "
            f"({', '.join(ROPE_TYPES)}): use --engine transformers"
        )
    if any(isinstance(value, Mapping) for value in rope.values.values()):
        raise UnsupportedError("rope settings by layer type: use --engine transformers")
    theta = rope.number("rope_theta", fields.number("rope_theta", 10000.0))
    if rope.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1.0)) != 1.0:
        raise UnsupportedError("partial rotary positions: use --engine transformers")
    if kind in ("default", "dynamic"):
        return RopeConfig(kind, theta)
    if kind == "linear":
        return RopeConfig(kind, theta, factor=rope.number("factor"))
    original = _original_context(fields, rope, context)
    if kind == "llama3":
        return _llama3_rope(rope, theta, original)
    return _yarn_rope(rope, theta, original, context)


def _original_context(fields: Fields, rope: Fields, context: int) -> int:
    """The context before scaling; transformers lets the field beside the rope settings win."""
    name = "original_max_position_embeddings"
    return (fields if fields.has(name) else rope).integer(name, context, most=MAX_CONTEXT)


def _llama3_rope(rope: Fields, theta: float, original: int) -> RopeConfig:
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    if low >= high:
        raise rope.error("low_freq_factor", low, f"below high_freq_factor = {high:g}")
    return RopeConfig(
        "llama3",
        theta,
        factor=rope.number("factor"),
        original_context=original,
        low_freq_factor=low,
        high_freq_factor=high,
    )


def _yarn_rope(rope: Fields, theta: float, original: int, context: int) -> RopeConfig:
    if theta == 1.0:
        raise rope.error("rope_theta", theta, "other than 1 for yarn")
    factor = rope.number("factor", context / original)
    return RopeConfig(
        "yarn",
        theta,
        factor=factor,
        original_context=original,
        beta_fast=rope.number("beta_fast", 32.0),
        beta_slow=rope.number("beta_slow", 1.0),
        attention_factor=rope.number("attention_factor", _yarn_attention(rope, factor)),
        truncate=rope.flag("truncate", True),
    )


def _yarn_attention(rope: Fields, factor: float) -> float:
    """The default scale of queries and keys (YaRN section 3.4; mscale as DeepSeek spells it)."""
    if rope.values.get("mscale") and rope.values.get("mscale_all_dim"):
        return _mscale(factor, rope.number("mscale")) / _mscale(
            factor, rope.number("mscale_all_dim")
        )
    return _mscale(factor, 1.0)


def _mscale(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0
