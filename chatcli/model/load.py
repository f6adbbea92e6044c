"""From a name to a LanguageModel: the one entrance that commands and programs use.

Finds the folder, chooses engine, device and dtype, checks the memory and reads the
tokenizer; reading the weights is left to the engine chosen, an adapter's to `merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chatcli.model.device import Demand, check_memory, pick_device, pick_dtype
from chatcli.model.digest import digest
from chatcli.model.files import read_config
from chatcli.model.resolve import BUILTIN, Location, resolve
from chatcli.model.sizes import ModelSizes, read_weight_sizes
from chatcli.model.support import choose_engine
from chatcli.model.tokenizing import tokenizer_of
from chatcli.model.types import LanguageModel
from chatcli.text.tokenizer import CheckpointTokenizer

__all__ = ["load"]

# The cache grows as a text does, so a long context that nobody asked for is no demand.
CONTEXT_UNASKED = 2048


def load(
    name: str | Path = BUILTIN,
    *,
    device: str = "auto",
    dtype: str = "auto",
    engine: str = "auto",
    context: int | None = None,
    notice: Callable[[str], None] | None = None,
) -> LanguageModel:
    """Load the checkpoint that `name` stands for: "builtin", a folder, a file, a hub name.

    A PEFT adapter is merged into its base. `context` is the most tokens to hold, at most the
    checkpoint's own; `notice` receives one-line remarks that are no errors. Raises
    CheckpointError, UnsupportedError, WeightsError, TokenizerError, DeviceError or
    UsageError, each with one line.
    """
    location = resolve(name)
    config = read_config(location.folder)
    chosen = choose_engine(location, config, engine)
    place = pick_device(device)
    weights, sizes = read_weight_sizes(location.folder, config), ModelSizes.from_json(config)
    sizes.check(location.name, weights)
    precision = pick_dtype(dtype, weights.stored, place, weights.parameters)
    held = min(context or CONTEXT_UNASKED, sizes.context_length or CONTEXT_UNASKED)
    demand = Demand(weights.parameters, sizes.kv_per_token or 0, held)
    check_memory(location.name, demand, precision, place)
    tokenizer, say = tokenizer_of(location, config), notice or (lambda line: None)
    loading = _Loading(location, config, place, precision, context, tokenizer, say)
    model = loading.native() if chosen == "native" else loading.transformers()
    if tokenizer.vocab_size > model.checkpoint.vocab_size:
        say(
            f"{location.name}: the tokenizer has {tokenizer.vocab_size:,} tokens, the model only "
            f"{model.checkpoint.vocab_size:,}: a text that needs the others is refused"
        )
    return model


@dataclass(frozen=True, slots=True)
class _Loading:
    """Everything that was chosen; each method has one engine load it."""

    location: Location
    config: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    context: int | None
    tokenizer: CheckpointTokenizer
    notice: Callable[[str], None]

    def native(self) -> LanguageModel:
        """The native decoder, over the folder's files or over what an adapter makes of them."""
        from chatcli.model.native.model import build_native, load_native

        if self.location.adapter is None:
            return load_native(
                self.location.folder,
                device=self.device,
                dtype=self.dtype,
                context=self.context,
                tokenizer=self.tokenizer,
                name=self.location.name,
            )
        from chatcli.model.merging import merged_settings
        from chatcli.model.native.weights import HeldWeights

        module = self._module()
        settings = merged_settings(self.config, module)
        weights = HeldWeights(self.location.name, dict(module.state_dict()))
        del module  # so that each matrix goes as soon as the decoder has its own
        return build_native(
            settings,
            weights,
            device=self.device,
            dtype=self.dtype,
            context=self.context,
            tokenizer=self.tokenizer,
            name=self.location.name,
            path=self.location.path,
            digest=self._digest(),
        )

    def transformers(self) -> LanguageModel:
        """A model of transformers behind the adapter of the same name."""
        from chatcli.model.transformers import load_adapter

        return load_adapter(
            self._module(),
            device=self.device,
            dtype=self.dtype,
            context=self.context,
            tokenizer=self.tokenizer,
            name=self.location.name,
            path=self.location.path,
            digest=self._digest(),
        )

    def _module(self) -> Any:
        """The model of transformers, on CPU, with the adapter merged in where there is one."""
        from chatcli.model.transformers import load_module

        location = self.location
        module = load_module(
            location.folder, dtype=self.dtype, name=location.name, notice=self.notice
        )
        if location.adapter is None:
            return module
        from chatcli.model.merging import merge_adapter

        return merge_adapter(module, location.adapter, location.name)

    def _digest(self) -> str:
        return digest(self.location.folder, self.location.adapter)
