"""Reads the small files of a checkpoint folder, without torch and without trust.

JSON documents with a bound on their size, which weight files a folder has, and the
headers of safetensors files. Reading the weights themselves is left to the engines.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import CheckpointError, WeightsError

__all__ = [
    "PICKLE",
    "SAFETENSORS",
    "TOKENIZER_DOCUMENTS",
    "TensorHeader",
    "main_dtype",
    "read_config",
    "read_json",
    "tensor_headers",
    "weight_files",
]

SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"
# Every file that a tokenizer and its chat template may be kept in.
TOKENIZER_DOCUMENTS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)

JSON_LIMIT = 64 * 2**20
# The bound that the safetensors format itself sets.
HEADER_LIMIT = 100_000_000


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """What a safetensors header says of one tensor; `dtype` as spelt there ("BF16")."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; CheckpointError names the file and what is wrong with it."""
    try:
        if not path.is_file():
            raise CheckpointError(f"{path} is not a regular file")
        size = path.stat().st_size
        if size > JSON_LIMIT:
            raise CheckpointError(f"{path} has {size:,} bytes, more than the {JSON_LIMIT:,} read")
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} holds a JSON {type(document).__name__}, not an object")
    return document


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json."""
    return read_json(folder / "config.json")


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files that the folder loads from: safetensors where there are any, else pickles.

    Empty where it has none. Raises WeightsError for an index that names anything but plain
    files inside the folder.
    """
    for name in (SAFETENSORS, PICKLE):
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return (folder / name,)
        if index.is_file():
            return _shards(index)
    return ()


def _shards(index: Path) -> tuple[Path, ...]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, Mapping) or not weight_map:
        raise WeightsError(f"{index} has no weight_map")
    names = sorted(set(weight_map.values()), key=str)
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or "\\" in name:
            raise WeightsError(f"{index} names {name!r}, which is no file inside the folder")
        if not (index.parent / name).is_file():
            raise WeightsError(f"{index} names {name}, which is missing: copy or download it again")
    return tuple(index.parent / name for name in names)


def tensor_headers(path: Path) -> dict[str, TensorHeader]:
    """Dtype and shape of every tensor in a safetensors file; raises WeightsError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(HEADER_LIMIT, path.stat().st_size - 8):
                raise WeightsError(f"{path} is truncated or no safetensors file")
            header = json.loads(file.read(length))
        return {
            name: TensorHeader(str(entry["dtype"]), tuple(int(size) for size in entry["shape"]))
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except OSError as error:
        raise WeightsError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise WeightsError(f"{path} has a damaged safetensors header") from error


def main_dtype(headers: Mapping[str, TensorHeader]) -> str:
    """The dtype that holds most of the elements; "" where there are none."""
    totals: dict[str, int] = {}
    for header in headers.values():
        totals[header.dtype] = totals.get(header.dtype, 0) + header.numel
    return max(totals, key=lambda dtype: totals[dtype], default="")
