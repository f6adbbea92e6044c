"""Every layout of a weight computes the same product, whatever kernel its rule picks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from chatcli.model.native.kernels import pack

CPU = torch.device("cpu")
# Large enough for the split product, and too odd for it.
SIZES = [(24, 16), (640, 512), (4100, 130), (601, 511)]


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """Two threads, for which the split product exists."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize(("out", "inner"), SIZES)
def test_products_equal_the_plain_one(
    dtype: torch.dtype, bias: bool, rows: int, out: int, inner: int
) -> None:
    draw = torch.Generator().manual_seed(out + rows)
    weight = torch.randn(out, inner, generator=draw, dtype=torch.float64)
    offset = torch.randn(out, generator=draw, dtype=torch.float64) if bias else None
    x = torch.randn(rows, inner, generator=draw, dtype=torch.float64)
    residual = torch.randn(rows, out, generator=draw, dtype=torch.float64)
    linear = pack(list(torch.split(weight, out // 2 + 1)), offset, dtype, CPU)

    expected = x @ weight.t() + (0 if offset is None else offset)
    close = {"atol": 60 * torch.finfo(dtype).eps * inner**0.5, "rtol": 0.0, "check_dtype": False}
    torch.testing.assert_close(linear(x.to(dtype)), expected, **close)
    kept = residual.to(dtype)
    torch.testing.assert_close(linear.plus(x.to(dtype), kept), expected + residual, **close)
    assert torch.equal(kept, residual.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_the_embedding_of_a_tied_head(dtype: torch.dtype) -> None:
    weight = torch.randn(50, 8).to(dtype)
    rows = pack([weight], None, dtype, CPU).rows(torch.tensor([3, 49, 0]))
    assert torch.equal(rows, weight[[3, 49, 0]])
