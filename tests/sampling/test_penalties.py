"""DRY and n-grams against exhaustive comparison, and transformers where it has the stage."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers.generation import logits_process as hf

from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.sampling.oracles import dry


def penalties(history: list[int], size: int, **settings: Any) -> dict[int, float]:
    """What is taken off which logit, by the distribution that comes of equal logits."""
    config = SamplingConfig(**settings, seed=1)
    probs = SamplerChain(config).sample(torch.zeros(size), history, top=0).probs.double()
    taken = probs.max().log() - probs.log()
    return {token: round(float(x), 4) for token, x in enumerate(taken) if x > 1e-6}


def histories(count: int, *, size: int, alphabet: int) -> list[list[int]]:
    """Random ids of few kinds, full of repeats; every third one repeats a phrase whole."""
    made = []
    for seed in range(count):
        luck = random.Random(seed)
        ids = [luck.randrange(alphabet) for _ in range(luck.randrange(size))]
        made.append(ids * 3 if seed % 3 == 0 else ids)
    return made


SETTINGS: list[dict[str, Any]] = [
    {"dry_multiplier": 0.8},
    {"dry_multiplier": 0.01, "dry_base": 1.1, "dry_allowed_length": 1},
    {"dry_multiplier": 0.01, "dry_base": 1.0, "dry_allowed_length": 0},
    {"dry_multiplier": 0.3, "dry_allowed_length": 3, "dry_breakers": [[4], [1, 2], [1, 2, 3]]},
    {"dry_multiplier": 0.3, "dry_base": 1.2, "dry_breakers": [[0], [3, 3]], "dry_window": 20},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("alphabet", [2, 5])
def test_dry_equals_an_exhaustive_search(settings: dict[str, Any], alphabet: int) -> None:
    # Seven ids that never occur keep a logit of 0 in the distribution, to reckon from.
    for history in histories(60, size=40, alphabet=alphabet):
        window = history[-settings.get("dry_window", len(history) or 1) :]
        expected = dry(
            window,
            settings["dry_multiplier"],
            settings.get("dry_base", 1.75),
            settings.get("dry_allowed_length", 2),
            settings.get("dry_breakers", ()),
        )
        expected = {token: x for token, x in expected.items() if x < 30}  # what probs can show
        found = penalties(history, alphabet + 7, **settings)
        assert {token: found.get(token, 0.0) for token in expected} == pytest.approx(
            expected, abs=2e-3
        )
        assert all(found[token] > 25 for token in found.keys() - expected.keys())


def test_dry_in_textgens_order_tells_no_repeat_from_one_of_fifty() -> None:
    repeated = list(range(60))
    settings: dict[str, Any] = {"dry_multiplier": 1e-6, "dry_base": 1.3}
    history = [*repeated, 70, *repeated]
    config = SamplingConfig(**settings, order="textgen", seed=1)
    probs = SamplerChain(config).sample(torch.zeros(80), history, top=0).probs.double()
    taken = float(probs.max().log() - probs[70].log())
    assert taken == pytest.approx(1e-6 * 1.3 ** (50 - 2), rel=1e-3)


def test_the_llamacpp_order_looks_for_repeats_in_the_newest_64() -> None:
    history = [1, 2, 3, *[9] * 64, 1, 2]
    assert 3 in penalties(history, 12, dry_multiplier=1.0)
    assert 3 not in penalties(history, 12, dry_multiplier=1.0, order="llamacpp")


def test_a_breaker_ends_a_repeat_and_is_never_penalised() -> None:
    history = [1, 2, 5, 3, 1, 2]
    assert penalties(history, 8, dry_multiplier=1.0) == {5: 1.0}
    assert penalties(history, 8, dry_multiplier=1.0, dry_breakers=[[5]]) == {}
    after = [7, 1, 2, 3, 7, 1, 2]
    assert penalties(after, 9, dry_multiplier=1.0, dry_base=2.0) == {3: 2.0}
    assert penalties(after, 9, dry_multiplier=1.0, dry_base=2.0, dry_breakers=[7]) == {3: 1.0}


def test_dry_takes_linear_steps_where_all_ids_are_equal() -> None:
    """A quarter of a million equal ids; comparing each place anew would take hours."""
    config = SamplingConfig(dry_multiplier=1.0, dry_base=1.0, seed=1)
    draw = SamplerChain(config).sample(torch.zeros(5), [3] * 250_000, top=0)
    assert float(draw.probs[3] / draw.probs[0]) == pytest.approx(math.exp(-1))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_no_repeat_ngram_equals_transformers(size: int) -> None:
    for history in histories(60, size=30, alphabet=4):
        logits = torch.zeros(1, 9, dtype=torch.float64)
        ids = torch.tensor([history], dtype=torch.long)
        expected = hf.NoRepeatNGramLogitsProcessor(size)(ids, logits)[0]
        config = SamplingConfig(no_repeat_ngram_size=size, seed=1)
        ours = SamplerChain(config).sample(logits[0], history, top=0).probs
        assert np.array_equal(ours.numpy() > 0, torch.isfinite(expected).numpy())
