"""What a draw reports: the order of stages, the interval, traces, candidates, determinism."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from chatcli.errors import LogitsError, SamplingError
from chatcli.sampling import chain as chain_module
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import Draw, SamplingConfig

LADDER = torch.tensor([3.0, 2.0, 1.0])
PROBS = torch.tensor([0.1, 0.4, 0.2, 0.3])
LOGITS = PROBS.log()


def sample(logits: torch.Tensor, history: Any = (), top: int = 10, **settings: Any) -> Draw:
    settings.setdefault("seed", 1)
    return SamplerChain(SamplingConfig(**settings)).sample(logits, history, top=top)


def kept(draw: Draw) -> list[int]:
    return draw.probs.nonzero().flatten().tolist()


def random_logits(size: int, seed: int, spread: float = 3.0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * spread


@pytest.fixture
def luck(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the uniform number of every draw."""

    def fix(u: float) -> None:
        monkeypatch.setattr(chain_module, "uniform", lambda _seed, _position: u)

    return fix


@pytest.mark.parametrize(
    ("order", "survivors"), [("hf", [0]), ("vllm", [0]), ("llamacpp", [0, 1]), ("mlx", [0, 1])]
)
def test_temperature_before_or_after_top_p_keeps_different_tokens(
    order: str, survivors: list[int]
) -> None:
    assert kept(sample(LADDER, temperature=0.5, top_p=0.8, order=order)) == survivors


def test_an_explicit_order_runs_its_stages_and_no_others() -> None:
    draw = sample(LADDER, temperature=0.5, top_p=0.8, top_k=1, order=("top_p", "temperature"))
    assert [stage.name for stage in draw.stages] == ["top_p", "temperature"]
    assert kept(draw) == [0, 1]


def test_the_chain_describes_what_is_active() -> None:
    def describe(**settings: Any) -> str:
        return SamplerChain(SamplingConfig(**settings)).describe()

    settings: Any = {"repetition_penalty": 1.1, "temperature": 0.8, "top_k": 40, "top_p": 0.95}
    assert (
        describe(**settings) == "repetition_penalty 1.1 → temperature 0.8 → top_k 40 → top_p 0.95"
    )
    assert (
        describe(**settings, order="llamacpp")
        == "repetition_penalty 1.1 → top_k 40 → top_p 0.95 → temperature 0.8"
    )
    assert describe(**{**settings, "temperature": 0}) == "repetition_penalty 1.1 → greedy"
    assert describe(temperature=0, top_k=5) == "greedy"
    assert describe() == "temperature 1"
    assert describe(repetition_penalty=2, penalty_window=0) == "temperature 1"
    assert describe(logit_bias={1: 1.0}) == "logit_bias on 1 token"


@pytest.mark.parametrize(
    ("u", "token", "interval"),
    [
        (0.0, 1, (0.0, 0.4)),
        (0.3999999, 1, (0.0, 0.4)),
        (0.4000001, 3, (0.4, 0.7)),
        (0.8999999, 2, (0.7, 0.9)),
        (1 - 2**-53, 0, (0.9, 1.0)),
    ],
)
def test_the_number_falls_into_the_interval_of_its_token(
    luck: Any, u: float, token: int, interval: tuple[float, float]
) -> None:
    luck(u)
    draw = sample(LOGITS)
    assert draw.token == token and draw.u == u
    assert draw.interval == pytest.approx(interval, abs=1e-7)


def test_the_last_interval_ends_at_exactly_one(luck: Any) -> None:
    luck(1 - 2**-53)
    for seed in range(20):
        draw = sample(random_logits(1000, seed))
        assert draw.interval is not None and draw.interval[1] == 1.0
        assert draw.token == int(random_logits(1000, seed).argmin())


def test_a_number_on_a_boundary_belongs_to_the_upper_interval(luck: Any) -> None:
    luck(0.5)
    draw = sample(torch.zeros(4))
    assert draw.token == 2 and draw.interval == (0.5, 0.75)


