"""Samples while a model trains: it goes on after a prompt, as in `chatcli complete` or `chat`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import torch
from torch import nn

from chatcli.engine.stream import stream
from chatcli.model.transformers import load_adapter
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
        self._model = load_adapter(
            model,
            device=next(model.parameters()).device,
            dtype=torch.float32,
            context=None,
            tokenizer=tokenizer,
            name="the model in training",
            path=folder,
            digest="",
        )
        self._prompts = cycle(prompts)

    def __call__(self) -> tuple[str, str]:
        prompt, tokenizer = next(self._prompts), self._model.tokenizer
        ids = tokenizer.encode(prompt, bos=True) if isinstance(prompt, str) else prompt
        shown = prompt if isinstance(prompt, str) else tokenizer.decode(ids, special=False)
        chain = SamplerChain(SETTINGS)
        chunks = stream(self._model, ids, chain, max_tokens=SAMPLE_TOKENS, top=0)
        return shown, "".join(chunk.text for chunk in chunks)
