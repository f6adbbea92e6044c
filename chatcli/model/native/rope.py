"""Rotary position embeddings: frequencies by scaling type, and the rotation itself.

A pair of coordinates is one complex number and a position turns it by an angle. Checkpoints
keep the halves of a pair head_dim/2 apart; `interleave_pairs` puts them side by side once,
when weights are loaded, so that the rotation is one complex product. Queries and keys are
permuted alike, which leaves their dot products as they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from chatcli.model.native.rope_settings import RopeConfig

__all__ = ["RotaryTable", "frequencies", "interleave_pairs", "rotate_"]

_BLOCK = 256


def frequencies(rope: RopeConfig, head_dim: int) -> Tensor:
    """Radians per position of each coordinate pair, float32 [head_dim/2]."""
    return _FREQUENCIES[rope.rope_type](rope, head_dim)


def _default(rope: RopeConfig, head_dim: int) -> Tensor:
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    return 1.0 / rope.theta**exponents


def _linear(rope: RopeConfig, head_dim: int) -> Tensor:
    return _default(rope, head_dim) / rope.factor


def _llama3(rope: RopeConfig, head_dim: int) -> Tensor:
    """Long wavelengths are stretched, short ones kept, those between interpolated (Llama 3.1)."""
    frequencies = _default(rope, head_dim)
    turns = rope.original_context * frequencies / (2 * math.pi)
    smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    smooth = smooth.clamp(0, 1)
    return (1 - smooth) * frequencies / rope.factor + smooth * frequencies


def _yarn(rope: RopeConfig, head_dim: int) -> Tensor:
    """NTK-by-parts interpolation (YaRN, arXiv 2309.00071, section 3.2)."""
    low = _yarn_dimension(rope, head_dim, rope.beta_fast)
    high = _yarn_dimension(rope, head_dim, rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    width = high - low or 0.001
    ramp = ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / width).clamp(0, 1)
    frequencies = _default(rope, head_dim)
    return frequencies / rope.factor * ramp + frequencies * (1 - ramp)


def _yarn_dimension(rope: RopeConfig, head_dim: int, turns: float) -> float:
    """The coordinate pair that makes `turns` full turns over the original context."""
    wavelengths = math.log(rope.original_context / (turns * 2 * math.pi))
    return head_dim * wavelengths / (2 * math.log(rope.theta))


# "dynamic" (NTK) raises theta only for sequences longer than max_position_embeddings, as
# transformers computes it. The context in force never is longer than that, so within it the
# two are the same function, and a cached key never needs to be turned again.
_FREQUENCIES: dict[str, Callable[[RopeConfig, int], Tensor]] = {
    "default": _default,
    "dynamic": _default,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
}


class RotaryTable:
    """The turn of every pair at every position, computed in blocks as positions are reached."""

    def __init__(self, rope: RopeConfig, head_dim: int, device: torch.device) -> None:
        self._frequencies = frequencies(rope, head_dim)
        self._radius = rope.attention_factor
        self._device = device
        self._turns = torch.empty(0, 1, head_dim // 2, dtype=torch.complex64, device=device)

    def turns(self, start: int, stop: int) -> Tensor:
        """Complex [stop - start, 1, head_dim/2], of modulus `attention_factor`."""
        if stop > self._turns.shape[0]:
            self._grow(stop)
        return self._turns[start:stop]

    def _grow(self, length: int) -> None:
        rows = max(2 * self._turns.shape[0], -(-length // _BLOCK) * _BLOCK)
        positions = torch.arange(rows, dtype=torch.float32)
        angles = positions[:, None, None] * self._frequencies  # (rows, 1, head_dim/2)
        radius = torch.full_like(angles, self._radius)
        self._turns = torch.polar(radius, angles).to(self._device)


def interleave_pairs(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of each head from (first halves, second halves) to pairs.

    `weight` is [heads * head_dim, ...]; a copy of the same shape is returned.
    """
    head_dim = weight.shape[0] // heads
    halves = weight.reshape(heads, 2, head_dim // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def rotate_(x: Tensor, turns: Tensor) -> None:
    """Turn the pairs of x [T, heads, head_dim] in place; angles are float32 in any dtype."""
    pairs = x.view(*x.shape[:-1], -1, 2)  # (T, heads, head_dim/2, 2)
    if x.dtype == torch.float32:
        torch.view_as_complex(pairs).mul_(turns)
        return
    turned = torch.view_as_complex(pairs.float()) * turns
    pairs.copy_(torch.view_as_real(turned))