def test_ties_are_ranked_by_id(luck: Any) -> None:
    luck(0.0)
    draw = sample(torch.tensor([1.0, 2.0, 2.0, 1.0]))
    assert draw.token == 1
    assert [each.token for each in draw.candidates] == [1, 2, 0, 3]


@pytest.mark.parametrize("kind", ["peaked", "flat", "tied"])
@pytest.mark.parametrize("u", [0.0, 0.3, 0.9, 0.999, 1 - 2**-53])
def test_looking_at_the_head_first_equals_the_full_sort(luck: Any, kind: str, u: float) -> None:
    luck(u)
    logits = random_logits(40_000, 3, {"peaked": 6.0, "flat": 0.1, "tied": 2.0}[kind])
    if kind == "tied":
        logits = logits.round()
    draw = sample(logits, top=0)
    row = logits.double().numpy()
    probs = torch.softmax(logits.double(), 0).numpy()
    order = np.lexsort((np.arange(row.size), -row))
    ends = np.minimum(np.cumsum(probs[order]), 1.0)
    ends[-1] = 1.0
    index = int(np.searchsorted(ends, u, side="right"))
    assert draw.token == order[index]
    assert draw.interval == (ends[index - 1] if index else 0.0, ends[index])


def test_every_interval_is_as_wide_as_its_probability() -> None:
    chain = SamplerChain(SamplingConfig(temperature=0.7, top_k=20, seed=5))
    for position in range(50):
        draw = chain.sample(random_logits(100, position), [0] * position)
        assert draw.interval is not None and draw.u is not None
        low, high = draw.interval
        assert low <= draw.u < high
        assert high - low == pytest.approx(float(draw.probs[draw.token]), abs=1e-6)


def test_greedy_takes_the_lowest_id_of_the_best_and_needs_no_luck() -> None:
    draw = sample(torch.tensor([1.0, 3.0, 3.0]), temperature=0, top_k=1, top_p=0.1)
    assert (draw.token, draw.u, draw.interval, draw.stages) == (1, None, None, ())
    assert draw.probs.tolist() == [0.0, 1.0, 0.0]


def test_greedy_obeys_bias_and_penalties() -> None:
    assert sample(LADDER, temperature=0, logit_bias={2: 5.0}).token == 2
    draw = sample(LADDER, [0], temperature=0, repetition_penalty=2.0)
    assert draw.token == 1 and [stage.name for stage in draw.stages] == ["repetition_penalty"]


@pytest.mark.parametrize("order", ["hf", "llamacpp", "vllm", "mlx"])
def test_a_temperature_near_zero_draws_what_greedy_takes(order: str) -> None:
    for seed in range(10):
        logits = random_logits(500, seed)
        cold = sample(logits, temperature=1e-38, order=order)
        assert cold.token == sample(logits, temperature=0, order=order).token


def test_traces_tell_survivors_mass_and_entropy() -> None:
    draw = sample(LOGITS, top_k=2, temperature=2.0, order=("top_k", "temperature"))
    top_k, warm = draw.stages
    assert (top_k.name, top_k.kept, warm.name, warm.kept) == ("top_k", 2, "temperature", 2)
    assert top_k.mass == pytest.approx(0.7) and warm.mass == 1.0
    p = torch.tensor([4 / 7, 3 / 7])
    assert top_k.entropy_bits == pytest.approx(float(-(p * p.log2()).sum()))
    q = p.sqrt() / p.sqrt().sum()
    assert warm.entropy_bits == pytest.approx(float(-(q * q.log2()).sum()))


def test_candidates_tell_who_removed_them() -> None:
    draw = sample(LOGITS, top_k=3, top_p=0.6, logit_bias={0: 0.5})
    names = {each.token: each.removed_by for each in draw.candidates}
    assert names == {1: None, 3: None, 2: "top_p", 0: "top_k"}
    assert [each.rank for each in draw.candidates] == [1, 2, 3, 4]
    for each in draw.candidates:
        assert each.raw_prob == pytest.approx(float(PROBS[each.token]))
        assert each.logit == pytest.approx(float(LOGITS[each.token]))
        assert each.prob == pytest.approx(float(draw.probs[each.token]))


