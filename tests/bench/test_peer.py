"""The two ends of a paired decode, without transformers and without llama.cpp."""

from __future__ import annotations

from pathlib import Path

from chatcli.bench.decode import Case
from chatcli.bench.peer import llama_process
from chatcli.bench.types import Bar
from chatcli.model.load import load


def test_the_other_process_answers_with_its_seconds(tiny: Path, tmp_path: Path) -> None:
    answers = tmp_path / "python"
    answers.write_text('#!/bin/sh\nwhile read line; do echo "0.5 "; echo "$*" > "$0.args"; done\n')
    answers.chmod(0o755)
    case = Case(None, load(tiny), [1, 2, 3], tokens=7)
    with llama_process(answers, case, tmp_path) as seconds:
        assert [seconds(), seconds()] == [0.5, 0.5]
    *_, folder, dtype, _, _, prompt, tokens = Path(f"{answers}.args").read_text().split()
    assert (folder, dtype, prompt, tokens) == (str(tiny), "float32", "3", "7")


def test_a_case_is_told_as_how_many_times_as_fast(tiny: Path) -> None:
    case = Case(None, load(tiny), [1, 2, 3], tokens=5)
    figure = case.figure("decode", "peer", lambda: 1e9, Bar(2, at_least=True), rounds=2)
    assert figure.met and figure.value.count == 2 and figure.value.low > 1e9
    assert figure.what == "0M parameters, float32"
    assert figure.detail.endswith("tok/s, peer 0.0 tok/s")
