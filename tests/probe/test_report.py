"""What a report says of each token: as its Step, and the same by a trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chatcli.engine.stream import stream
from chatcli.engine.types import Step
from chatcli.probe.report import Passage, Told, told_sample, told_steps
from chatcli.probe.trace_reading import read_trace
from chatcli.probe.tracing import Recorder
from chatcli.sampling.types import SamplingConfig
from tests.fakes import ScriptedModel

PROMPT = list(b"ab")
MODEL = ScriptedModel("ab中 文\n", peak=3.0, noise=1.0)


def recorded(
    path: Path, config: SamplingConfig, tokens: int = 12, model: ScriptedModel = MODEL
) -> list[Step]:
    """The steps of a reply, which is recorded, too."""
    recorder = Recorder(path, top=20)
    chain = recorder.chain(config, model)
    chunks = list(stream(model, PROMPT, chain, max_tokens=tokens, top=20))
    recorder.close()
    return [step for chunk in chunks for step in chunk.steps]


def of_steps(steps: Sequence[Step]) -> list[Told]:
    return list(told_steps(steps, MODEL.tokenizer, PROMPT))


def test_each_step_is_told_as_it_was(tmp_path: Path) -> None:
    steps = recorded(tmp_path / "t.jsonl", SamplingConfig(top_k=8, seed=5))
    for step, told in zip(steps, of_steps(steps), strict=True):
        assert (told.token, told.raw_prob, told.prob, told.rank, told.entropy_bits) == (
            *(step.token, step.raw_prob, step.prob, step.rank, step.entropy_bits),
        )
        assert (told.u, told.interval, told.stages) == (
            *(step.draw.u, step.draw.interval, step.draw.stages),
        )
        assert [(one.token, one.prob, one.removed_by) for one in told.rivals] == [
            (one.token, one.prob, one.removed_by) for one in step.draw.candidates
        ]


def test_the_texts_joined_are_the_reply(tmp_path: Path) -> None:
    said = ScriptedModel("ab中 文\n")
    told = of_steps(recorded(tmp_path / "t.jsonl", SamplingConfig(temperature=0), model=said))
    assert "".join(one.text for one in told) == "中 文\n"
    assert [one.label for one in told[:4]] == ["⟨E4⟩", "⟨B8⟩", "⟨AD⟩ → 中", "␣"]
    assert told[-1].control and not told[-1].text


@pytest.mark.parametrize("config", [SamplingConfig(top_k=8, seed=5), SamplingConfig(temperature=0)])
def test_a_trace_tells_the_same_without_the_model(tmp_path: Path, config: SamplingConfig) -> None:
    """The Steps are the oracle; only what the chain made of the others isn't in a trace."""
    path = tmp_path / "t.jsonl"
    steps = recorded(path, config)
    trace = read_trace(path)
    (sample,) = trace.samples
    found = list(told_sample(trace, sample, top=20))
    for one, other in zip(found, of_steps(steps), strict=True):
        assert (one.token, one.label, one.rank, one.u) == (
            *(other.token, other.label, other.rank, other.u),
        )
        assert one.raw_prob == pytest.approx(other.raw_prob, rel=1e-5)
        assert one.prob == pytest.approx(other.prob, rel=1e-5)
        assert one.entropy_bits == pytest.approx(other.entropy_bits, rel=1e-5)
        assert [each.token for each in one.rivals] == [each.token for each in other.rivals]
        rest = {each.prob for each in one.rivals if each.token != one.token}
        assert rest <= ({0.0} if one.prob == 1 else {None})


def test_a_token_beyond_the_candidates_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    recorded(path, SamplingConfig(temperature=3.0, seed=1), tokens=40)
    trace = read_trace(path)
    found = list(told_sample(trace, trace.samples[0], top=2))
    far = [one for one in found if one.rank is None or one.rank > 2]
    assert far and any(one.rank is None for one in far)
    assert all(len(one.rivals) == 3 and one.rivals[-1].token == one.token for one in far)


def test_figures_leave_out_what_isnt_finite(tmp_path: Path) -> None:
    told = of_steps(recorded(tmp_path / "t.jsonl", SamplingConfig(temperature=0)))
    facts = Passage("assistant", "m", "", tuple(told)).figures()
    assert [fact.split()[0] for fact in facts] == ["surprisal", "perplexity", "entropy"]
    ruled_out = Told(1, "x", "x", False, 0.0, 1.0, 9, 0.5, None, None, (), ())
    assert Passage("assistant", "m", "x", (ruled_out,)).figures() == ["entropy 0.50 bits/token"]
