"""Choices weighed: likelihoods against a slow sum, norms by hand, and choices that can't be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import chatcli
from chatcli.cli.score_flags import norm_of
from chatcli.errors import ContextError, UsageError
from chatcli.model.types import LanguageModel
from chatcli.probe.choices import NORMS, Ending, Judge, Norm, beginnings, endings
from tests.fakes import ScriptedModel

PROMPT = "the highest mountain in"
CHOICES = (" the world", " the north", " a", " 世界")


@pytest.fixture(scope="module")
def real(tiny: Path) -> LanguageModel:
    return chatcli.load(str(tiny), device="cpu")


def asked(
    model: LanguageModel, prompt: str, choices: Sequence[str], between: str = ""
) -> tuple[list[int], tuple[Ending, ...]]:
    ids = model.tokenizer.encode(prompt)

    def joined(text: str) -> list[int]:
        return model.tokenizer.encode(prompt + text)

    return ids, endings(model.tokenizer, ids, joined, choices, between)


def slowly(model: LanguageModel, prompt: Sequence[int], ids: Sequence[int]) -> float:
    """The log-likelihood of `ids` after `prompt`, each token by a pass of its own."""
    total = 0.0
    for at, token in enumerate(ids):
        row = model.forward([*prompt, *ids[:at]], model.new_cache(), last=True)[-1]
        total += float(torch.log_softmax(row.double(), -1)[token])
    return total


def test_likelihoods_are_those_of_the_slow_oracle(real: LanguageModel) -> None:
    prompt, given = asked(real, PROMPT, CHOICES)
    found = Judge(real).weigh(prompt, given)
    for choice in found.choices:
        expected = slowly(real, prompt, choice.ending.ids)
        assert choice.logprob == choice.score == pytest.approx(expected, abs=1e-4)
    assert sum(choice.share for choice in found.choices) == pytest.approx(1)
    assert found.best == max(range(4), key=lambda index: found.choices[index].logprob)
    assert found.chosen == CHOICES[found.best]


@pytest.mark.parametrize("norm", NORMS)
def test_each_norm_is_its_formula(real: LanguageModel, norm: Norm) -> None:
    prompt, given = asked(real, PROMPT, CHOICES)
    neutral = real.tokenizer.encode("N/A")
    found = Judge(real, norm).weigh(prompt, given, neutral)
    for choice in found.choices:
        prior = slowly(real, neutral, choice.ending.ids)
        expected = {
            "sum": choice.logprob,
            "token": choice.logprob / len(choice.ending.ids),
            "byte": choice.logprob / len(choice.ending.choice.encode()),
            "prior": choice.logprob - prior,
        }[norm]
        assert choice.score == pytest.approx(expected, abs=1e-4)
        assert choice.prior == (pytest.approx(prior, abs=1e-4) if norm == "prior" else None)


def test_the_command_knows_every_norm() -> None:
    assert [norm_of(norm) for norm in NORMS] == list(NORMS)


def test_the_prompt_is_read_once_for_all_choices_and_for_the_next_prompt() -> None:
    model = ScriptedModel("yes", noise=1.0)
    judge = Judge(model)
    for text in ("a long beginning: one", "a long beginning: two"):
        prompt, given = asked(model, text, ("yes", "no", "maybe"))
        judge.weigh(prompt, given)
    fed = [bytes(ids).decode() for ids in model.fed]
    assert fed == [
        *("a long beginning: on", "eye", "en", "emayb"),
        *("tw", "oye", "on", "omayb"),
    ]


def test_a_prior_is_worked_out_once() -> None:
    model = ScriptedModel("yes", noise=1.0)
    judge = Judge(model, "prior")
    for text in ("one", "two"):
        prompt, given = asked(model, text, ("yes", "no"))
        judge.weigh(prompt, given, [78])
    assert sum(ids[:1] == [78] for ids in model.fed) == 2


def test_the_first_of_equal_choices_is_the_best() -> None:
    model = ScriptedModel(lambda tokens: [0.0] * 256)
    prompt, given = asked(model, "p", ("b", "a"))
    assert Judge(model).weigh(prompt, given).chosen == "b"


def test_choices_that_are_all_ruled_out_have_no_shares() -> None:
    model = ScriptedModel(lambda tokens: [0.0])
    prompt, given = asked(model, "p", ("b", "a"))
    found = Judge(model, "prior").weigh(prompt, given, [1])
    assert [choice.score for choice in found.choices] == [-math.inf] * 2
    assert all(math.isnan(choice.share) for choice in found.choices)


def test_a_choice_is_tokenised_after_the_prompt(real: LanguageModel) -> None:
    prompt, given = asked(real, PROMPT, (" the world", "the"), between="")
    assert not given[0].merged
    assert [*prompt, *given[0].ids] == real.tokenizer.encode(PROMPT + " the world")


def test_what_stands_between_is_part_of_what_is_scored(real: LanguageModel) -> None:
    _, given = asked(real, PROMPT, ("the", "a"), between=" ")
    assert [one.text for one in given] == [" the", " a"]
    assert [one.choice for one in given] == ["the", "a"]
    assert given[0].ids == tuple(real.tokenizer.encode(PROMPT + " the")[-len(given[0].ids) :])


def test_a_merge_across_the_boundary_is_told_and_scored_apart(real: LanguageModel) -> None:
    prompt, given = asked(real, "in ", ("the", "north"))
    joined = real.tokenizer.encode("in the")
    assert joined[: len(prompt)] != prompt
    assert given[0].merged
    assert b"".join(map(real.tokenizer.token_bytes, given[0].ids)) == b"the"


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ((), "0 choice"),
        (("a",), "1 choice"),
        (("a", ""), "choice 2 is empty"),
        (("a", "b", "a"), "'a' is given twice"),
    ],
)
def test_choices_that_leave_nothing_to_choose_are_refused(
    choices: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        asked(ScriptedModel("x"), "p", choices)


def test_choices_of_the_same_tokens_are_refused() -> None:
    model = ScriptedModel("x")
    with pytest.raises(UsageError, match="'a' and 'b' are the same tokens"):
        endings(model.tokenizer, [1], lambda text: [1, 7], ("a", "b"))


def test_choices_that_begin_others_are_found() -> None:
    _, given = asked(ScriptedModel("x"), "p", ("no", "not", "yes", "n"))
    pairs = [(short.choice, long.choice) for short, long in beginnings(given)]
    assert pairs == [("no", "not"), ("n", "no"), ("n", "not")]


def test_what_does_not_fit_is_refused_before_anything_is_read() -> None:
    model = ScriptedModel("x", context_length=8)
    prompt, given = asked(model, "1234567", ("ab", "abc"))
    with pytest.raises(ContextError, match=r"'abc' are 10 tokens long and the context 8.* by 1"):
        Judge(model).weigh(prompt, given)
