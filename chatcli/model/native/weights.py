"""The tensors of a checkpoint, checked: mapped from a folder's safetensors, or in memory.

A file is data that may be hostile: its header is compared with the file's size, and names
and shapes with what the config promises, before anything is allocated. Which tensors a
family has is in `layout`; what becomes of them in `builder`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chatcli.errors import UnsupportedError, WeightsError
from chatcli.model.files import TensorHeader, tensor_headers, weight_files

__all__ = ["HeldWeights", "Weights"]

_READABLE = ("F32", "BF16", "F16")
_SPELLINGS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


class Weights:
    """The tensors of a folder by name; a context manager, since it holds files open.

    Raises WeightsError where the folder has no safetensors, where an index names anything
    but plain files inside the folder, and where a file is truncated or corrupt.
    """

    def __init__(self, folder: Path) -> None:
        self._source = str(folder)
        self._files: dict[str, Any] = {}
        self.headers: dict[str, TensorHeader] = {}
        paths = [path for path in weight_files(folder) if path.suffix == ".safetensors"]
        if not paths:
            raise WeightsError(f"{folder} has no safetensors weights: copy or download them")
        for path in paths:
            headers = tensor_headers(path)
            self.headers |= headers
            self._files |= dict.fromkeys(headers, _mapped(path))

    def __enter__(self) -> Weights:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.clear()

    def check(self, expected: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        """Compare names, shapes and types with what the config promises.

        Raises WeightsError on a missing tensor or a wrong shape, UnsupportedError on a
        type that isn't one of float32, bfloat16 and float16.
        """
        for name, shape in expected:
            header = self.headers.get(name)
            if header is None:
                raise WeightsError(f"{self._source}: the weights lack the tensor {name}")
            if header.shape != shape:
                raise WeightsError(
                    f"{self._source}: {name} has the shape {list(header.shape)}, "
                    f"but config.json makes it {list(shape)}"
                )
            if header.dtype not in _READABLE:
                raise UnsupportedError(
                    f"{self._source}: {name} is stored as {header.dtype:.20}, not as float32, "
                    "bfloat16 or float16: vLLM would load quantised weights"
                )

    def read(self, name: str) -> Tensor:
        """The tensor `name` as a view of the mapped file."""
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor


class HeldWeights(Weights):
    """Tensors that are in memory already, such as those of a base merged with an adapter.

    Each is handed over once and let go, so that a model is not held twice for long.
    """

    def __init__(self, name: str, tensors: dict[str, Tensor]) -> None:
        self._source = name
        self._files = tensors
        self.headers = {
            key: TensorHeader(_SPELLINGS.get(held.dtype, str(held.dtype)), tuple(held.shape))
            for key, held in tensors.items()
        }

    def read(self, name: str) -> Tensor:
        """The tensor `name`, which can be read no second time."""
        tensor: Tensor = self._files.pop(name)
        return tensor


def _mapped(path: Path) -> Any:
    """The file, mapped; safetensors itself compares every offset with the file's size."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is truncated or corrupt: {error}") from error
