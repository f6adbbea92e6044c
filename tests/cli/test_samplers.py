"""`chatcli samplers` tells the chain that flags make, its stages, and the same elsewhere."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.cli import main
from chatcli.sampling.orders import PRESETS
from chatcli.ui.environment import Environment
from tests.cli.world import run, spawn


def on_terminal(columns: int, *arguments: str) -> str:
    out = io.StringIO()
    env = Environment(
        stdin=io.StringIO(),
        stdout=out,
        stderr=io.StringIO(),
        stdout_is_terminal=True,
        size=lambda: (columns, 24),
    )
    assert main(arguments, env) == 0
    return out.getvalue()


def marked(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("• ")]


def test_the_chain_comes_first_and_its_stages_are_marked_in_order() -> None:
    outcome = run("samplers", "-t", "0.7", "-k", "9", "-p", "1", "--dry-multiplier", "0.8")
    assert outcome.err == "" and outcome.status == 0
    chain = "dry 0.8 (base 1.75, length 2) → temperature 0.7 → top_k 9"
    assert outcome.out.splitlines()[0] == chain
    assert marked(outcome.out) == ["dry", "temperature", "top_k"]


@pytest.mark.parametrize("order", PRESETS)
def test_every_stage_stands_in_the_orders_place(order: str) -> None:
    lines = run("samplers", "--order", order).out.splitlines()
    names = [line[2:].split()[0] for line in lines if line[:2] in ("  ", "• ") and line[2:3] != " "]
    assert tuple(names) == PRESETS[order].stages


@pytest.mark.parametrize("columns", [40, 60, 120])
@pytest.mark.parametrize("flags", [[], ["--bad-words", "世界上最高的山", "--mirostat", "2"]])
def test_it_fits_and_nothing_is_cut_off(columns: int, flags: list[str]) -> None:
    text = on_terminal(columns, "samplers", "--repetition-penalty", "1.1", *flags)
    assert all(cell_len(line) <= columns for line in text.splitlines()) and "…" not in text
    assert "p-less" in text


def test_the_same_is_said_as_other_programs_say_it() -> None:
    found = json.loads(
        run(
            "samplers", "-t", "0.8", "-k", "40", "-p", "0.95", "--xtc-probability", "0.5", "--json"
        ).out
    )
    told = found["elsewhere"]
    assert told["transformers"]["flags"] == [
        *("do_sample=True", "temperature=0.8", "top_k=40", "top_p=0.95")
    ]
    assert told["transformers"]["none"] == ["xtc 0.5 (threshold 0.1)"]
    assert told["llama.cpp"]["flags"][-1] == '--samplers "temperature;top_k;top_p;xtc"'
    assert "--min-p 0" in told["llama.cpp"]["flags"]
    assert told["mlx-lm"]["flags"] == ["temp=0.8", "top_k=40", "top_p=0.95", "xtc_probability=0.5"]
    assert told["mlx-lm"]["remarks"] == ["in its own order, top_p → xtc → top_k → temperature"]
    assert found["chain"].endswith("xtc 0.5 (threshold 0.1)")
    assert found["settings"]["xtc_probability"] == 0.5
    on = [stage["name"] for stage in found["stages"] if stage["on"]]
    assert on == ["temperature", "top_k", "top_p", "xtc"]


def test_it_starts_from_what_the_checkpoint_says(tiny: Path) -> None:
    chain = run("samplers", "-m", tiny).out.splitlines()[0]
    assert chain == "temperature 0.7 → top_k 40 → top_p 0.9"


def test_a_list_of_stages_shows_those_alone() -> None:
    lines = run("samplers", "--order", "top_k,temperature", "-t", "0.5").out.splitlines()
    assert marked("\n".join(lines)) == ["top_k", "temperature"]
    assert not any(line.lstrip("• ").startswith("min_p") for line in lines)


def test_what_is_wrong_is_one_line() -> None:
    outcome = run("samplers", "--xtc-probability", "2")
    assert outcome.status == 2
    assert outcome.only_error == "xtc_probability is 2.0, but must be from 0 (off) to 1"


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from chatcli.cli import main; main(['samplers']);"
        "sys.exit('torch' in sys.modules)"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_words_come_from_the_shell() -> None:
    words = "chatcli samplers --order t"
    done = spawn([], _CHATCLI_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="3")
    assert done.stdout.decode().split() == ["textgen"]


def test_every_flag_becomes_its_setting() -> None:
    flags = {
        "--top-n-sigma": "1.5",
        "--top-h": "0.5",
        "--epsilon-cutoff": "0.01",
        "--eta-cutoff": "0.02",
        "--xtc-probability": "0.5",
        "--xtc-threshold": "0.2",
        "--xtc-spared": "。",
        "--dynatemp-range": "0.25",
        "--dynatemp-exponent": "2",
        "--dry-multiplier": "0.8",
        "--dry-base": "1.5",
        "--dry-allowed-length": "3",
        "--dry-window": "9",
        "--dry-breakers": "\\n",
        "--no-repeat-ngram-size": "3",
        "--bad-words": "[5,6]",
        "--sequence-bias": "猫=-2",
        "--allowed-ids": "3,9",
        "--min-length": "4",
        "--min-new-tokens": "2",
        "--adaptive-target": "0.3",
        "--adaptive-decay": "0.5",
        "--mirostat": "1",
        "--mirostat-tau": "3",
        "--mirostat-eta": "0.2",
    }
    typed = [word for pair in flags.items() for word in pair]
    found = json.loads(run("samplers", *typed, "--p-less", "--bad-words", "狗", "--json").out)
    said = found["settings"]
    expected = {
        **{flag: float(text) for flag, text in flags.items() if text.replace(".", "").isdigit()},
        "--xtc-spared": ["。"],
        "--dry-breakers": ["\n"],
        "--bad-words": [[5, 6], "狗"],
        "--sequence-bias": [["猫", -2.0]],
        "--allowed-ids": [3, 9],
        "--p-less": True,
    }
    assert {flag: said[flag[2:].replace("-", "_")] for flag in expected} == expected
    assert expected.keys() == flags.keys() | {"--p-less"}


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--allowed-ids", "5,x"], "--allowed-ids wants token ids, such as 12,13; got '5,x'"),
        (["--sequence-bias", "[5,6]"], "a sequence's bias is WORD=X"),
        (["--order", "top_k", "--dry-multiplier", "1"], "--dry-multiplier 1.0 has no place in"),
        (["--order", "top_k", "--p-less"], "--p-less has no place in --order top_k: add p_less"),
        (["--mirostat", "3"], "mirostat is 3, but must be 0 (off), 1 or 2"),
        (["--bad-words", ""], "bad_words is '', but must be"),
    ],
)
def test_a_flag_that_cannot_be_is_one_line(flags: list[str], problem: str) -> None:
    outcome = run("samplers", *flags)
    assert outcome.status == 2 and problem in outcome.only_error


def test_words_and_ends_reach_the_model_as_ids(tiny: Path) -> None:
    plain = run("complete", "ab", "-m", tiny, "-n", "6", "--greedy", "--json").objects
    first = plain[0]["token"]
    banned = run(
        *("complete", "ab", "-m", tiny, "-n", "6", "--greedy", "--json"),
        *("--bad-words", f"[{first}]", "--min-new-tokens", "6"),
    ).objects
    assert banned[0]["token"] != first and banned[-1]["usage"]["new_tokens"] == 6
