"""`chatcli bench` and `bench suite` on the tiny checkpoint: keys, tables, wrong usage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcli.bench import explorer
from chatcli.bench.machine import this_machine
from chatcli.bench.table import figure_line, suite_object
from chatcli.bench.types import Bar, Figure, Spread
from tests.cli.world import run

SPREAD = {"median", "low", "high", "count"}
MACHINE = {"system", "processor", "cores", "vector", "memory", "python", "torch", "threads"}
FIGURE = {"part", "what", "value", "unit", "bar", "detail", "met"}


def one_object(*arguments: str | Path) -> dict[str, Any]:
    outcome = run("bench", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    (document,) = outcome.objects
    return document


def test_json_has_speeds_in_tokens_a_second(tiny: Path) -> None:
    document = one_object("-m", tiny, "--repeat", "2", "-n", "8", "--prompt-tokens", "24")
    assert set(document) == {
        *("model", "engine", "device", "dtype", "parameters", "prompt_tokens", "new_tokens"),
        *("prefill", "decode", "first_token_seconds", "machine", "date"),
    }
    assert (document["prompt_tokens"], document["new_tokens"]) == (24, 8)
    for name in ("prefill", "decode", "first_token_seconds"):
        spread = document[name]
        assert set(spread) == SPREAD and spread["count"] == 2
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert set(document["machine"]) == MACHINE


def test_the_table_explains_prefill_and_decode(tiny: Path) -> None:
    outcome = run("bench", "-m", tiny, "--repeat", "1", "-n", "4")
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["phase", "tokens", "tok/s", "quartiles"]
    assert lines[1].split()[:2] == ["prefill", "64"] and lines[2].split()[:2] == ["decode", "4"]
    assert "Prefill reads the prompt" in outcome.out and "decode writes" in outcome.out


def test_a_part_of_the_suite_runs_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pty")
    monkeypatch.setattr("chatcli.bench.display._TOKENS", 12)
    document = one_object("suite", "-m", tiny, "--only", "display", "--rounds", "1")
    (figure,) = document["figures"]
    assert set(figure) == FIGURE and set(figure["value"]) == SPREAD
    assert (figure["part"], figure["unit"]) == ("display", "%")
    assert figure["bar"] == {"limit": 5, "at_least": False}
    assert figure["met"] == (figure["value"]["median"] <= 5)


@pytest.mark.slow
def test_a_key_of_the_explorer_is_timed(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pty")
    monkeypatch.setattr("chatcli.bench.explorer._KEYS_A_ROUND", 2)
    monkeypatch.setitem(explorer._SHAPE, "vocab_size", 2000)
    document = one_object("suite", "-m", tiny, "--only", "explorer", "--rounds", "1")
    assert [figure["unit"] for figure in document["figures"]] == ["ms", "ms"]
    for figure in document["figures"]:
        assert figure["bar"] == {"limit": 50, "at_least": False}
        assert figure["value"]["count"] == 2 and figure["value"]["median"] > 0


def test_a_missed_bar_says_so() -> None:
    missed = Figure("decode", "5M", Spread(1.5, 1.4, 1.6, 5), "×", Bar(2, at_least=True), "why")
    assert figure_line(missed) == "decode: 5M 1.50 × (≥ 2 ×: MISSED); why"
    assert suite_object([missed], this_machine())["figures"][0]["met"] is False


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["suite", "--only", "decoding"], "'decoding'"),
        (["--repeat", "2", "suite"], "--repeat"),
        (["-n", "0"], "0"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], named: str) -> None:
    outcome = run("bench", *arguments)
    assert outcome.status == 2
    assert named in outcome.only_error


def test_llama_cpp_is_left_out_where_nobody_names_it() -> None:
    outcome = run("bench", "suite", "--only", "llama.cpp", "--json")
    assert outcome.status == 0 and outcome.objects[0]["figures"] == []
    assert "llama.cpp: left out; --llama-python" in outcome.err
