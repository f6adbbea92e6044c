"""Replies retraced from their ids, held against the Steps of the live replies."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

import chatcli
from chatcli.engine.decode import Decoding
from chatcli.engine.types import Step
from chatcli.errors import UsageError
from chatcli.model.types import LanguageModel
from chatcli.probe import retrace as module
from chatcli.probe.retrace import retrace
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ScriptedModel

CHAINS: dict[str, dict[str, Any]] = {
    "plain": {},
    "greedy": {"temperature": 0},
    "greedy with a penalty": {"temperature": 0, "repetition_penalty": 1.4},
    "truncated": {"temperature": 0.8, "top_k": 20, "top_p": 0.9},
    "penalties of the reply alone": {"order": "vllm", "frequency_penalty": 0.5, "min_p": 0.02},
    "llamacpp": {"order": "llamacpp", "repetition_penalty": 1.3, "typical_p": 0.8},
    "mirostat": {"mirostat": 2, "mirostat_tau": 3.0, "mirostat_eta": 0.5},
    "adaptive": {"top_k": 50, "adaptive_target": 0.3, "adaptive_decay": 0.7},
    "looking back": {"dry_multiplier": 0.8, "no_repeat_ngram_size": 3, "xtc_probability": 0.5},
    "biased": {"logit_bias": {5: -float("inf"), 7: 3.0}},
}


@pytest.fixture(scope="module")
def real(tiny: Path) -> LanguageModel:
    return chatcli.load(str(tiny), device="cpu")


def chain_of(**settings: Any) -> SamplerChain:
    return SamplerChain(SamplingConfig(**{"seed": 11} | settings))


def live(
    model: LanguageModel, ids: Sequence[int], chain: SamplerChain, tokens: int = 24
) -> list[Step]:
    return list(Decoding(model, ids, chain, max_tokens=tokens, top=5))


def whole(ids: Sequence[int], steps: Iterable[Step]) -> list[int]:
    return [*ids, *(step.token for step in steps)]


def assert_alike(found: Sequence[Step], expected: Sequence[Step]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one.index, one.position, one.token) == (other.index, other.position, other.token)
        for name in ("raw_prob", "prob", "rank", "entropy_bits"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-5), name
        assert one.draw.u == other.draw.u
        assert one.draw.interval == pytest.approx(other.draw.interval, abs=1e-5)
        for told, said in zip(one.draw.candidates, other.draw.candidates, strict=True):
            assert (told.token, told.rank) == (said.token, said.rank)
            assert told.removed_by == said.removed_by
            assert told.prob == pytest.approx(said.prob, abs=1e-5)
        assert [each.name for each in one.draw.stages] == [each.name for each in other.draw.stages]


@pytest.mark.parametrize("settings", CHAINS.values(), ids=CHAINS)
def test_a_reply_of_a_real_checkpoint_is_what_it_was_live(
    real: LanguageModel, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOGITS", 5 * real.checkpoint.vocab_size)  # several blocks
    prompt = real.tokenizer.encode("世界上最高的山 is the highest")
    steps = live(real, prompt, chain_of(**settings))
    ids = whole(prompt, steps)
    assert_alike(list(retrace(real, ids, len(prompt), chain_of(**settings))), steps)


@pytest.mark.parametrize("settings", CHAINS.values(), ids=CHAINS)
def test_a_scripted_reply_is_what_it_was_live(settings: dict[str, Any]) -> None:
    model = ScriptedModel("你好, you", peak=3.0, noise=1.5)
    prompt = list("问".encode())
    steps = live(model, prompt, chain_of(**settings))
    assert_alike(list(retrace(model, whole(prompt, steps), 3, chain_of(**settings))), steps)


def test_a_reply_that_went_on_is_retraced_stretch_by_stretch(real: LanguageModel) -> None:
    prompt = real.tokenizer.encode("the highest")
    chains = [
        chain_of(order="vllm", presence_penalty=0.7),
        chain_of(seed=3, order="vllm", presence_penalty=0.7),
    ]
    first = live(real, prompt, chains[0], 8)
    so_far = whole(prompt, first)
    second = list(Decoding(real, so_far, chains[1], max_tokens=8, top=5, prompt_length=len(prompt)))
    cache = real.new_cache()
    ids = whole(so_far, second)
    assert_alike(list(retrace(real, so_far, len(prompt), chains[0], cache=cache)), first)
    held = list(cache.tokens)
    went_on = retrace(real, ids, len(so_far), chains[1], prompt_length=len(prompt), cache=cache)
    assert_alike(list(went_on), second)
    assert held == so_far[:-1] and list(cache.tokens) == ids[:-1]


def test_a_reply_that_filled_the_context_is_retraced() -> None:
    model = ScriptedModel("abcdefgh", context_length=6)
    steps = live(model, [1, 2], chain_of(temperature=0))
    assert len(steps) == 5  # the last one is drawn when the context is full
    ids = whole([1, 2], steps)
    assert_alike(list(retrace(model, ids, 2, chain_of(temperature=0))), steps)


def test_a_token_that_the_chain_removes_is_told_of_all_the_same() -> None:
    model = ScriptedModel("ab", noise=1.0)
    (step,) = retrace(model, [*b"x", *b"z"], 1, chain_of(top_k=2))
    assert step.token == ord("z") and step.draw.token == ord("z")
    assert (step.prob, step.draw.interval) == (0.0, None)
    assert step.draw.u is not None and step.rank > 2 and 0 < step.raw_prob < 1
    told = step.draw.candidates[-1]
    assert (told.token, told.removed_by) == (ord("z"), "top_k")


def test_a_token_that_luck_would_not_have_picked_keeps_its_own_slice() -> None:
    model = ScriptedModel(lambda tokens: [0.0, 0.0, 0.0, 0.0])
    for token in range(4):
        (step,) = retrace(model, [9, token], 1, chain_of())
        assert step.prob == pytest.approx(0.25)
        assert step.draw.interval == pytest.approx((token / 4, (token + 1) / 4))


def test_greedy_gives_another_token_than_the_best_nothing() -> None:
    model = ScriptedModel(lambda tokens: [0.0, 2.0, 1.0])
    best, other = (
        next(iter(retrace(model, [9, token], 1, chain_of(temperature=0)))) for token in (1, 2)
    )
    assert (best.prob, other.prob) == (1.0, 0.0)
    assert best.draw.u is other.draw.u is None


def test_a_token_that_the_model_rules_out_ranks_behind_all_others() -> None:
    model = ScriptedModel(lambda tokens: [0.0, 2.0, 1.0])
    (step,) = retrace(model, [9, 5], 1, chain_of())
    assert (step.raw_prob, step.prob, step.rank) == (0.0, 0.0, 6)


def test_a_cancelled_retrace_ends_early() -> None:
    model = ScriptedModel("abcdef")
    asked = itertools.count()
    steps = retrace(model, list(b"xabcdef"), 1, chain_of(), cancelled=lambda: next(asked) >= 4)
    assert len(list(steps)) == 3


def test_only_a_few_rows_of_logits_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel("a" * 100)
    monkeypatch.setattr(module, "_LOGITS", 7 * model.checkpoint.vocab_size)
    list(retrace(model, list(b"x" * 20 + b"a" * 50), 20, chain_of(temperature=0)))
    prompt, *reply = map(len, model.fed)
    assert prompt == 20  # of which one row of logits is asked for
    assert max(reply) == 7 and sum(reply) == 49


@pytest.mark.parametrize("ids", [[1, 900], [900, 1], [1, -1]])
def test_ids_of_another_checkpoint_are_refused(ids: list[int]) -> None:
    with pytest.raises(UsageError, match="another checkpoint"):
        retrace(ScriptedModel("a"), ids, 1, chain_of())


@pytest.mark.parametrize("start", [0, 4])
def test_a_reply_must_follow_a_prompt(start: int) -> None:
    with pytest.raises(UsageError, match="follow a prompt"):
        retrace(ScriptedModel("a"), [1, 2, 3], start, chain_of())


def test_a_reply_without_tokens_has_no_steps() -> None:
    model = ScriptedModel("a")
    assert list(retrace(model, [1, 2], 2, chain_of())) == [] and not model.fed
