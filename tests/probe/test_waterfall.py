"""A place and its waterfall: the same figures as a draw's own, for every token there is."""

from __future__ import annotations

import pytest
import torch

from chatcli.errors import LogitsError
from chatcli.probe.waterfall import Place, Waterfall
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig

CONFIG = SamplingConfig(temperature=0.7, top_k=8, top_p=0.8, min_p=0.02, seed=5)
IDS = (3, 1, 4, 1, 5)


def waterfall(config: SamplingConfig = CONFIG, seed: int = 0) -> Waterfall:
    logits = torch.randn(50, generator=torch.Generator().manual_seed(seed)) * 2
    logits[[7, 9]] = logits[11].clone()  # ties
    logits[13] = -torch.inf
    return Waterfall(Place.of(IDS, logits), SamplerChain(config), prompt_length=3, top=5)


@pytest.mark.parametrize("order", ["hf", "llamacpp", "vllm", "mlx"])
def test_every_candidate_is_as_the_chain_reports_it(order: str) -> None:
    found = waterfall(SamplingConfig(temperature=0.7, top_k=8, top_p=0.8, seed=5, order=order))
    chain = SamplerChain(found.chain.config)
    draw = chain.sample(found.place.logits, IDS, prompt_length=3, top=50)
    # All that the model doesn't rule out; that one comes last.
    falls = found.best(0, 50)
    assert len(draw.candidates) == 49 and falls[-1].candidate.token == 13
    for fall, told in zip(falls, draw.candidates, strict=False):
        one = fall.candidate
        assert (one.token, one.rank, one.removed_by) == (told.token, told.rank, told.removed_by)
        assert one.raw_prob == pytest.approx(told.raw_prob, rel=1e-6)
        assert one.prob == pytest.approx(told.prob, rel=1e-6)
        assert fall.probs[-1] == pytest.approx(told.prob, rel=1e-6)


def test_a_window_is_a_part_of_the_whole() -> None:
    found = waterfall()
    assert found.best(10, 5) == found.best(0, 50)[10:15]
    assert found.best(48, 9) == found.best(0, 50)[48:]
    assert found.best(90, 5) == ()


def test_the_step_is_what_the_chain_draws() -> None:
    found = waterfall()
    draw, view = SamplerChain(CONFIG).observe(found.place.logits, IDS, prompt_length=3, top=5)
    assert found.step.draw == draw
    assert (found.step.token, found.step.rank, found.step.raw_prob) == (
        draw.token,
        view.rank,
        view.raw_prob,
    )
    assert (found.step.index, found.step.position) == (2, 5)


def test_what_was_drawn_before_steers_what_comes() -> None:
    config = SamplingConfig(mirostat=2, mirostat_tau=2.0, mirostat_eta=0.5, seed=5)
    found = waterfall(config)
    drawn, other = found.memory_after(found.draw.token), found.memory_after(17)
    assert drawn is not None and other is not None and drawn != other
    logits = waterfall(seed=1).place.logits
    place = Place.of((*IDS, 17), logits)
    steered = Waterfall(place, SamplerChain(config), prompt_length=3, memory=drawn)
    afresh = Waterfall(place, SamplerChain(config), prompt_length=3)
    assert steered.draw.stages != afresh.draw.stages
    assert waterfall().memory_after(17) is None


def test_a_row_that_nothing_can_be_drawn_from_is_refused() -> None:
    with pytest.raises(LogitsError, match="NaN"):
        Place.of(IDS, torch.tensor([0.0, torch.nan]))
