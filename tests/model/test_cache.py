"""The cache holds what was fed, forgets what is cropped, and grows without losing a number."""

from __future__ import annotations

import pytest
import torch

from chatcli.errors import ContextError
from chatcli.model.cache import BlockCache, CacheShape


def cache_of(context: int, ids: list[int] | None = None) -> BlockCache:
    shape = CacheShape(
        n_layer=2,
        n_kv_head=3,
        head_dim=4,
        context=context,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    cache = BlockCache(shape)
    if ids:
        cache.reserve(len(ids))
        cache.append(ids)
    return cache


@pytest.mark.parametrize(
    ("held", "wanted", "left", "suffix"),
    [
        ([], [1, 2], [], [1, 2]),
        ([1, 2, 3], [1, 2, 3, 4], [1, 2, 3], [4]),
        ([1, 2, 3], [1, 2, 3], [1, 2], [3]),
        ([1, 2, 3], [1, 2], [1], [2]),
        ([1, 2, 3], [1, 9, 3], [1], [9, 3]),
        ([1, 2, 3], [7], [], [7]),
    ],
)
def test_reuse_keeps_the_common_prefix_and_feeds_the_last_id_again(
    held: list[int], wanted: list[int], left: list[int], suffix: list[int]
) -> None:
    cache = cache_of(64, held)
    assert cache.reuse(wanted) == suffix
    assert list(cache.tokens) == left


def test_reuse_of_nothing_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="at least one id"):
        cache_of(64).reuse([])


def test_crop_forgets_the_end() -> None:
    cache = cache_of(64, [1, 2, 3, 4])
    cache.crop(2)
    assert list(cache.tokens) == [1, 2]


@pytest.mark.parametrize("length", [-1, 3])
def test_crop_never_lengthens(length: int) -> None:
    with pytest.raises(ValueError, match="holds 2 tokens"):
        cache_of(64, [1, 2]).crop(length)


def test_growing_keeps_every_key_and_value() -> None:
    cache = cache_of(2000)
    expected = torch.randn(2, 1, 3, 200, 4)
    for buffer in cache.reserve(200):
        buffer[:, :, :, :200] = expected
    cache.append([5] * 200)
    sizes = [cache.capacity]
    for count in (100, 300, 1400):
        buffers = cache.reserve(count)
        cache.append([5] * count)
        sizes.append(cache.capacity)
        assert all(torch.equal(buffer[:, :, :, :200], expected) for buffer in buffers)
    assert sizes == [256, 512, 1024, 2000]


def test_nothing_is_allocated_before_it_is_needed() -> None:
    assert cache_of(2**31).capacity == 0


def test_more_than_the_context_says_both_numbers() -> None:
    cache = cache_of(10, [1] * 8)
    with pytest.raises(ContextError, match=r"11 tokens.*context of 10"):
        cache.reserve(3)


def test_reuse_makes_room_for_the_whole_prompt_at_once() -> None:
    cache = BlockCache(CacheShape(1, 1, 2, 4096, torch.float32, torch.device("cpu")))
    cache.reuse(range(840))
    buffers = cache.reserve(512)
    cache.append(range(512))
    assert cache.reserve(328)[0] is buffers[0]
    assert cache.capacity == 1024
