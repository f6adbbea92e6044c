"""The luck: known answers, range, and independence of its arguments."""

from __future__ import annotations

import numpy as np
import pytest

from chatcli.sampling.random import draw_seed, philox, uniform


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
@pytest.mark.parametrize("position", [1, 12345, 2**63])
def test_uniform_is_numpys_philox_at_that_counter(seed: int, position: int) -> None:
    # NumPy steps the counter before it makes a block.
    counter = np.array([position - 1, 3, 0, 0], dtype=np.uint64)
    oracle = np.random.Philox(counter=counter, key=np.array([seed, 0], dtype=np.uint64))
    assert uniform(seed, position, 3) == np.random.Generator(oracle).random()


def test_philox_gives_the_words_of_numpys_block() -> None:
    oracle = np.random.Philox(counter=[4, 3, 2, 1], key=[11, 12])
    assert philox((5, 3, 2, 1), (11, 12)) == tuple(int(word) for word in oracle.random_raw(4))


def test_uniform_numbers_fill_the_unit_interval_evenly() -> None:
    drawn = np.array([uniform(1, position) for position in range(20_000)])
    assert drawn.min() >= 0 and drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-square, 19 degrees, p = 0.001


def test_seed_position_and_stream_each_change_the_number() -> None:
    numbers = {uniform(0, 0), uniform(1, 0), uniform(0, 1), uniform(0, 0, 1)}
    assert len(numbers) == 4


def test_drawn_seeds_are_legal_and_differ() -> None:
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) > 15 and all(0 <= seed < 2**32 for seed in seeds)
