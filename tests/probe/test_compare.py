"""Comparisons: where two sides part, and their distance against sums over the whole vocabulary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import chatcli
from chatcli.model.types import LanguageModel
from chatcli.probe.compare import Apart, Side, compare, divergences
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import BOS, ScriptedModel, tiny_checkpoint

PROMPT = [BOS, 104]


def noisy(seed: int, spread: float = 2.0) -> ScriptedModel:
    """A model whose logits are a fixed random function of the last two tokens."""

    def script(tokens: Sequence[int]) -> Tensor:
        generator = torch.Generator().manual_seed(seed * 70_000 + tokens[-1] * 263 + tokens[-2])
        return torch.randn(262, generator=generator) * spread

    return ScriptedModel(script)


def bits(p: Tensor, q: Tensor) -> float:
    """KL(P‖Q) by its definition."""
    total = 0.0
    for one, other in zip(p.tolist(), q.tolist(), strict=True):
        if one > 0:
            total += one * math.log2(one / other) if other > 0 else math.inf
    return total


def expected(p: Tensor, q: Tensor) -> tuple[float, float, float]:
    middle = (p + q) / 2
    return bits(p, q), bits(q, p), (bits(p, middle) + bits(q, middle)) / 2


def told(each: Apart) -> list[float]:
    """The three distances, which must be there."""
    found = [value for value in (each.kl_ab, each.kl_ba, each.js) if value is not None]
    assert len(found) == 3
    return found


def config(**settings: Any) -> SamplingConfig:
    return SamplingConfig(**{"seed": 4, **settings})


def test_distances_are_those_of_the_definition() -> None:
    p, q = (
        torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(s))
        for s in (1, 2)
    )
    p, q = p / p.sum(), q / q.sum()
    assert np.allclose(divergences(p.log().numpy(), q.log().numpy()), expected(p, q))


def test_what_the_other_can_not_say_is_infinitely_far_but_js_is_one_at_most() -> None:
    one, other = np.array([0.0, -np.inf]), np.array([-np.inf, 0.0])
    assert divergences(one, other) == (math.inf, math.inf, 1.0)
    assert divergences(one, one) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"temperature": 0.7}, {"temperature": 1.3}),
        ({"top_k": 5}, {"top_k": 50, "temperature": 0.8}),
        ({"temperature": 0.0}, {"top_p": 0.9}),
        ({"repetition_penalty": 1.5}, {}),
        ({"mirostat": 2, "mirostat_tau": 3.0}, {"top_k": 40}),
    ],
)
def test_two_settings_are_measured_behind_the_chain_on_the_same_prefix(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    model = noisy(1)
    found = compare(
        Side(model, PROMPT, config(**ours)), Side(model, PROMPT, config(**theirs)), max_tokens=12
    )
    assert found.after_chain and not found.by_text
    chains = [SamplerChain(config(**settings)) for settings in (ours, theirs)]
    for each in found.positions:
        history = [*PROMPT, *found.a.ids[: each.index]]
        row = model.forward(history, model.new_cache(), last=True)[0]
        draws = [
            chain.witness(row, history, each.token, prompt_length=2)[0].probs.double()
            for chain in chains
        ]
        assert np.allclose(told(each), expected(*draws), atol=1e-5)
    assert [each.token for each in found.positions] == list(found.a.ids)


def test_two_checkpoints_are_measured_before_the_chain() -> None:
    one, other = noisy(1), noisy(2)
    sides = [Side(model, PROMPT, config(top_k=3)) for model in (one, other)]
    found = compare(*sides, max_tokens=8)
    assert not found.after_chain and not found.by_text
    for each in found.positions:
        history = [*PROMPT, *found.a.ids[: each.index]]
        rows = [model.forward(history, model.new_cache(), last=True)[0] for model in (one, other)]
        probs = [row.double().softmax(0) for row in rows]
        assert np.allclose(told(each), expected(*probs))


def test_a_prefix_is_read_in_blocks_not_token_by_token() -> None:
    one, other = noisy(1), noisy(2)
    compare(*(Side(model, PROMPT, config(top_k=3)) for model in (one, other)), max_tokens=8)
    for model in (one, other):
        assert len(model.fed[-1]) > 1


def test_both_draw_with_the_same_luck() -> None:
    model = noisy(1)
    same = Side(model, PROMPT, config(temperature=0.8))
    found = compare(same, Side(model, PROMPT, config(temperature=0.8)), max_tokens=10)
    assert found.divergence is None and found.a == found.b
    assert {(each.kl_ab, each.kl_ba, each.js) for each in found.positions} == {(0.0, 0.0, 0.0)}


def test_the_first_other_token_is_where_they_part() -> None:
    model = noisy(1)
    found = compare(
        Side(model, PROMPT, config(temperature=0.3)),
        Side(model, PROMPT, config(temperature=3.0)),
        max_tokens=10,
    )
    at = found.divergence
    assert at is not None and found.a.ids[:at] == found.b.ids[:at]
    assert found.a.ids[at] != found.b.ids[at]
    assert found.a.text[: found.shared] == found.b.text[: found.shared]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> list[LanguageModel]:
    """The tiny checkpoint and one of bytes alone: other vocabularies."""
    return [chatcli.load(str(tiny), device="cpu"), noisy(3)]


def test_other_vocabularies_are_compared_by_what_tokens_spell(
    others: list[LanguageModel],
) -> None:
    sides = [Side(model, model.tokenizer.encode("the"), config(top_k=5)) for model in others]
    found = compare(*sides, max_tokens=6)
    assert found.by_text and not found.after_chain
    known = [each for each in found.positions if each.js is not None]
    assert known and all(0 <= (each.js or 0) <= 1 for each in known)
    a, b = others
    first = found.positions[0]
    rows = [
        side.model.forward(side.ids, side.model.new_cache(), last=True)[0].double().softmax(0)
        for side in sides
    ]
    spelt: list[dict[bytes, float]] = []
    for model, row in zip((a, b), rows, strict=True):
        sums: dict[bytes, float] = {}
        for token, prob in enumerate(row.tolist()):
            ends = token in model.tokenizer.eos_ids
            key = b"end" if ends else model.tokenizer.token_bytes(token)
            sums[key] = sums.get(key, 0.0) + prob
        spelt.append(sums)
    keys = sorted({*spelt[0], *spelt[1]})
    p, q = (torch.tensor([sums.get(key, 0.0) for key in keys]).double() for sums in spelt)
    assert first.kl_ab == math.inf  # whole words, where the other has bytes
    assert first.kl_ba == pytest.approx(bits(q, p), abs=1e-4)
    assert first.js == pytest.approx(expected(p, q)[2], abs=1e-4)


def test_inside_of_a_character_another_vocabulary_has_nothing_to_say() -> None:
    one = ScriptedModel("h峰")
    other = ScriptedModel("h峰", context_length=2048)
    other.tokenizer.eos_ids = frozenset({5})  # so that the vocabularies differ
    sides = [Side(model, PROMPT, config(temperature=0.0)) for model in (one, other)]
    found = compare(*sides, max_tokens=4)
    assert [each.js is None for each in found.positions] == [False, True, True, False]


def test_two_random_checkpoints_are_far_apart(tmp_path: Path, tiny: Path) -> None:
    models = [
        chatcli.load(str(folder), device="cpu")
        for folder in (tiny, tiny_checkpoint(tmp_path / "other", seed=5))
    ]
    sides = [Side(model, model.tokenizer.encode("the"), config()) for model in models]
    found = compare(*sides, max_tokens=4)
    assert not found.by_text and all((each.js or 0) > 0 for each in found.positions)
