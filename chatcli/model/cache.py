"""Keys and values of the tokens fed so far, in one growing buffer a layer.

The cache knows shapes and ids; what the numbers mean is the decoder's business. A sliding
window is a mask, not a smaller cache: every token stays, so any prefix can be reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chatcli.errors import ContextError

__all__ = ["BlockCache", "CacheShape"]

_BLOCK = 256


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The sizes of a cache: `context` is the most tokens it may hold."""

    n_layer: int
    n_kv_head: int
    head_dim: int
    context: int
    dtype: torch.dtype
    device: torch.device


class BlockCache:
    """A KVCache whose buffers double, in whole blocks, up to the context in force."""

    def __init__(self, shape: CacheShape) -> None:
        self.shape = shape
        self.capacity = 0
        self._tokens: list[int] = []
        self._layers: list[Tensor] = [self._buffer(0) for _ in range(shape.n_layer)]

    @property
    def tokens(self) -> Sequence[int]:
        """The ids whose keys and values are held, oldest first."""
        return self._tokens

    @property
    def nbytes(self) -> int:
        """Bytes that the buffers take."""
        return sum(layer.nbytes for layer in self._layers)

    def reuse(self, ids: Sequence[int]) -> list[int]:
        """Crop to the longest common prefix with `ids`; return what must still be fed.

        Never empty: at least the last id is fed again. Raises ValueError on empty `ids`.
        Room for all of them is made at once: growing while a prompt is fed block by block
        would leave a smaller buffer behind each time.
        """
        if not ids:
            raise ValueError("reuse needs at least one id")
        shared = 0
        for held, wanted in zip(self._tokens, ids[:-1], strict=False):
            if held != wanted:
                break
            shared += 1
        self.crop(shared)
        suffix = list(ids[shared:])
        if len(ids) <= self.shape.context:  # if not, feeding them says so
            self.reserve(len(suffix))
        return suffix

    def crop(self, length: int) -> None:
        """Forget all but the first `length` tokens; memory is kept for the next ones.

        Raises ValueError where `length` is negative or more than what is held.
        """
        if not 0 <= length <= len(self._tokens):
            raise ValueError(f"crop to {length}: the cache holds {len(self._tokens)} tokens")
        del self._tokens[length:]

    def reserve(self, count: int) -> list[Tensor]:
        """Make room for `count` more tokens; return the buffers, one a layer.

        A buffer is [2, 1, n_kv_head, capacity, head_dim], keys first. Raises ContextError
        where the context in force would be exceeded.
        """
        held = len(self._tokens)
        if held + count > self.shape.context:
            raise ContextError(
                f"{held + count} tokens don't fit in the context of {self.shape.context}: "
                "shorten the prompt or raise --context if the checkpoint allows it"
            )
        if held + count > self.capacity:
            self._grow(held + count)
        return self._layers

    def append(self, ids: Sequence[int]) -> None:
        """Record ids whose keys and values have been written after those held."""
        self._tokens.extend(ids)

    def _grow(self, needed: int) -> None:
        blocks = -(-needed // _BLOCK) * _BLOCK
        capacity = min(self.shape.context, max(blocks, 2 * self.capacity))
        held = len(self._tokens)
        for index, old in enumerate(self._layers):
            new = self._buffer(capacity)
            new[:, :, :, :held].copy_(old[:, :, :, :held])
            self._layers[index] = new
        self.capacity = capacity

    def _buffer(self, capacity: int) -> Tensor:
        shape = self.shape
        size = (2, 1, shape.n_kv_head, capacity, shape.head_dim)
        return torch.empty(size, dtype=shape.dtype, device=shape.device)
