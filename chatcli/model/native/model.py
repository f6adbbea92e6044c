"""The native decoder as a LanguageModel: loading a folder, feeding ids, keeping the cache.

Long inputs are fed in chunks, so that memory for activations stays bounded. Everything
here is deterministic: the same ids after the same cache give the same logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chatcli.model.cache import BlockCache, CacheShape
from chatcli.model.checks import check_ids, context_in_force
from chatcli.model.device import memory_errors
from chatcli.model.digest import digest
from chatcli.model.files import read_config
from chatcli.model.native.builder import build_decoder
from chatcli.model.native.config import NativeConfig
from chatcli.model.native.decoder import Decoder
from chatcli.model.native.layout import layout_of
from chatcli.model.native.weights import Weights
from chatcli.model.types import Checkpoint, KVCache
from chatcli.text.types import Tokenizer

__all__ = ["NativeModel", "build_native", "load_native"]

_CHUNK = 512


def load_native(
    folder: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    context: int | None,
    tokenizer: Tokenizer,
    name: str,
) -> NativeModel:
    """Load a checkpoint folder into the native decoder.

    `context` is the most tokens to hold, at most the checkpoint's own. Raises
    CheckpointError (UnsupportedError, WeightsError) for a folder that can't be read or
    trusted, UsageError for a context out of range, DeviceError where memory runs out.
    """
    with Weights(folder) as weights:
        return build_native(
            read_config(folder),
            weights,
            device=device,
            dtype=dtype,
            context=context,
            tokenizer=tokenizer,
            name=name,
            path=folder,
            digest=digest(folder),
        )


def build_native(
    settings: Mapping[str, Any],
    weights: Weights,
    *,
    device: torch.device,
    dtype: torch.dtype,
    context: int | None,
    tokenizer: Tokenizer,
    name: str,
    path: Path,
    digest: str,
) -> NativeModel:
    """The native decoder over `weights`, by the `settings` of a config.json; as `load_native`."""
    config = NativeConfig.from_json(settings)
    length = context_in_force(config.context_length, context)
    with memory_errors(f"loading {name}", device):
        decoder = build_decoder(config, weights, device=device, dtype=dtype)
    parameters = _count(config, weights)
    checkpoint = Checkpoint(
        name=name,
        path=path,
        architecture=config.family,
        engine="native",
        n_layer=config.n_layer,
        n_head=config.n_head,
        d_model=config.d_model,
        vocab_size=config.vocab_size,
        context_length=length,
        parameters=parameters,
        dtype=str(dtype).removeprefix("torch."),
        device=str(device),
        digest=digest,
    )
    return NativeModel(checkpoint, tokenizer, config, decoder, dtype)


def _count(config: NativeConfig, weights: Weights) -> int:
    """Parameters, a tied head counted once."""
    expected = layout_of(config, weights.headers).expected(config)
    return sum(math.prod(shape) for _, shape in expected)


class NativeModel:
    """A LanguageModel that runs on this package's own decoder."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tokenizer: Tokenizer,
        config: NativeConfig,
        decoder: Decoder,
        dtype: torch.dtype,
    ) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.config = config
        self.decoder = decoder
        self._cache_shape = CacheShape(
            n_layer=config.n_layer,
            n_kv_head=config.n_kv_head,
            head_dim=config.head_dim,
            context=checkpoint.context_length,
            dtype=dtype,
            device=decoder.device,
        )

    def new_cache(self) -> BlockCache:
        """An empty cache that `forward` can fill."""
        return BlockCache(self._cache_shape)

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        """Feed `ids` after what `cache` holds; float32 logits [T, V], or [1, V] with `last`.

        The cache records the ids when all of them are through: an interrupted or failed
        call leaves it as it was. Raises ContextError where the context in force would be
        exceeded, CheckpointError on an id outside the vocabulary, ValueError on no ids.
        """
        if not isinstance(cache, BlockCache):
            raise TypeError("this model fills caches made by its own new_cache()")
        fed = list(ids)
        check_ids(fed, self.config.vocab_size)
        with memory_errors(f"feeding {len(fed):,} tokens", self.decoder.device):
            layers = cache.reserve(len(fed))
            logits = torch.empty(1 if last else len(fed), self.config.vocab_size)
            self._feed(fed, len(cache.tokens), layers, logits, last)
        cache.append(fed)
        return logits

    @torch.inference_mode()
    def _feed(
        self, ids: list[int], held: int, layers: list[Tensor], logits: Tensor, last: bool
    ) -> None:
        """Run the decoder chunk by chunk and write into `logits`, an ordinary tensor."""
        for begin in range(0, len(ids), _CHUNK):
            chunk = ids[begin : begin + _CHUNK]
            hidden = self.decoder.hidden(chunk, held + begin, layers)
            if not last:
                logits[begin : begin + len(chunk)] = self.decoder.logits(hidden)
        if last:
            logits.copy_(self.decoder.logits(hidden[-1:]))
