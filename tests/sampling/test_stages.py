"""Each stage by hand, and against transformers' own logits processors in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import LogitsProcessor
from transformers.generation import logits_process as hf

from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

VOCAB = 1000
HISTORY = [3, 7, 7, 999, 3, 3, 500]


def rows(count: int = 30) -> list[torch.Tensor]:
    """Random logits of every sharpness; every third row is rounded, so full of ties."""
    made = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        row = torch.randn(VOCAB, generator=generator, dtype=torch.float64) * (0.3 + seed / 4)
        made.append(row.round() if seed % 3 == 0 else row.float().double())
    return made


def probs(logits: torch.Tensor, history: Any = HISTORY, **settings: Any) -> torch.Tensor:
    prompt_length = settings.pop("prompt_length", 0)
    chain = SamplerChain(SamplingConfig(**settings, seed=1))
    return chain.sample(logits, history, prompt_length=prompt_length, top=0).probs


def kept(*args: Any, **settings: Any) -> list[int]:
    return probs(*args, **settings).nonzero().flatten().tolist()


def oracle(processors: list[LogitsProcessor], logits: torch.Tensor) -> torch.Tensor:
    scores, ids = logits[None].clone(), torch.tensor([HISTORY])
    for processor in processors:
        scores = processor(ids, scores)
    return scores[0]


def assert_equal_to(processors: list[LogitsProcessor], **settings: Any) -> None:
    for logits in rows():
        scores = oracle(processors, logits)
        ours = probs(logits, **settings)
        expected = scores.softmax(-1).float()
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)
        visible = expected > 1e-30
        assert torch.equal((ours > 0) & visible, torch.isfinite(scores) & visible)


@pytest.mark.parametrize("value", [0.1, 0.7, 1.5])
def test_temperature_equals_transformers(value: float) -> None:
    assert_equal_to([hf.TemperatureLogitsWarper(value)], temperature=value)


@pytest.mark.parametrize("value", [1, 7, 50, 999, 5000])
def test_top_k_equals_transformers_ties_included(value: int) -> None:
    assert_equal_to([hf.TopKLogitsWarper(value)], top_k=value)


@pytest.mark.parametrize("value", [0.05, 0.5, 0.9, 0.999])
def test_min_p_equals_transformers(value: float) -> None:
    assert_equal_to([hf.MinPLogitsWarper(value)], min_p=value)


@pytest.mark.parametrize("value", [0.2, 0.9, 0.99])
def test_typical_p_equals_transformers(value: float) -> None:
    assert_equal_to([hf.TypicalLogitsWarper(value)], typical_p=value)


@pytest.mark.parametrize("value", [0.5, 1.3, 4.0])
def test_repetition_penalty_equals_transformers(value: float) -> None:
    assert_equal_to([hf.RepetitionPenaltyLogitsProcessor(value)], repetition_penalty=value)


@pytest.mark.parametrize("value", [0.01, 0.5, 0.9, 0.999])
def test_top_p_equals_transformers_but_for_the_choice_among_ties(value: float) -> None:
    for logits in rows():
        scores = oracle([hf.TopPLogitsWarper(value)], logits)
        ours, theirs = kept(logits, top_p=value), torch.isfinite(scores).nonzero().flatten()
        assert len(ours) == len(theirs)
        # Which of equal logits stay is up to the sort there, the lowest ids here.
        assert sorted(logits[ours].tolist()) == sorted(logits[theirs].tolist())


def test_the_whole_default_chain_equals_transformers() -> None:
    settings = {"temperature": 0.8, "top_k": 60, "top_p": 0.95, "min_p": 0.02, "typical_p": 0.9}
    processors = [
        hf.RepetitionPenaltyLogitsProcessor(1.2),
        hf.TemperatureLogitsWarper(0.8),
        hf.TopKLogitsWarper(60),
        hf.TopPLogitsWarper(0.95),
        hf.MinPLogitsWarper(0.02),
        hf.TypicalLogitsWarper(0.9),
    ]
    for logits in (row for index, row in enumerate(rows()) if index % 3):  # those without ties
        expected = oracle(processors, logits).softmax(-1).float()
        ours = probs(logits, **settings, repetition_penalty=1.2)
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


FOUR = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()


def test_top_p_keeps_the_crossing_token() -> None:
    assert kept(FOUR, top_p=0.5) == [0, 1]
    assert kept(FOUR, top_p=0.7) == [0, 1]
    assert kept(FOUR, top_p=0.71) == [0, 1, 2]
    assert kept(FOUR, top_p=1e-9) == [0]


@pytest.mark.parametrize(
    ("order", "survivors"),
    [("hf", [0, 1, 2, 3]), ("vllm", [0, 1, 2, 3]), ("llamacpp", [0, 1]), ("mlx", [0, 1])],
)
def test_ties_of_the_kth_stay_or_go_by_the_order(order: str, survivors: list[int]) -> None:
    logits = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    assert kept(logits, top_k=2, order=order) == survivors


def test_exactly_k_takes_the_lowest_ids_beside_the_better_ones() -> None:
    logits = torch.tensor([1.0, 0.0, 1.0, 2.0, 1.0])
    assert kept(logits, top_k=3, order="llamacpp") == [0, 2, 3]


def test_min_p_of_one_keeps_the_best_and_its_equals() -> None:
    assert kept(torch.tensor([1.0, 2.0, 2.0, 1.9999]), min_p=1.0) == [1, 2]


def test_typical_p_at_its_boundary_stops_in_hf_and_goes_on_in_llamacpp() -> None:
    logits = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    # Entropy 1.75 bits: 0.25 lies nearest (2 bits), then 0.5 (1 bit), then the rest (3 bits).
    assert kept(logits, typical_p=0.25) == [1]
    assert kept(logits, typical_p=0.25, order="llamacpp") == [0, 1]
    assert kept(logits, typical_p=0.8) == [0, 1, 2, 3]
    assert kept(logits, typical_p=0.8, order="llamacpp") == [0, 1, 2]


def test_a_repetition_penalty_counts_an_id_once_and_leaves_zero_alone() -> None:
    logits = torch.tensor([2.0, -2.0, 0.0, 1.0])
    ours = probs(logits, [0, 0, 1, 2], repetition_penalty=2.0)
    expected = torch.tensor([1.0, -4.0, 0.0, 1.0]).softmax(-1)
    torch.testing.assert_close(ours, expected)


def test_frequency_counts_and_presence_does_not() -> None:
    logits = torch.zeros(4)
    ours = probs(logits, [1, 1, 1, 2], frequency_penalty=0.5, presence_penalty=0.25)
    torch.testing.assert_close(ours, torch.tensor([0.0, -1.75, -0.75, 0.0]).softmax(-1))


def test_a_window_forgets_what_lies_before_it() -> None:
    expected = torch.tensor([0.0, 0.0, -1.0, -1.0]).softmax(-1)
    ours = probs(torch.zeros(4), [0, 1, 2, 3], presence_penalty=1.0, penalty_window=2)
    torch.testing.assert_close(ours, expected)
    off = probs(torch.zeros(4), [0, 1, 2, 3], presence_penalty=1.0, penalty_window=0)
    torch.testing.assert_close(off, torch.full((4,), 0.25))


def test_the_default_window_is_the_orders_own() -> None:
    history = [0] + [1] * 64
    expected = torch.tensor([0.0, -1.0, 0.0]).softmax(-1)
    ours = probs(torch.zeros(3), history, presence_penalty=1.0, order="llamacpp")
    torch.testing.assert_close(ours, expected)
    whole = probs(torch.zeros(3), history, presence_penalty=1.0, order="hf")
    torch.testing.assert_close(whole, torch.tensor([-1.0, -1.0, 0.0]).softmax(-1))


def test_vllm_counts_only_the_output_but_repetition_sees_the_prompt() -> None:
    settings: Any = {"order": "vllm", "prompt_length": 2}
    ours = probs(torch.ones(3), [0, 0, 1], frequency_penalty=1.0, **settings)
    torch.testing.assert_close(ours, torch.tensor([1.0, 0.0, 1.0]).softmax(-1))
    ours = probs(torch.ones(3), [0, 0, 1], repetition_penalty=2.0, **settings)
    torch.testing.assert_close(ours, torch.tensor([0.5, 0.5, 1.0]).softmax(-1))


def test_ids_outside_the_vocabulary_are_passed_over() -> None:
    ours = probs(torch.zeros(3), [-1, 3, 99, 1], presence_penalty=1.0)
    torch.testing.assert_close(ours, torch.tensor([0.0, -1.0, 0.0]).softmax(-1))


def test_penalties_after_a_truncation_reach_the_survivors_alone() -> None:
    order = ("top_k", "logit_bias", "presence_penalty")
    ours = probs(
        FOUR, [3, 1], top_k=2, presence_penalty=1.0, logit_bias={0: 1.0, 3: 50.0}, order=order
    )
    expected = torch.tensor([0.4 * math.e, 0.3 / math.e, 0.0, 0.0])
    torch.testing.assert_close(ours, expected / expected.sum())


def test_a_bias_adds_and_a_ban_removes() -> None:
    ours = probs(FOUR, logit_bias={3: math.log(2), 0: -math.inf})
    torch.testing.assert_close(ours, torch.tensor([0.0, 0.3, 0.2, 0.2]) / 0.7)


@pytest.mark.parametrize("stage", [{"top_p": 0.97}, {"typical_p": 0.97}])
@pytest.mark.parametrize("spread", [0.02, 1.0, 5.0])
def test_a_large_vocabulary_is_cut_as_by_a_full_sort(stage: Any, spread: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(40_000, generator=generator).double() * spread
    processor = hf.TopPLogitsWarper(0.97) if "top_p" in stage else hf.TypicalLogitsWarper(0.97)
    assert (
        kept(logits, **stage)
        == torch.isfinite(oracle([processor], logits)).nonzero()[:, 0].tolist()
    )