def test_the_drawn_token_is_always_among_the_candidates(luck: Any) -> None:
    luck(1 - 2**-53)
    draw = sample(LOGITS, top=2)
    assert [(each.token, each.rank) for each in draw.candidates] == [(1, 1), (3, 2), (0, 4)]
    assert [each.token for each in sample(LOGITS, top=0).candidates] == [0]


def test_a_view_is_the_models_own() -> None:
    chain = SamplerChain(SamplingConfig(temperature=0, logit_bias={0: 9.0}))
    draw, view = chain.observe(LOGITS, [], top=0)
    assert draw.token == 0 and view.rank == 4
    assert view.raw_prob == pytest.approx(0.1)
    assert view.entropy_bits == pytest.approx(float(-(PROBS * PROBS.log2()).sum()))


def test_ranks_of_tied_logits_follow_their_ids() -> None:
    chain = SamplerChain(SamplingConfig(temperature=0, logit_bias={2: 9.0}))
    assert chain.observe(torch.zeros(4), [], top=0)[1].rank == 3


def test_the_display_does_not_change_the_draw() -> None:
    for seed in range(30):
        logits = random_logits(2000, seed)
        bare, shown = sample(logits, top=0, seed=seed), sample(logits, top=50, seed=seed)
        assert (bare.token, bare.u, bare.interval) == (shown.token, shown.u, shown.interval)
        assert bare.stages == shown.stages and torch.equal(bare.probs, shown.probs)


def test_a_seed_and_a_position_decide_the_draw_whatever_came_before() -> None:
    logits = random_logits(300, 1)
    chain = SamplerChain(SamplingConfig(seed=9))
    tokens = [chain.sample(logits, [0] * position).token for position in range(20)]
    fresh = SamplerChain(SamplingConfig(seed=9))
    again = [fresh.sample(logits, [0] * position).token for position in reversed(range(20))]
    assert tokens == again[::-1] and len(set(tokens)) > 5


def test_a_chain_without_a_seed_shows_the_one_it_drew() -> None:
    chain = SamplerChain(SamplingConfig())
    logits = random_logits(300, 1)
    again = SamplerChain(SamplingConfig(seed=chain.seed))
    assert chain.sample(logits, [1, 2]) == again.sample(logits, [1, 2])


def test_a_state_is_plain_json_and_restores_the_chain() -> None:
    chain = SamplerChain(SamplingConfig(top_k=50, logit_bias={4: -math.inf}, order=("top_k",)))
    other = SamplerChain(SamplingConfig(temperature=0))
    other.restore(json.loads(json.dumps(chain.state(), allow_nan=False)))
    logits = random_logits(300, 1)
    assert (other.config, other.seed) == (chain.config, chain.seed)
    assert other.sample(logits, [1]) == chain.sample(logits, [1])


@pytest.mark.parametrize("state", [{}, {"config": {}, "seed": -1}, {"config": {"x": 1}, "seed": 1}])
def test_a_state_that_is_none_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(SamplingError):
        SamplerChain(SamplingConfig()).restore(state)


