"""The shared cases of transformers and llama.cpp, run through the chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chatcli.errors import SamplingError
from chatcli.sampling.catalog import CATALOG
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.context import Context
from chatcli.sampling.orders import STAGE_NAMES, preset_for
from chatcli.sampling.pool import Pool
from chatcli.sampling.stages import STAGES
from chatcli.sampling.types import SamplingConfig
from tests.shared import shared_json

# Another program's name of a stage -> the stages that it is here.
KINDS: dict[str, tuple[str, ...]] = {
    "temp": ("temperature",),
    "temp_ext": ("temperature",),
    "penalties": ("repetition_penalty", "frequency_penalty", "presence_penalty"),
    "typical": ("typical_p",),
    "typ_p": ("typical_p",),
    "epsilon_cutoff": ("epsilon",),
    "eta_cutoff": ("eta",),
    "allowed_tokens": ("allowed",),
    **{name: (name,) for name in STAGE_NAMES},
}
# Another program's name of a parameter -> the setting that it is here.
SETTINGS = {
    "penalty": "repetition_penalty",
    "repeat_penalty": "repetition_penalty",
    "penalty_last_n": "penalty_window",
    "typ_p": "typical_p",
    "epsilon": "epsilon_cutoff",
    "eta": "eta_cutoff",
    "ngram_size": "no_repeat_ngram_size",
    "bad_words_ids": "bad_words",
    "eos_token_id": "eos_ids",
    "eos_token_ids": "eos_ids",
    "allowed": "allowed_ids",
    "dry_penalty_last_n": "dry_window",
    "sequence_breakers": "dry_breakers",
}
# Parameters that no setting stands for, and the values that leave a case as it is.
NEUTRAL = {"min_keep": (0, 1)}
# Clean-ups of logits, for which there is no stage.
NO_STAGE = {"inf_nan_remove", "log_softmax"}
Case = dict[str, Any]


def cases(*kinds: str) -> list[Case]:
    files = ("samplers_transformers.json", "samplers_llamacpp.json")
    found = [case for name in files for case in shared_json("conformance", name)]
    return [case for case in found if case["sampler"] in kinds]


def settings(case: Case) -> dict[str, Any] | None:
    """The case's parameters as settings; None where one has no counterpart."""
    chosen: dict[str, Any] = {}
    for name, value in case["params"].items():
        if name == "prompt_ignore_length":
            chosen["penalty_window"] = len(case["history"]) - value
        elif name in NEUTRAL:
            if value not in NEUTRAL[name]:
                return None  # such as a minimum to keep above 1
        elif name == "xtc_probability" and value == 0.99:
            chosen[name] = 1.0  # another program's luck fires at that
        elif name == "min_p" and value > 1:
            return None  # llama.cpp's way of keeping the best alone; out of range here
        elif name == "eos_token_id":
            chosen["eos_ids"] = [value]
        elif name not in ("sequence", "n_vocab", "prompt_length", "seed"):
            chosen[SETTINGS.get(name, name)] = value
    return chosen


def case_logits(case: Case) -> torch.Tensor:
    if "logits" in case:
        return torch.tensor(case["logits"], dtype=torch.float32)
    return torch.tensor(case["probs"], dtype=torch.float32).log()


def stage_logits(names: tuple[str, ...], config: SamplingConfig, case: Case) -> torch.Tensor:
    """What the named stages make of the case's logits, all of which are finite."""
    row = case_logits(case).double().numpy()
    context = Context(config, preset_for(config.order), case["history"], 0, row.size)
    pool = Pool.of(np.arange(row.size), row)
    for name in names:
        if CATALOG[name].active(config):
            pool, _ = pool.surviving(STAGES[name](pool, context))
    after = np.full(row.size, -np.inf)
    after[pool.ids] = pool.logits
    return torch.from_numpy(after)


