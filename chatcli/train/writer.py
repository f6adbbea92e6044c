"""Samples while a model trains: it goes on after a prompt, as in `chatcli complete` or `chat`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from torch import nn

from chatcli.engine.stream import stream
from chatcli.model.sizes import ModelSizes
from chatcli.model.transformers import AdapterModel
from chatcli.model.types import Checkpoint
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Tokenizer

__all__ = ["Writer"]

SAMPLE_TOKENS = 40
SETTINGS = SamplingConfig(temperature=0.8, top_k=40, top_p=0.95, seed=1)


class Writer:
    """Calls give (prompt, continuation), the prompts in turn.

    A prompt is a text to continue, or the ids of one, the opening of a reply included.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        folder: Path,
        prompts: Sequence[str | Sequence[int]],
    ) -> None:
        module: Any = model
        sizes = ModelSizes.from_json(module.config.to_dict())
        device = next(model.parameters()).device
        checkpoint = Checkpoint(
            name="the model in training",
            path=folder,
            architecture=str(module.config.model_type),
            engine="transformers",
            n_layer=sizes.n_layer or 0,
            n_head=sizes.n_head or 0,
            d_model=sizes.d_model or 0,
            vocab_size=int(module.get_input_embeddings().weight.shape[0]),
            context_length=sizes.context_length or SAMPLE_TOKENS * 4,
            parameters=sum(weight.numel() for weight in model.parameters()),
            dtype="float32",
            device=str(device),
            digest="",
        )
        self._model = AdapterModel(checkpoint, tokenizer, module, device)
        self._prompts = cycle(prompts)

    def __call__(self) -> tuple[str, str]:
        prompt, tokenizer = next(self._prompts), self._model.tokenizer
        ids = tokenizer.encode(prompt, bos=True) if isinstance(prompt, str) else prompt
        shown = prompt if isinstance(prompt, str) else tokenizer.decode(ids, special=False)
        chain = SamplerChain(SETTINGS)
        chunks = stream(self._model, ids, chain, max_tokens=SAMPLE_TOKENS, top=0)
        return shown, "".join(chunk.text for chunk in chunks)
