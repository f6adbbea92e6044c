"""A hundred thousand draws from a known distribution follow it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.pool import Pool, pick
from chatcli.sampling.random import uniform
from chatcli.sampling.types import SamplingConfig

PROBS = np.array([0.22, 0.30, 0.15, 0.12, 0.08, 0.03, 0.06, 0.04])
LOGITS = np.log(PROBS)
SEED = 1234


@pytest.fixture(scope="module")
def draws() -> list[int]:
    """The token of each of 100,000 positions."""
    pool = Pool.of(np.arange(PROBS.size), LOGITS)
    return [pick(pool, uniform(SEED, position))[0] for position in range(100_000)]


def test_the_draws_follow_the_distribution(draws: list[int]) -> None:
    counts = np.bincount(draws, minlength=PROBS.size)
    assert chisquare(counts, PROBS * len(draws)).pvalue > 0.001


def test_neighbouring_draws_are_independent(draws: list[int]) -> None:
    first, second = np.array(draws[::2]), np.array(draws[1::2])
    pairs = np.bincount(first * 8 + second, minlength=64)
    assert chisquare(pairs, np.outer(PROBS, PROBS).ravel() * first.size).pvalue > 0.001


def test_a_chain_draws_the_same(draws: list[int]) -> None:
    chain, logits = SamplerChain(SamplingConfig(seed=SEED)), torch.from_numpy(LOGITS)
    # A range is a history of that length, which is all that a draw without penalties reads.
    drawn = [chain.sample(logits, range(at), top=0).token for at in range(1000)]
    assert drawn == draws[:1000]