def test_stage_probs_follow_a_token_through_the_stages() -> None:
    chain = SamplerChain(SamplingConfig(temperature=0.5, top_k=2, seed=1))
    (kept_token, gone) = chain.stage_probs(LOGITS, [], [1, 0])
    squares = PROBS.square() / PROBS.square().sum()
    assert kept_token == pytest.approx((float(squares[1]), 0.16 / 0.25))
    assert gone == pytest.approx((float(squares[0]), 0.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_dtype_is_worked_on_in_float64(dtype: torch.dtype) -> None:
    logits = random_logits(5000, 2).to(dtype)
    draw = sample(logits, temperature=0.9, top_p=0.9, top=0)
    assert draw == sample(logits.float(), temperature=0.9, top_p=0.9, top=0) or (
        dtype == torch.float64
    )
    assert float(draw.probs.double().sum()) == pytest.approx(1.0, abs=1e-6)
    assert draw.probs.dtype == torch.float32


def test_the_logits_are_left_as_they_were() -> None:
    for dtype in (torch.float32, torch.float64):
        logits = random_logits(100, 4).to(dtype).requires_grad_()
        before = logits.detach().clone()
        sample(
            logits,
            [1, 2, 2],
            temperature=0.5,
            top_k=5,
            repetition_penalty=2,
            frequency_penalty=1,
            presence_penalty=1,
            logit_bias={3: -math.inf},
        )
        assert torch.equal(logits.detach(), before)


def test_a_vocabulary_of_one_has_one_answer() -> None:
    draw = sample(torch.tensor([-4.0]), top_k=40, top_p=0.5, typical_p=0.2, min_p=1.0)
    assert (draw.token, draw.interval, kept(draw)) == (0, (0.0, 1.0), [0])
    assert all(stage.kept == 1 and stage.entropy_bits == 0 for stage in draw.stages)


def test_tokens_the_model_rules_out_are_never_drawn(luck: Any) -> None:
    luck(1 - 2**-53)
    draw = sample(torch.tensor([0.0, -math.inf, 1.0]))
    assert draw.token == 0 and [each.token for each in draw.candidates] == [2, 0]


@pytest.mark.parametrize(
    ("logits", "what"),
    [
        ([0.0, math.nan], "NaN"),
        ([math.inf, 0.0], "+inf"),
        ([-math.inf, -math.inf], "nothing but -inf"),
        ([], "shape"),
        ([[1.0, 2.0]], "shape"),
    ],
)
def test_logits_that_cannot_be_drawn_from_are_one_clear_line(logits: Any, what: str) -> None:
    with pytest.raises(LogitsError) as caught:
        sample(torch.tensor(logits))
    assert what in str(caught.value) and "\n" not in str(caught.value)


def test_a_bias_that_bans_everything_names_the_stage() -> None:
    with pytest.raises(LogitsError, match="logit_bias left no token"):
        sample(LADDER, logit_bias=dict.fromkeys(range(3), -math.inf))


def test_a_bias_on_a_token_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SamplingError, match="token 3, but ids go from 0 to 2"):
        sample(LADDER, logit_bias={3: 1.0})


def test_extreme_logits_and_settings_stay_finite() -> None:
    logits = torch.tensor([3.4e38, -3.4e38, 0.0, 3.3e38])
    for temperature in (1e-38, 1.0, 3.4e38):
        draw = sample(
            logits, [0, 1], temperature=temperature, repetition_penalty=1e-38, typical_p=0.5
        )
        assert all(math.isfinite(stage.entropy_bits) for stage in draw.stages)
        assert float(draw.probs.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [4, 700])
@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 0.9}, {"temperature": 0}])
def test_a_witness_to_what_is_drawn_tells_what_the_draw_tells(size: int, settings: Any) -> None:
    for seed in range(10):
        chain = SamplerChain(SamplingConfig(seed=seed, **settings))
        logits = random_logits(size, seed)
        draw, view = chain.observe(logits, [1, 2], top=3)
        assert chain.witness(logits, [1, 2], draw.token, top=3) == (draw, view)


def test_witnessed_slices_share_the_whole_among_the_survivors() -> None:
    logits = random_logits(700, 1)
    chain = SamplerChain(SamplingConfig(top_k=600, seed=1))
    slices = [chain.witness(logits, [], token)[0].interval for token in range(700)]
    owned = sorted(each for each in slices if each is not None)
    assert len(owned) == 600
    assert owned[0][0] == 0.0 and owned[-1][1] == 1.0
    ends, starts = [end for _, end in owned[:-1]], [start for start, _ in owned[1:]]
    assert ends == starts


def test_a_survey_is_a_draw_and_its_stages_at_once() -> None:
    logits, history = torch.randn(50), [3, 1, 4]
    for config in (SamplingConfig(temperature=0.7, top_k=9, seed=5), SamplingConfig(temperature=0)):
        draw, view, probs = SamplerChain(config).survey(logits, history, [7, 8, 9], top=4)
        assert (draw, view) == SamplerChain(config).observe(logits, history, top=4)
        assert probs == SamplerChain(config).stage_probs(logits, history, [7, 8, 9])
