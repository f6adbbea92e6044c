"""PEFT adapters on disk: what adapter_config.json says, and which files a folder holds.

An adapter is a small change to a base model that lies elsewhere. Only names and small
files are looked at here; finding the base is left to `resolve`, merging the two to `merging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import CheckpointError, UnsupportedError, WeightsError
from chatcli.model.files import PICKLE, SAFETENSORS, read_json

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "TOKENIZERS",
    "AdapterSettings",
    "adapter_weights",
    "is_adapter",
    "read_adapter",
]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# Each of these makes a folder one that brings its own tokenizer.
TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model")

WHOLE = tuple(f"{name}{end}" for name in (SAFETENSORS, PICKLE) for end in ("", ".index.json"))
# Methods that add inputs or layers, or route between adapters, so there is no merged model.
UNMERGEABLE = frozenset(
    "ADAPTION_PROMPT CARTRIDGE CPT MULTITASK_PROMPT_TUNING P_TUNING POLY PREFIX_TUNING "
    "PROMPT_TUNING XLORA".split()
)
TASKS = (None, "CAUSAL_LM")


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """What an adapter changes: `base` as adapter_config.json names it, `method` as in "LORA"."""

    base: str
    method: str


def is_adapter(folder: Path) -> bool:
    """Whether `folder` holds an adapter and no whole weights, which would come first."""
    whole = (folder / name for name in WHOLE)
    return (folder / ADAPTER_CONFIG).is_file() and not any(path.is_file() for path in whole)


def read_adapter(folder: Path) -> AdapterSettings:
    """The folder's adapter_config.json.

    Raises CheckpointError where it names no base or method, UnsupportedError for an adapter
    that can't become part of the weights of a language model.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    _refuse(folder, config)
    return AdapterSettings(
        _text(folder, config, "base_model_name_or_path"), _text(folder, config, "peft_type").upper()
    )


def adapter_weights(folder: Path) -> Path:
    """The file with the adapter's weights; raises WeightsError where there is none."""
    for name in ADAPTER_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        f"{folder} has an {ADAPTER_CONFIG} but no {ADAPTER_WEIGHTS[0]}: copy or save it again"
    )


def _refuse(folder: Path, config: Mapping[str, Any]) -> None:
    method, task = str(config.get("peft_type")).upper(), config.get("task_type")
    if method in UNMERGEABLE:
        raise UnsupportedError(
            f"{folder} is a {method} adapter, which can't be merged into its base's weights, as "
            "chatcli runs adapters: peft's own PeftModel runs it"
        )
    if task not in TASKS:
        raise UnsupportedError(
            f"{folder} is an adapter for {task!r:.40}, not for a causal language model: "
            "peft's own PeftModel runs it"
        )
    if config.get("layer_replication"):
        raise UnsupportedError(
            f"{folder} is an adapter that repeats layers of its base, which share their weights, "
            "so the two can't be merged: peft's own PeftModel runs it"
        )
    if config.get("megatron_config"):  # peft would import whatever module the file names
        raise UnsupportedError(f"{folder} is an adapter for Megatron's layers: Megatron runs it")


def _text(folder: Path, config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if not isinstance(value, str) or not value:
        raise CheckpointError(
            f"{folder / ADAPTER_CONFIG} sets {key} to {value!r:.60}, not a name: correct that line"
        )
    return value
