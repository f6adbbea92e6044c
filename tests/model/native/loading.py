"""Loading a folder with the native decoder as the tests do: on CPU, with a toy tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from chatcli.model.native.model import NativeModel, load_native
from tests.fakes import ByteTokenizer

__all__ = ["greedy", "load", "with_config"]


def load(
    folder: Path, dtype: torch.dtype = torch.float32, context: int | None = None
) -> NativeModel:
    return load_native(
        folder,
        device=torch.device("cpu"),
        dtype=dtype,
        context=context,
        tokenizer=ByteTokenizer(),
        name=folder.name,
    )


def with_config(source: Path, config: dict[str, Any], folder: Path) -> Path:
    """A copy of a checkpoint under another config.json."""
    shutil.copytree(source, folder)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def greedy(model: NativeModel, prompt: Sequence[int], count: int) -> list[int]:
    """The next `count` ids, each the likeliest, fed one at a time after the prompt."""
    cache = model.new_cache()
    new = [int(model.forward(prompt, cache, last=True).argmax())]
    while len(new) < count:
        new.append(int(model.forward(new[-1:], cache, last=True).argmax()))
    return new
