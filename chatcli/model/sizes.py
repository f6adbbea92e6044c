"""How large a checkpoint is, from config.json and file headers alone: no torch, no weights.

Field names of all common architectures are known; what a config doesn't say is None. The
native decoder reads its own families more strictly (`native/config.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import CheckpointError, WeightsError
from chatcli.model.files import main_dtype, tensor_headers, weight_files

__all__ = ["ModelSizes", "WeightSizes", "architecture", "read_weight_sizes"]

# Bytes an element, by the spellings of safetensors.
ITEMSIZE = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}
DTYPES = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "float16": "F16"}


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Counts of a decoder; `context_length` in tokens."""

    n_layer: int | None
    n_head: int | None
    n_kv_head: int | None
    head_dim: int | None
    d_model: int | None
    vocab_size: int | None
    context_length: int | None

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> ModelSizes:
        """Read a parsed config.json; a model of text and images has them in `text_config`.

        Raises CheckpointError for layers, width or vocabulary that are no positive integers.
        """
        inner = config.get("text_config")
        fields = {**config, **(inner if isinstance(inner, Mapping) else {})}
        n_head = _count(fields, "num_attention_heads", "n_head", "n_heads", "num_heads")
        d_model = _size(fields, "hidden_size", "n_embd", "d_model", "dim")
        derived = d_model // n_head if d_model and n_head else None
        shared = 1 if fields.get("multi_query") is True else n_head
        return cls(
            n_layer=_size(fields, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
            n_head=n_head,
            n_kv_head=_count(fields, "num_key_value_heads", "num_kv_heads", "n_kv_heads") or shared,
            head_dim=_count(fields, "head_dim") or derived,
            d_model=d_model,
            vocab_size=_size(fields, "vocab_size"),
            context_length=_count(
                fields, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"
            ),
        )

    @property
    def kv_per_token(self) -> int | None:
        """Keys and values that one token adds to the cache, in elements."""
        if self.n_layer and self.n_kv_head and self.head_dim:
            return 2 * self.n_layer * self.n_kv_head * self.head_dim
        return None

    def check(self, name: str, weights: WeightSizes) -> None:
        """Raise WeightsError where the files can't hold what the config claims.

        An element takes at least a byte, so this needs no more than the files' size, and
        keeps a lying config from costing memory or time.
        """
        d_model = self.d_model or 1
        for field, count in [("vocab_size", self.vocab_size), ("layers", self.n_layer)]:
            if count and count * d_model > weights.size:
                raise WeightsError(
                    f"{name}: config.json claims {field} = {count:,} at a width of {d_model:,}, "
                    f"but the weight files have only {weights.size:,} bytes: one of them is "
                    "damaged, or they don't belong together"
                )


def _size(fields: Mapping[str, Any], *names: str) -> int | None:
    """The first of `names` that is set, which must be a positive integer."""
    for name in names:
        value = fields.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise CheckpointError(f"config.json sets {name} to {value!r:.60}, no positive integer")
    return _count(fields, *names)


def _count(fields: Mapping[str, Any], *names: str) -> int | None:
    """The first of `names` that is a positive integer."""
    values = (fields.get(name) for name in names)
    return next((v for v in values if type(v) is int and v > 0), None)


@dataclass(frozen=True, slots=True)
class WeightSizes:
    """What lies on disk: elements, the dtype of most of them ("BF16"), and bytes."""

    parameters: int
    stored: str
    size: int


def read_weight_sizes(folder: Path, config: Mapping[str, Any]) -> WeightSizes:
    """Sizes of the folder's weights; for a pickle, which has no header, an estimate.

    Raises WeightsError where the folder has no weights or a header is damaged.
    """
    files = weight_files(folder)
    if not files:
        raise WeightsError(
            f"{folder} has a config.json but no weights: "
            "model.safetensors, or its index and shards, must lie beside it"
        )
    size = sum(path.stat().st_size for path in files)
    if files[0].suffix != ".safetensors":
        spelt = str(config.get("dtype") or config.get("torch_dtype")).removeprefix("torch.")
        stored = DTYPES.get(spelt, "F32")
        return WeightSizes(size // ITEMSIZE[stored], stored, size)
    headers = {name: head for path in files for name, head in tensor_headers(path).items()}
    parameters = sum(header.numel for header in headers.values())
    return WeightSizes(parameters, main_dtype(headers), size)


def architecture(config: Mapping[str, Any]) -> str:
    """The model's class as config.json names it, else its model_type; "" without either."""
    names = config.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return names[0]
    kind = config.get("model_type")
    return kind if isinstance(kind, str) else ""
