"""The one seam: what every layer above asks of a model, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from chatcli.text.types import Tokenizer

__all__ = ["Checkpoint", "KVCache", "LanguageModel"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a loaded model is.

    `context_length` is the context in force (the checkpoint's own, or less where
    `--context` says so), in tokens. `digest` is SHA-256 over config, tokenizer and, of
    each weight file, header, size and 64 sampled blocks.
    """

    name: str
    path: Path | None
    architecture: str
    engine: str
    n_layer: int
    n_head: int
    d_model: int
    vocab_size: int
    context_length: int
    parameters: int
    dtype: str
    device: str
    digest: str


class KVCache(Protocol):
    """Keys and values of the tokens fed so far; grows in blocks up to the context in force."""

    @property
    def tokens(self) -> Sequence[int]:
        """The ids whose keys and values are held, oldest first."""
        ...

    def reuse(self, ids: Sequence[int]) -> list[int]:
        """Crop to the longest common prefix with `ids`; return what must still be fed.

        Never empty: at least the last id is fed again. Raises ValueError on empty `ids`.
        """
        ...

    def crop(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        ...


class LanguageModel(Protocol):
    """Ids in, logits out. Everything to the right of `model/` runs on this alone."""

    @property
    def checkpoint(self) -> Checkpoint: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    def new_cache(self) -> KVCache:
        """An empty cache that this model's `forward` can fill."""
        ...

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        """Feed `ids` after what `cache` holds, and append them to it.

        Returns logits [T, V], or [1, V] for the last position only. Raises ContextError
        where cache and ids together are longer than the context in force.
        """
        ...
