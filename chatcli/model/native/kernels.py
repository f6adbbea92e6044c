"""Matrix products: how a weight is laid out and which kernel multiplies it.

The choice is a fixed rule of dtype, device, shape and thread count, never a timing, since
two kernels round differently and the same seed must give the same text. Two rules on CPU:

  float32      stored [in, out]. One row: the input dimension is cut into as many parts as
               there are threads, multiplied as a batch and summed, which reads memory with
               all threads (40 to 100 % faster than a plain product); many rows: one product.
  16-bit       stored [out, in]. Few rows: F.linear, fast for one row at a time. Many rows:
               the weight is widened to float32 block by block, as the 16-bit product of
               many rows is 2 to 20 times slower than the float32 one.

Other devices take F.linear as it is. Each weight is held once, in one layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Linear", "pack"]

# Below this many weights a product is over before a second thread pays.
_SPLIT_WEIGHTS = 128 * 1024
_MAX_PARTS = 8
_FEW_ROWS = 4
_WIDEN_BLOCK = 4096
_COPY_BLOCK = 256


class Linear(Protocol):
    """y = x Wᵀ + b for rows x [T, in] and a weight W [out, in]."""

    def __call__(self, x: Tensor) -> Tensor:
        """The product, [T, out]."""
        ...

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        """The product added to `residual` [T, out]."""
        ...

    def rows(self, ids: Tensor) -> Tensor:
        """The rows of W at `ids` [T], as [T, in]: the embedding of a tied head."""
        ...


def pack(
    pieces: Sequence[Tensor], bias: Tensor | None, dtype: torch.dtype, device: torch.device
) -> Linear:
    """Stack weights [out_i, in] into one product, laid out by the rule above."""
    if bias is not None:
        bias = bias.to(device, dtype, copy=True)
    rows = sum(piece.shape[0] for piece in pieces)
    columns = pieces[0].shape[1]
    sizes = [piece.shape[0] for piece in pieces]
    input_major = device.type == "cpu" and dtype == torch.float32
    shape = (columns, rows) if input_major else (rows, columns)
    weight = torch.empty(shape, dtype=dtype, device=device)
    by_row = weight.t() if input_major else weight
    for piece, place in zip(pieces, torch.split(by_row, sizes), strict=True):
        _copy_by_block(place, piece)
    return _InputMajor(weight, bias) if input_major else _OutputMajor(weight, bias)


def _copy_by_block(place: Tensor, piece: Tensor) -> None:
    """Copy row block by row block: a transposed copy is 2 to 3 times faster within the cache."""
    blocks = zip(torch.split(place, _COPY_BLOCK), torch.split(piece, _COPY_BLOCK), strict=True)
    for target, source in blocks:
        target.copy_(source)


def _parts(columns: int, rows: int) -> int:
    """Into how many parts a one-row float32 product is cut along its input."""
    if columns * rows < _SPLIT_WEIGHTS:
        return 1
    parts = 1
    while 2 * parts <= min(torch.get_num_threads(), _MAX_PARTS) and columns % (2 * parts) == 0:
        parts *= 2
    return parts


class _InputMajor:
    """A float32 weight on CPU, stored [in, out]."""

    __slots__ = ("_bias", "_parts", "_split", "_weight")

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        columns, rows = weight.shape
        self._weight = weight
        self._bias = bias
        self._parts = _parts(columns, rows)
        self._split = weight.view(self._parts, columns // self._parts, rows)

    def __call__(self, x: Tensor) -> Tensor:
        if self._parts > 1 and x.shape[0] == 1:
            product = self._row(x)
            return product if self._bias is None else product.add_(self._bias)
        if self._bias is None:
            return torch.mm(x, self._weight)
        return torch.addmm(self._bias, x, self._weight)

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        if self._parts > 1 and x.shape[0] == 1:
            total = self._row(x).add_(residual)
        else:
            total = torch.addmm(residual, x, self._weight)
        return total if self._bias is None else total.add_(self._bias)

    def rows(self, ids: Tensor) -> Tensor:
        return self._weight.index_select(1, ids).t().contiguous()

    def _row(self, x: Tensor) -> Tensor:
        return torch.bmm(x.view(self._parts, 1, -1), self._split).sum(0)  # (1, out)


class _OutputMajor:
    """A weight stored [out, in]: 16-bit on CPU, any dtype on other devices."""

    __slots__ = ("_bias", "_weight", "_widen")

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias
        self._widen = weight.device.type == "cpu" and weight.dtype.itemsize == 2

    def __call__(self, x: Tensor) -> Tensor:
        if self._widen and x.shape[0] > 1:
            return self._many(x) if x.shape[0] > _FEW_ROWS else self._few(x)
        return F.linear(x, self._weight, self._bias)

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        return self(x).add_(residual)

    def rows(self, ids: Tensor) -> Tensor:
        return self._weight.index_select(0, ids)

    def _few(self, x: Tensor) -> Tensor:
        return torch.cat([F.linear(row, self._weight, self._bias) for row in torch.split(x, 1)])

    def _many(self, x: Tensor) -> Tensor:
        wide = x.float()
        product = x.new_empty(x.shape[0], self._weight.shape[0])
        columns = torch.split(product, _WIDEN_BLOCK, 1)
        for block, place in zip(torch.split(self._weight, _WIDEN_BLOCK), columns, strict=True):
            place.copy_(wide @ block.float().t())
        return product if self._bias is None else product.add_(self._bias)
