"""What a run counts as prefill and as decode, on a model that winds the clock itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from torch import Tensor

from chatcli.bench.speed import measure_speed, random_ids, run_once
from chatcli.errors import UsageError
from chatcli.model.types import KVCache
from chatcli.sampling.types import SamplingConfig
from tests.fakes import EOS, ScriptedModel

GREEDY = SamplingConfig(temperature=0)


class TimedModel(ScriptedModel):
    """Takes a second for each call and a tenth for each token; always says the end."""

    def __init__(self) -> None:
        super().__init__("")
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        self.now += 1 + len(ids) / 10
        return super().forward(ids, cache, last=last)


def test_prefill_ends_with_the_first_token_and_decode_has_one_step_a_token() -> None:
    model = TimedModel()
    run = run_once(model, GREEDY, [1, 2, 3, 4], 3, model.clock)
    assert [run.prefill, run.decode] == pytest.approx([1.4, 3.3])
    assert model.fed == [[1, 2, 3, 4], [EOS], [EOS], [EOS]]


def test_speeds_are_tokens_over_seconds_and_the_first_run_is_left_out() -> None:
    model = TimedModel()
    speed = measure_speed(
        model, GREEDY, prompt_tokens=40, new_tokens=2, repeat=3, clock=model.clock
    )
    assert len(model.fed) == 4 * 3
    assert (speed.prefill.count, speed.prompt_tokens, speed.new_tokens) == (3, 40, 2)
    assert speed.prefill.median == pytest.approx(40 / 5)
    assert speed.decode.median == pytest.approx(2 / 2.2)
    assert speed.first_token_seconds.median == pytest.approx(5)


def test_a_short_context_is_halved_and_a_demand_beyond_it_refused() -> None:
    model = TimedModel()
    model.checkpoint = dataclasses.replace(model.checkpoint, context_length=20)
    speed = measure_speed(model, GREEDY, repeat=1, clock=model.clock)
    assert (speed.prompt_tokens, speed.new_tokens) == (10, 10)
    with pytest.raises(UsageError, match="15 tokens and 10 more don't fit the context of 20"):
        measure_speed(model, GREEDY, prompt_tokens=15)


def test_random_ids_are_known_to_the_tokenizer_and_the_same_every_time() -> None:
    model = TimedModel()
    ids = random_ids(model, 500)
    assert ids == random_ids(model, 500)
    assert set(ids) <= set(range(model.tokenizer.vocab_size)) and len(set(ids)) > 100
