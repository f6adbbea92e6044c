"""Why a token was drawn: each claim is tried out with the change made, and a smaller one."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from chatcli.errors import LogitsError
from chatcli.probe.explain import Change, Explanation, explain
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ByteTokenizer

HISTORY = [5, 3, 5]
CONFIGS = {
    "defaults": SamplingConfig(temperature=0.8, top_k=12, top_p=0.9),
    "nothing on": SamplingConfig(),
    "all four": SamplingConfig(temperature=1.3, top_k=9, top_p=0.85, min_p=0.05),
    "llamacpp": SamplingConfig(temperature=1.1, top_k=9, top_p=0.9, min_p=0.02, order="llamacpp"),
    "vllm": SamplingConfig(temperature=0.9, top_k=15, top_p=0.8, min_p=0.03, order="vllm"),
    "mlx": SamplingConfig(temperature=0.9, top_k=15, top_p=0.8, min_p=0.03, order="mlx"),
    "penalties": SamplingConfig(temperature=0.7, top_p=0.9, repetition_penalty=1.4),
    "off the grid": SamplingConfig(temperature=0.81234, top_p=0.91237, min_p=0.012345),
    "hot": SamplingConfig(temperature=2.75, top_p=0.9),
    "custom order": SamplingConfig(
        temperature=0.8, top_k=9, top_p=0.8, order=("top_p", "temperature", "top_k")
    ),
    "greedy": SamplingConfig(temperature=0),
}
SCANNED = {
    "typical": SamplingConfig(temperature=0.8, typical_p=0.7),
    "typical first": SamplingConfig(temperature=0.8, typical_p=0.7, order="llamacpp"),
    "epsilon": SamplingConfig(temperature=0.8, top_p=0.9, epsilon_cutoff=0.04),
    "xtc": SamplingConfig(temperature=0.9, top_k=10, xtc_probability=0.7, xtc_threshold=0.06),
    "mirostat": SamplingConfig(mirostat=2, mirostat_tau=2.5),
    "dynamic temperature": SamplingConfig(temperature=0.9, dynatemp_range=0.5, top_p=0.9),
    "penalty behind": SamplingConfig(
        temperature=0.8, frequency_penalty=0.6, order=("temperature", "frequency_penalty")
    ),
}
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2, 3))]


def row(seed: int, size: int = 24) -> torch.Tensor:
    luck = random.Random(seed)
    return torch.tensor([luck.gauss(0, 1.7) for _ in range(size)])


def explained(config: SamplingConfig, seed: int) -> Explanation:
    chain = SamplerChain(replace(config, seed=seed))
    return explain(chain, ByteTokenizer(), row(seed), HISTORY, prompt_length=1)


def drawn(config: SamplingConfig, seed: int, **changed: float | int) -> int:
    """What a chain draws, by its own word."""
    chain = SamplerChain(replace(config, seed=seed, **changed))  # type: ignore[arg-type]
    chain.bind(ByteTokenizer())
    return chain.sample(row(seed), HISTORY, prompt_length=1).token


def tried(change: Change, *, every: int = 1) -> Iterator[float]:
    """The values from `now` to `value` (or the limit), which is not among them."""
    unit = 1 if change.setting == "top_k" else 10_000
    now = change.now or 24 if change.setting == "top_k" else change.now
    start = math.floor(now * unit) + 1 if change.up else math.ceil(now * unit) - 1
    end = round((change.limit if change.value is None else change.value) * unit)
    step = every if change.up else -every
    beyond = end if change.value is not None else end + (1 if change.up else -1)
    for number in range(start, beyond, step):
        yield number if unit == 1 else number / unit


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("config", [*CONFIGS.values(), *SCANNED.values()], ids=[*CONFIGS, *SCANNED])
def test_it_explains_the_token_that_the_chain_draws(config: SamplingConfig, seed: int) -> None:
    found = explained(config, seed)
    chain = SamplerChain(replace(config, seed=seed))
    chain.bind(ByteTokenizer())
    draw = chain.sample(row(seed), HISTORY, prompt_length=1)
    assert (found.drawn.token, found.u, found.seed) == (draw.token, draw.u, seed)
    if draw.interval is not None:
        assert found.drawn.interval == draw.interval
        assert draw.interval[0] <= draw.u < draw.interval[1]  # type: ignore[operator]
    (seen,) = (one for one in draw.candidates if one.token == draw.token)
    assert (found.drawn.rank, found.drawn.raw_prob) == (seen.rank, seen.raw_prob)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_runner_up_is_the_likeliest_other_token(seed: int) -> None:
    found = explained(CONFIGS["defaults"], seed)
    chain = SamplerChain(replace(CONFIGS["defaults"], seed=seed))
    probs = chain.sample(row(seed), HISTORY, prompt_length=1).probs
    probs[found.drawn.token] = 0
    assert found.runner_up is not None
    assert found.runner_up.token == int(probs.argmax())
    assert found.runner_up.prob == pytest.approx(float(probs.max()), abs=1e-6)


def test_one_token_alone_has_no_runner_up() -> None:
    found = explained(SamplingConfig(top_k=1), 0)
    assert found.runner_up is None and found.drawn.interval == (0, 1)
    assert [change.value for change in found.changes if change.setting == "u"] == [None, None]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("config", [*CONFIGS.values(), *SCANNED.values()], ids=[*CONFIGS, *SCANNED])
def test_the_change_draws_another_token_and_a_smaller_one_does_not(
    config: SamplingConfig, seed: int
) -> None:
    found = explained(config, seed)
    for change in found.changes:
        if change.setting == "u" or change.value is None:
            continue
        assert drawn(config, seed, **{change.setting: change.value}) == change.token
        assert change.token != found.drawn.token
        smaller = list(tried(change))[-1:]
        for value in smaller:
            assert drawn(config, seed, **{change.setting: value}) == found.drawn.token


@pytest.mark.parametrize("seed", SEEDS[:1])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_no_value_that_is_nearer_draws_another(config: SamplingConfig, seed: int) -> None:
    found = explained(config, seed)
    for change in found.changes:
        if change.setting == "u":
            continue
        assert change.step == (1 if change.setting == "top_k" else 0.0001)
        for value in tried(change, every=1 if change.setting == "top_k" else 101):
            assert drawn(config, seed, **{change.setting: value}) == found.drawn.token, value


@pytest.mark.parametrize("config", SCANNED.values(), ids=SCANNED)
def test_where_the_draw_may_go_back_values_are_tried_in_turn(config: SamplingConfig) -> None:
    found = explained(config, 1)
    steps = {change.setting: change.step for change in found.changes}
    assert steps["temperature"] == (0.0001 if config.order == "llamacpp" else 0.01)
    for change in found.changes:
        if change.step == 0.01:
            for value in tried(change, every=100):
                assert drawn(config, 1, **{change.setting: value}) == found.drawn.token


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("config", [*CONFIGS.values(), *SCANNED.values()], ids=[*CONFIGS, *SCANNED])
def test_the_number_itself_is_exact(
    config: SamplingConfig, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = explained(config, seed)

    def with_luck(u: float) -> int:
        with monkeypatch.context() as patched:
            patched.setattr("chatcli.sampling.chain.uniform", lambda *_: u)
            return drawn(config, seed)

    changes = [change for change in found.changes if change.setting == "u"]
    if found.u is None:
        assert config.greedy and not changes
        return
    for change in changes:
        if change.value is None:
            assert with_luck(math.nextafter(1, 0) if change.up else 0) == found.drawn.token
        else:
            assert with_luck(change.value) == change.token != found.drawn.token
            assert with_luck(math.nextafter(change.value, found.u)) == found.drawn.token


def test_every_direction_that_a_setting_has_is_searched() -> None:
    found = explained(CONFIGS["all four"], 0)
    directions = [(change.setting, change.up, change.limit) for change in found.changes]
    assert directions == [
        ("u", False, 0),
        ("u", True, 1),
        ("temperature", False, 0),
        ("temperature", True, 2.6),
        ("top_p", False, 0.0001),
        ("top_p", True, 1),
        ("top_k", False, 1),
        ("top_k", True, 24),
        ("min_p", False, 0),
        ("min_p", True, 1),
    ]


def test_a_setting_that_is_off_has_one_direction() -> None:
    directions = [
        (change.setting, change.up)
        for change in explained(SamplingConfig(), 0).changes
        if change.setting != "u"
    ]
    assert directions == [
        ("temperature", False),
        ("temperature", True),
        ("top_p", False),
        ("top_k", False),
        ("min_p", True),
    ]


def test_none_in_range_is_an_answer() -> None:
    logits = torch.tensor([9.0, 0.0, -1.0])
    chain = SamplerChain(SamplingConfig(temperature=0.5, seed=1))
    found = explain(chain, ByteTokenizer(), logits, HISTORY, prompt_length=1)
    changes = {(change.setting, change.up): change.value for change in found.changes}
    assert changes["temperature", True] is changes["top_k", False] is None
    assert changes["u", True] is not None


def test_a_value_that_leaves_nothing_to_draw_is_found_too() -> None:
    config = SamplingConfig(top_k=20, allowed_ids=(2,), order=("top_k", "allowed"), seed=1)
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])
    found = explain(SamplerChain(config), ByteTokenizer(), logits, HISTORY, prompt_length=1)
    (down,) = (one for one in found.changes if one.setting == "top_k")
    assert (found.drawn.token, down.value, down.token) == (2, 2, None)


@pytest.mark.parametrize("extra", [{}, {"typical_p": 0.9}], ids=["monotone", "scanned"])
@pytest.mark.parametrize("temperature", [3.4e38, 1e-38, 5e5])
def test_the_ends_of_the_scale_take_no_longer(temperature: float, extra: dict[str, float]) -> None:
    config = SamplingConfig(temperature=temperature, **extra)  # type: ignore[arg-type]
    found = explained(config, 1)
    limits = [change.limit for change in found.changes if change.setting == "temperature"]
    hotter = [pytest.approx(max(2, 2 * temperature))] if temperature < 3.4e38 else []
    assert limits == [0, *hotter]


def test_a_temperature_of_zero_is_searched_too() -> None:
    """Where a stage took the best token out, only the greedy chain can draw it."""
    config = SamplingConfig(typical_p=0.2, order="llamacpp", seed=1)
    logits = torch.tensor([3.0, *[1.5] * 20])
    chain = SamplerChain(config)
    found = explain(chain, ByteTokenizer(), logits, HISTORY, prompt_length=1)
    cold = next(c for c in found.changes if c.setting == "temperature" and not c.up)
    assert found.drawn.token != 0
    assert (cold.value, cold.token) == (0, 0)


def test_what_a_chain_has_learnt_counts() -> None:
    config = SamplingConfig(mirostat=2, mirostat_tau=2.0, mirostat_eta=5.0, seed=3)
    chain = SamplerChain(config)
    probs = chain.sample(row(0), [5], prompt_length=1).probs
    least = int(torch.where(probs > 0, probs, 1).argmin())
    chain.witness(row(0), [5], least, prompt_length=1)
    found = explain(chain, ByteTokenizer(), row(1), [5, least], prompt_length=1)
    draw = chain.sample(row(1), [5, least], prompt_length=1)
    fresh = explain(SamplerChain(config), ByteTokenizer(), row(1), [5, least], prompt_length=1)
    assert found.drawn.interval == draw.interval != fresh.drawn.interval


def test_the_chain_stays_as_it_is() -> None:
    chain = SamplerChain(replace(SCANNED["mirostat"], seed=3))
    state = chain.state()
    explain(chain, ByteTokenizer(), row(1), HISTORY, prompt_length=1)
    assert chain.state() == state


def test_logits_that_nothing_can_be_drawn_from_are_refused() -> None:
    chain = SamplerChain(SamplingConfig(seed=1))
    with pytest.raises(LogitsError, match="NaN"):
        explain(chain, ByteTokenizer(), torch.tensor([math.nan] * 3), HISTORY)
