"""From a name to a tokenizer alone: no weights are read, and torch isn't needed.

A folder without a model will do, as long as it has a tokenizer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatcli.model.adapters import TOKENIZERS
from chatcli.model.files import read_config
from chatcli.model.generation import GENERATION_CONFIG, eos_ids_from_files
from chatcli.model.resolve import Location, holds_model, resolve
from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer

__all__ = ["named_tokenizer", "tokenizer_of"]


def named_tokenizer(name: str | Path) -> tuple[str, CheckpointTokenizer]:
    """The tokenizer of the model that `name` stands for, or of a folder that has no model.

    With the name that people see. Raises CheckpointError and TokenizerError.
    """
    folder = Path(os.path.expanduser(name))
    if folder.is_dir() and not holds_model(folder) and _holds_tokenizer(folder):
        return folder.resolve().name, load_tokenizer(folder)
    location = resolve(name)
    return location.name, tokenizer_of(location, read_config(location.folder))


def tokenizer_of(location: Location, config: Mapping[str, Any]) -> CheckpointTokenizer:
    """A model's tokenizer: the adapter's own where it brings one. `config` is the model's."""
    ends = eos_ids_from_files(location.holder(GENERATION_CONFIG), config)
    return load_tokenizer(location.holder(*TOKENIZERS), extra_eos=ends)


def _holds_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)
