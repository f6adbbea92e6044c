"""The next-token record, on scripted logits that can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from chatcli.errors import ContextError, LogitsError
from chatcli.probe.next_token import next_token
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ScriptedModel

LOGITS = [math.log(weight) for weight in (0.5, 0.25, 0.15, 0.1)]


def model(logits: Sequence[float] = LOGITS) -> ScriptedModel:
    return ScriptedModel(lambda tokens: logits, context_length=8)


def test_candidates_are_the_models_best_in_its_own_order() -> None:
    found = next_token(model(), [5], SamplingConfig(), top=3)
    assert [one.token for one in found.candidates] == [0, 1, 2]
    assert [one.rank for one in found.candidates] == [1, 2, 3]
    assert [one.raw_prob for one in found.candidates] == pytest.approx([0.5, 0.25, 0.15])
    assert found.vocab_size == 262


def test_entropy_is_of_the_models_own_distribution() -> None:
    weights = (0.5, 0.25, 0.15, 0.1)
    entropy = -sum(weight * math.log2(weight) for weight in weights)
    found = next_token(model(), [5], SamplingConfig(temperature=0.1, top_k=1))
    assert found.entropy_bits == pytest.approx(entropy, abs=1e-6)


def test_each_stage_has_its_probabilities_and_its_trace() -> None:
    config = SamplingConfig(top_k=3, top_p=0.6, seed=1)
    found = next_token(model(), [5], config)
    assert [stage.name for stage in found.stages] == ["top_k", "top_p"]
    assert [stage.kept for stage in found.stages] == [3, 2]
    after_k, after_p = zip(*found.stage_probs, strict=True)
    assert after_k == pytest.approx((5 / 9, 2.5 / 9, 1.5 / 9, 0), abs=1e-6)
    assert after_p == pytest.approx((2 / 3, 1 / 3, 0, 0), abs=1e-6)
    assert [one.removed_by for one in found.candidates] == [None, None, "top_p", "top_k"]


def test_the_last_stage_is_what_is_drawn_from() -> None:
    config = SamplingConfig(temperature=0.7, top_p=0.8, min_p=0.3, seed=3)
    found = next_token(model(), [5], config)
    assert [row[-1] for row in found.stage_probs] == pytest.approx(
        [one.prob for one in found.candidates]
    )


def test_a_preset_keeps_its_own_rules_in_every_stage() -> None:
    ties = SamplingConfig(top_k=1, order="llamacpp", seed=1)  # exactly k, whatever ties
    found = next_token(model([1.0, 1.0, 0.0]), [5], ties)
    assert [row[0] for row in found.stage_probs] == [1.0, 0.0, 0.0]


def test_penalties_see_the_prompt() -> None:
    found = next_token(model(), [0], SamplingConfig(presence_penalty=2.0))
    assert found.stage_probs[0][0] < found.candidates[0].raw_prob


def test_greedy_leaves_one_token() -> None:
    found = next_token(model(), [5], SamplingConfig(temperature=0, top_k=2))
    assert [one.prob for one in found.candidates] == [1.0, 0.0, 0.0, 0.0]
    assert found.stage_probs == ((), (), (), ())


def test_a_drawn_token_beyond_the_top_is_not_listed() -> None:
    for seed in range(20):
        found = next_token(model(), [5], SamplingConfig(seed=seed), top=1)
        assert [one.token for one in found.candidates] == [0]


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    with pytest.raises(ContextError):
        next_token(model(), list(range(9)), SamplingConfig())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_from_which_nothing_can_be_drawn_are_refused(bad: float) -> None:
    with pytest.raises(LogitsError):
        next_token(model([bad, 0.0]), [5], SamplingConfig())
