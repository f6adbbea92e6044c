"""The rarer cuts and dynamic temperature, against transformers, by hand, and by plain oracles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers.generation import logits_process as hf

from chatcli.sampling import filters
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.random import uniform
from chatcli.sampling.types import SamplingConfig
from tests.sampling.oracles import softmax, xtc
from tests.sampling.test_stages import assert_equal_to, kept, oracle, probs, rows

FOUR = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()


@pytest.mark.parametrize("value", [0.0001, 0.01, 0.3, 0.9])
def test_epsilon_equals_transformers(value: float) -> None:
    assert_equal_to([hf.EpsilonLogitsWarper(value)], epsilon_cutoff=value)


@pytest.mark.parametrize("value", [0.0001, 0.01, 0.3, 0.9])
def test_eta_equals_transformers(value: float) -> None:
    assert_equal_to([hf.EtaLogitsWarper(value)], eta_cutoff=value)


@pytest.mark.parametrize("value", [0.05, 0.4, 0.9, 1.0])
def test_top_h_equals_transformers(value: float) -> None:
    for logits in (row for index, row in enumerate(rows()) if index % 3):  # those without ties
        scores = oracle([hf.TopHLogitsWarper(value)], logits)
        theirs = torch.isfinite(scores).nonzero().flatten().tolist()
        assert len(set(kept(logits, top_h=value)) ^ set(theirs)) <= 1  # the one on the boundary


def test_the_whole_chain_of_cuts_equals_transformers_order() -> None:
    settings = {"temperature": 0.9, "top_h": 0.9, "top_k": 60, "epsilon_cutoff": 0.002}
    processors = [
        hf.TemperatureLogitsWarper(0.9),
        hf.TopHLogitsWarper(0.9),
        hf.TopKLogitsWarper(60),
        hf.EpsilonLogitsWarper(0.002),
        hf.EtaLogitsWarper(0.01),
    ]
    for logits in (row for index, row in enumerate(rows()) if index % 3):
        expected = oracle(processors, logits).softmax(-1).float()
        ours = probs(logits, **settings, eta_cutoff=0.01)
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("n", [0.1, 1.0, 2.5])
def test_top_n_sigma_keeps_what_is_near_the_best_by_deviation(n: float) -> None:
    for logits in rows(9):
        row = logits.numpy()
        for order, ddof in (("hf", 0), ("llamacpp", 0), ("textgen", 1)):
            cut = row.max() - n * np.std(row, ddof=ddof)
            assert kept(logits, top_n_sigma=n, order=order) == np.flatnonzero(row >= cut).tolist()


def test_top_n_sigma_passes_over_what_is_banned_and_does_not_depend_on_temperature() -> None:
    logits = torch.tensor([5.0, 4.0, 1.0, 0.0, -50.0])
    assert kept(logits, [], top_n_sigma=1.0, logit_bias={4: -math.inf}) == [0, 1]
    for heat in (0.2, 5.0):
        order = ("logit_bias", "temperature", "top_n_sigma")
        settings: Any = {"order": order, "logit_bias": {4: -math.inf}, "temperature": heat}
        assert kept(logits, [], top_n_sigma=1.0, **settings) == [0, 1]
    assert kept(torch.tensor([7.0]), [], top_n_sigma=0.5, order="textgen") == [0]


def test_p_less_keeps_what_is_likelier_than_a_repeated_draw() -> None:
    for logits in rows(9):
        row = torch.softmax(logits, 0)
        expected = (row >= (row * row).sum() * (1 - 2**-22)).nonzero().flatten().tolist()
        assert kept(logits, p_less=True) == expected
    assert kept(torch.zeros(7), p_less=True) == list(range(7))


def test_dynamic_temperature_lies_within_its_range_by_entropy() -> None:
    for logits in rows(9):
        before = torch.softmax(logits, 0)
        entropy = float(-(before * before.clamp_min(1e-300).log()).sum())
        for power in (1.0, 2.0):
            heat = 0.2 + (1.4 - 0.2) * (entropy / math.log(len(before))) ** power
            ours = probs(logits, temperature=0.8, dynatemp_range=0.6, dynatemp_exponent=power)
            torch.testing.assert_close(
                ours, (logits / heat).softmax(-1).float(), atol=1e-6, rtol=1e-4
            )


def test_a_range_down_to_zero_leaves_the_best_where_nothing_is_uncertain() -> None:
    certain = torch.tensor([0.0, 500.0, 0.0, 499.0])
    assert kept(certain, [], temperature=0.5, dynatemp_range=2.0, dynatemp_exponent=99.0) == [1]
    assert kept(torch.tensor([3.0]), [], temperature=0.5, dynatemp_range=2.0) == [0]


def test_xtc_removes_all_above_the_threshold_but_the_least_likely() -> None:
    assert kept(FOUR, [], xtc_probability=1.0, xtc_threshold=0.15) == [2, 3]
    assert kept(FOUR, [], xtc_probability=1.0, xtc_threshold=0.35) == [0, 1, 2, 3]
    for logits in rows(12):
        for threshold in (0.001, 0.02, 0.2):
            settings: Any = {"xtc_probability": 1.0, "xtc_threshold": threshold}
            assert set(kept(logits, **settings)) == xtc(logits.tolist(), threshold)


@pytest.mark.parametrize(("threshold", "chance"), [(0.5001, 1.0), (1.0, 1.0), (0.1, 0.0)])
def test_xtc_is_off_above_one_half_and_without_a_chance(threshold: float, chance: float) -> None:
    settings: Any = {"xtc_probability": chance, "xtc_threshold": threshold}
    assert kept(FOUR, [], **settings) == [0, 1, 2, 3]
    assert SamplerChain(SamplingConfig(**settings)).describe() == "temperature 1"


def test_xtc_has_luck_of_its_own_so_nothing_else_shifts() -> None:
    config = SamplingConfig(xtc_probability=0.5, xtc_threshold=0.15, seed=7)
    chain, bare = SamplerChain(config), SamplerChain(SamplingConfig(seed=7))
    fired = 0
    for at in range(60):
        draw = chain.sample(FOUR, range(at))
        assert draw.u == bare.sample(FOUR, range(at)).u
        fires = uniform(7, at, 1) < 0.5
        assert draw.probs.nonzero().flatten().tolist() == ([2, 3] if fires else [0, 1, 2, 3])
        fired += fires
    assert 15 < fired < 45


def test_xtc_by_the_rules_of_mlx_and_of_textgen() -> None:
    tied = torch.tensor([0.4, 0.2, 0.2, 0.1, 0.1]).log()
    settings: Any = {"xtc_probability": 1.0, "xtc_threshold": 0.15}
    assert kept(tied, [], **settings) == [2, 3, 4]  # the tie's highest id alone
    assert kept(tied, [], order="mlx", **settings) == [1, 2, 3, 4]
    exact = torch.tensor([0.5, 0.25, 0.25]).log()
    on_it: Any = {"xtc_probability": 1.0, "xtc_threshold": 0.25}
    assert kept(exact, [], **on_it) == [2]
    assert kept(exact, [], order="mlx", **on_it) == [0, 1, 2]  # only one is above it
    assert kept(tied, [], order="mlx", xtc_spared=[[0]], **settings) == [0, 1, 2, 3, 4]
    assert kept(tied, [], order="textgen", xtc_spared=[[0]], **settings) == [0, 1, 2, 3, 4]
    assert kept(tied, [], order="textgen", xtc_spared=[[3]], **settings) == [2, 3, 4]
    assert kept(tied, [], xtc_spared=[[0]], **settings) == [2, 3, 4]  # llama.cpp spares none


@pytest.mark.parametrize("order", ["hf", "llamacpp", "vllm", "mlx", "textgen"])
def test_cuts_keep_something_at_every_extreme(order: str) -> None:
    """One survivor at least, whatever the row: flat, peaked, one token, underflowing."""
    cuts: list[dict[str, Any]] = [
        {"top_n_sigma": 1e-30},
        {"top_h": 1e-30},
        {"epsilon_cutoff": 0.999999},
        {"eta_cutoff": 0.999999},
        {"p_less": True},
        {"xtc_probability": 1.0, "xtc_threshold": 0.0},
        {"mirostat": 1, "mirostat_tau": 0.0},
        {"mirostat": 2, "mirostat_tau": 0.0},
        {"adaptive_target": 0.0},
        {"temperature": 1e-38, "dynatemp_range": 3e38},
    ]
    shapes = [
        [0.0],
        [0.0] * 50,
        [0.0, 1e30],
        [3.4e38, -3.4e38],
        [-1e5, -1e5, 0.0],
        [1.0, -math.inf],
    ]
    for cut in cuts:
        for shape in shapes:
            draw = SamplerChain(SamplingConfig(**cut, order=order, seed=3)).sample(
                torch.tensor(shape, dtype=torch.float64), []
            )
            assert all(stage.kept >= 1 for stage in draw.stages)
            assert float(draw.probs.sum()) == pytest.approx(1.0, abs=1e-6)
            assert draw.interval is not None and draw.interval[0] <= draw.interval[1] <= 1


@pytest.mark.slow
def test_the_slices_of_any_chain_share_the_whole() -> None:
    luck = np.random.default_rng(5)
    for seed in range(40):
        config = SamplingConfig(**_random_settings(luck), seed=seed)
        logits = torch.from_numpy(luck.normal(0, 3, 60))
        history = luck.integers(0, 60, 30).tolist()
        chain = SamplerChain(config)
        owned = [
            SamplerChain(config).witness(logits, history, token)[0].interval for token in range(60)
        ]
        slices = sorted(each for each in owned if each is not None)
        assert slices[0][0] == 0.0 and slices[-1][1] == 1.0
        assert [end for _, end in slices[:-1]] == [start for start, _ in slices[1:]]
        draw = chain.sample(logits, history)
        assert draw.interval == owned[draw.token]


def _random_settings(luck: np.random.Generator) -> dict[str, Any]:
    """Half of the cuts on, each somewhere in its range, in one of the five orders."""
    ranges = {
        "temperature": (0.3, 2.0),
        "dynatemp_range": (0.0, 1.0),
        "top_n_sigma": (0.2, 3.0),
        "top_h": (0.1, 1.0),
        "top_p": (0.2, 1.0),
        "min_p": (0.0, 0.5),
        "typical_p": (0.2, 1.0),
        "epsilon_cutoff": (0.0, 0.3),
        "eta_cutoff": (0.0, 0.3),
        "xtc_probability": (0.0, 1.0),
        "dry_multiplier": (0.0, 2.0),
        "adaptive_target": (0.0, 1.0),
        "repetition_penalty": (0.8, 1.5),
    }
    names = luck.choice(list(ranges), len(ranges) // 2, replace=False)
    settings: dict[str, Any] = {str(name): float(luck.uniform(*ranges[name])) for name in names}
    settings["order"] = str(luck.choice(["hf", "llamacpp", "vllm", "mlx", "textgen"]))
    settings["mirostat"] = int(luck.integers(0, 3))
    return settings


def test_underflow_makes_no_cut_fall_over() -> None:
    """-inf in a row is no candidate, so 0 · log 0 is never reckoned."""
    logits = torch.tensor([0.0, -math.inf, -2000.0, -1.0])
    for name in ("top_h", "eta_cutoff", "typical_p"):
        ours = probs(logits, [], **{name: 0.9})
        assert float(ours.sum()) == pytest.approx(1.0) and float(ours[1]) == 0.0
    assert softmax([0.0, -2000.0])[1] == 0.0
    assert filters.__all__ == sorted(filters.__all__)
