"""Mirostat and adaptive-p: the formulas, what they remember, and that nothing shifts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from chatcli.errors import SamplingError
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Draw, SamplingConfig
from tests.sampling import oracles


def row(seed: int, size: int = 300, spread: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float64) * spread


def kept(draw: Draw) -> set[int]:
    return set(draw.probs.nonzero().flatten().tolist())


def generated(chain: SamplerChain, count: int, start: int = 0) -> list[Draw]:
    """Draws one after the other, each history the tokens before it."""
    history, draws = list(range(start)), []
    for at in range(count):
        draws.append(chain.sample(row(at), history, prompt_length=start))
        history.append(draws[-1].token)
    return draws


def test_version_two_follows_its_published_algorithm() -> None:
    chain = SamplerChain(SamplingConfig(mirostat=2, mirostat_tau=3.0, mirostat_eta=0.2, seed=4))
    mu = 6.0
    for at, draw in enumerate(generated(chain, 40)):
        assert kept(draw) == oracles.mirostat_v2(row(at).tolist(), mu)
        mu -= 0.2 * (-math.log2(float(draw.probs[draw.token])) - 3.0)
        remembered = chain.memory(at + 1)
        assert remembered is not None and remembered["mirostat"][0] == pytest.approx(mu, abs=1e-5)


def test_version_one_follows_its_published_algorithm() -> None:
    chain = SamplerChain(SamplingConfig(mirostat=1, mirostat_tau=4.0, mirostat_eta=0.1, seed=4))
    mu = 8.0
    for at, draw in enumerate(generated(chain, 40)):
        k = oracles.mirostat_v1_k(row(at).tolist(), mu, 300)
        assert len(kept(draw)) == min(max(int(k), 1), 300)
        mu -= 0.1 * (-math.log2(float(draw.probs[draw.token])) - 4.0)


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_keeps_the_surprise_near_its_target(version: int) -> None:
    settings: Any = {"mirostat": version, "mirostat_tau": 4.0, "mirostat_eta": 0.3, "seed": 1}
    history: list[int] = []
    surprises = []
    chain = SamplerChain(SamplingConfig(**settings))
    for at in range(400):
        draw = chain.sample(row(at, 2000, 1.5), history)
        history.append(draw.token)
        surprises.append(-math.log2(float(draw.probs[draw.token])))
    assert np.mean(surprises[50:]) == pytest.approx(4.0, abs=0.3)


def test_adaptive_p_follows_its_published_algorithm() -> None:
    config = SamplingConfig(top_k=50, adaptive_target=0.4, adaptive_decay=0.8, seed=9)
    chain = SamplerChain(config)
    weighted, weight = 0.4 / 0.2, 1 / 0.2
    for at, draw in enumerate(generated(chain, 40)):
        best = np.sort(np.argsort(-row(at).numpy(), kind="stable")[:50])
        logits = row(at).numpy()[best].tolist()
        expected = oracles.adaptive_p(logits, 0.4, weighted, weight)
        np.testing.assert_allclose(draw.probs.numpy()[best], expected, atol=1e-6)
        place = int(np.flatnonzero(best == draw.token)[0])
        weighted = oracles.softmax(logits)[place] + 0.8 * weighted
        weight = 1 + 0.8 * weight


def test_mirostat_stands_alone_but_for_bans_and_temperature() -> None:
    settings: Any = {"mirostat": 2, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.2}
    for order in ("hf", "llamacpp", "vllm", "mlx"):
        config = SamplingConfig(**settings, temperature=0.7, logit_bias={1: 2.0}, order=order)
        said = SamplerChain(config).describe()
        assert said == "logit_bias on 1 token → temperature 0.7 → mirostat 2 (tau 5, eta 0.1)"
    textgen = SamplerChain(SamplingConfig(**settings, xtc_probability=0.5, order="textgen"))
    assert [part.split()[0] for part in textgen.describe().split(" → ")] == [
        *("repetition_penalty", "top_k", "min_p", "mirostat", "xtc")
    ]
    chosen = SamplerChain(SamplingConfig(**settings, order=("top_k", "mirostat")))
    assert chosen.describe() == "top_k 40 → mirostat 2 (tau 5, eta 0.1)"
    greedy = SamplerChain(SamplingConfig(**settings, temperature=0))
    assert greedy.describe() == "repetition_penalty 1.2 → greedy"


ENDS: list[dict[str, Any]] = [
    {"mirostat": 1},
    {"mirostat": 2},
    {"adaptive_target": 0.3},
    {"mirostat": 2, "adaptive_target": 0.3, "order": "textgen"},
]


@pytest.mark.parametrize("end", ENDS)
def test_a_place_gives_the_same_draw_again(end: dict[str, Any]) -> None:
    chain = SamplerChain(SamplingConfig(**end, seed=3))
    draws = generated(chain, 20, start=5)
    tokens = [*range(5), *(draw.token for draw in draws)]
    for at in reversed(range(20)):
        again = chain.sample(row(at), tokens[: 5 + at], prompt_length=5)
        assert again == draws[at]


@pytest.mark.parametrize("end", ENDS)
def test_another_token_leads_elsewhere_and_back(end: dict[str, Any]) -> None:
    chain = SamplerChain(SamplingConfig(**end, seed=3))
    draws = generated(chain, 10)
    tokens = [draw.token for draw in draws]
    worst = min(kept(draws[4]), key=lambda token: float(draws[4].probs[token]))
    chain.witness(row(4), tokens[:4], worst)
    assert chain.sample(row(5), [*tokens[:4], worst]).probs.tolist() != draws[5].probs.tolist()
    assert chain.sample(row(4), tokens[:4]) == draws[4]
    assert chain.sample(row(5), tokens[:5]) == draws[5]


@pytest.mark.parametrize("end", ENDS)
def test_a_witness_follows_what_was_recorded(end: dict[str, Any]) -> None:
    config = SamplingConfig(**end, seed=3)
    draws = generated(SamplerChain(config), 20, start=2)
    tokens = [0, 1, *(draw.token for draw in draws)]
    watching = SamplerChain(config)
    seen = [
        watching.witness(row(at), tokens[: 2 + at], tokens[2 + at], prompt_length=2)[0]
        for at in range(20)
    ]
    assert seen == draws


@pytest.mark.parametrize("end", ENDS)
def test_a_state_and_a_memory_go_on_as_if_nothing_had_happened(end: dict[str, Any]) -> None:
    chain = SamplerChain(SamplingConfig(**end, seed=3))
    draws = generated(chain, 20)
    tokens = [draw.token for draw in draws]
    first = SamplerChain(SamplingConfig(**end, seed=3))
    generated(first, 12)
    second, third = SamplerChain(SamplingConfig()), SamplerChain(SamplingConfig(**end, seed=3))
    second.restore(json.loads(json.dumps(first.state())))
    third.recall(json.loads(json.dumps(chain.memory(12))))
    for at in range(12, 20):
        assert second.sample(row(at), tokens[:at]) == draws[at]
        assert third.sample(row(at), tokens[:at]) == draws[at]


def test_a_token_that_was_cut_teaches_nothing() -> None:
    chain = SamplerChain(SamplingConfig(mirostat=2, mirostat_tau=1.0))
    worst = int(row(0).argmin())
    chain.witness(row(0), [], worst)
    assert chain.memory(1) == {"index": 1, "mirostat": [2.0]}


def test_a_chain_without_such_an_end_remembers_nothing() -> None:
    chain = SamplerChain(SamplingConfig(top_k=5, seed=1))
    generated(chain, 3)
    assert chain.memory(3) is None and chain.state()["memory"] is None


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {"index": 0, "mirostat": [1.0]},
        {"index": 3, "mirostat": [1.0, 2.0]},
        {"index": 3, "mirostat": [math.nan]},
        {"index": 3, "mirostat": "x"},
        {"index": 3, "other": [1.0]},
    ],
)
def test_a_memory_that_is_none_is_refused(memory: dict[str, Any]) -> None:
    with pytest.raises(SamplingError, match="memory"):
        SamplerChain(SamplingConfig()).recall(memory)


def test_version_one_is_sane_where_its_fraction_vanishes_or_overflows() -> None:
    for logits in (
        torch.zeros(50),  # every b is 0
        -torch.arange(1, 101).double().log(),  # Zipf's own law: ε̂ is 0
        torch.tensor([0.0, -1000.0, -2000.0]),  # probabilities of 0
        torch.tensor([1.0]),
    ):
        for tau in (0.0, 3.0, 1000.0):
            draw = SamplerChain(SamplingConfig(mirostat=1, mirostat_tau=tau, seed=1)).sample(
                logits, []
            )
            assert 1 <= len(kept(draw)) <= len(logits)