def check_sets(expected: Case, kept: set[int], size: int) -> None:
    if "kept_ids" in expected:
        assert kept == set(expected["kept_ids"])
    if "kept_count" in expected:
        assert len(kept) == expected["kept_count"]
    if "masked_ids" in expected:
        assert kept == set(range(size)) - set(expected["masked_ids"])


def check_probs(expected: Case, probs: torch.Tensor, tolerance: float) -> None:
    if "probs_by_id" in expected:
        wanted = torch.tensor(expected["probs_by_id"])
        if expected.get("renormalised_after_filter", True):
            torch.testing.assert_close(probs, wanted, atol=tolerance, rtol=0)
        else:
            assert torch.equal(probs > 0, wanted > 0)
    if "unnormalised_probs_by_id" in expected:
        wanted = torch.tensor(expected["unnormalised_probs_by_id"])
        torch.testing.assert_close(probs, wanted / wanted.sum(), atol=tolerance, rtol=0)


def check_logits(expected: Case, logits: torch.Tensor, tolerance: float) -> None:
    wanted = dict(enumerate(expected["logits"])) if "logits" in expected else {}
    wanted |= {int(key): value for key, value in expected.get("logits_at", {}).items()}
    for token, value in wanted.items():
        assert float(logits[token]) == pytest.approx(value, abs=tolerance + 1e-7)


def check_case(case: Case, chosen: dict[str, Any]) -> None:
    program = case["id"].partition("/")[0]
    order = "llamacpp" if program == "llamacpp" else "hf"
    logits, expected = case_logits(case), case["expected"]
    if expected.get("error"):
        with pytest.raises(SamplingError):
            SamplingConfig(**chosen, order=order)
        return
    config = SamplingConfig(**chosen, order=order, seed=0)
    prompt_length = case["params"].get("prompt_length", 0)
    draw = SamplerChain(config).sample(logits, case["history"], prompt_length=prompt_length)
    probs = draw.probs
    kept = {int(token) for token in probs.nonzero()}
    check_sets(expected, kept, logits.numel())
    check_probs(expected, probs, case["tolerance"])
    if expected.keys() & {"logits", "logits_at"}:
        after = stage_logits(KINDS[case["sampler"]], config, case)
        check_logits(expected, after, case["tolerance"])


# Cases whose setting is none of chatcli's: more than one token kept whatever their mass, or a
# value out of range here.
LEFT_OUT = {"min_keep", "min_p"}


def test_the_shared_cases_of_our_stages_pass() -> None:
    for case in cases(*KINDS):
        chosen = settings(case)
        if chosen is None:
            assert LEFT_OUT & case["params"].keys()
            continue
        try:
            check_case(case, chosen)
        except AssertionError as error:
            error.add_note(case["id"])
            raise


def test_the_shared_queues_keep_the_same_tokens_after_each_step() -> None:
    queues = [case for case in cases("queue") if "steps" in case["expected"]]
    for case in queues:
        size, steps = case["params"]["n_vocab"], case["expected"]["steps"]
        logits = torch.arange(size, dtype=torch.float32).log()
        for count in range(1, len(steps) + 1):
            order = tuple(case["params"]["sequence"][:count])
            config = SamplingConfig(**(settings(case) or {}), order=order, seed=0)
            kept = SamplerChain(config).sample(logits, []).probs.nonzero().flatten().tolist()
            step = steps[count - 1]
            # Id 0 has no probability; llama.cpp lists it until a stage removes it.
            assert (max(min(kept), 1), max(kept)) == (max(step["lowest_id"], 1), step["highest_id"])
            assert len(kept) == step["kept_count"] - (step["lowest_id"] == 0), case["id"]


def test_every_kind_of_case_is_either_run_or_listed() -> None:
    files = ("samplers_transformers.json", "samplers_llamacpp.json")
    kinds = {case["sampler"] for name in files for case in shared_json("conformance", name)}
    assert kinds <= KINDS.keys() | NO_STAGE | {"queue"}
    assert not KINDS.keys() & NO_STAGE
