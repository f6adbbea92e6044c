"""Traces as files: what is recorded comes back, and what was spoilt is named in one line."""

from __future__ import annotations

import gzip
import json
import lzma
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chatcli.engine.decode import Decoding
from chatcli.errors import OutputError, TraceError, UsageError
from chatcli.probe.trace_file import TraceFile
from chatcli.probe.trace_reading import read_trace
from chatcli.probe.tracing import Recorder
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.random import uniform
from chatcli.sampling.types import SamplingConfig
from tests.fakes import BOS, EOS, ScriptedModel
from tests.probe.recorded import random_rows, recorded

CONFIG = SamplingConfig(temperature=0.9, top_k=5, xtc_probability=0.5, seed=3)


def trace(path: Path, *, close: bool = True) -> list[int]:
    """Record "hello" and return its ids."""
    model = ScriptedModel("hello", noise=3.0, peak=8.0)
    recorder = Recorder(path, top=4)
    decoding = Decoding(model, [BOS], recorder.chain(CONFIG, model), max_tokens=6)
    ids = [step.token for step in decoding]
    if close:
        recorder.close()
    return ids


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.xz"])
def test_a_trace_comes_back_from_every_kind_of_file(ending: str, tmp_path: Path) -> None:
    ids = trace(tmp_path / f"t.{ending}")
    found = read_trace(tmp_path / f"t.{ending}")
    (sample,) = found.samples
    assert found.cut is None and found.top == sample.top == 4
    assert [one.token for one in sample.positions] == ids
    assert sample.prompt_ids == (BOS,) and sample.seed == 3
    assert sample.sampling == CONFIG and EOS in sample.eos_ids
    assert found.token_bytes(ids[0]) == bytes([ids[0]])


def test_recording_changes_nothing_that_is_drawn(tmp_path: Path) -> None:
    model = ScriptedModel("hello", noise=3.0, peak=8.0)
    plain = [step.token for step in Decoding(model, [BOS], SamplerChain(CONFIG), max_tokens=6)]
    assert trace(tmp_path / "t") == plain


def test_a_position_has_what_was_drawn_from(tmp_path: Path) -> None:
    rows = random_rows(1, 3, 3.0)
    sample = recorded(tmp_path / "t", rows, CONFIG, 10)
    for row, seen in zip(rows, sample.positions, strict=True):
        logits = row.double().numpy()
        order = np.argsort(-logits, kind="stable")
        assert seen.tokens[:10].tolist() == order[:10].tolist()
        assert seen.logits.tolist() == logits[seen.tokens].tolist()
        assert math.isclose(seen.logsumexp, np.logaddexp.reduce(logits), rel_tol=1e-12)
        assert seen.u == uniform(3, seen.position)
        assert seen.streams == {1: uniform(3, seen.position, 1)}
        assert seen.interval is not None and seen.u is not None
        assert seen.interval[0] <= seen.u < seen.interval[1]


def test_the_rest_of_a_row_is_summed_up(tmp_path: Path) -> None:
    rows = random_rows(1, 3, 3.0)
    sample = recorded(tmp_path / "t", rows, CONFIG, 10)
    for row, seen in zip(rows, sample.positions, strict=True):
        logits = np.delete(row.double().numpy(), seen.tokens)
        logits = logits[logits > -np.inf]
        total = np.logaddexp.reduce(logits)
        probs = np.exp(logits - total)
        assert seen.rest is not None
        assert (seen.rest.count, seen.rest.max) == (logits.size, logits.max())
        expected = (total, logits.mean(), logits.std(), -(probs * np.log2(probs)).sum())
        rest = seen.rest
        got = (rest.logsumexp, rest.mean, rest.spread, rest.entropy_bits)
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-9)
        assert math.isclose(rest.agreement, (probs**2).sum(), rel_tol=1e-9)


def test_a_record_of_the_whole_row_has_no_rest(tmp_path: Path) -> None:
    sample = recorded(tmp_path / "t", random_rows(1, 3, 3.0), CONFIG, 1000)
    assert all(seen.rest is None for seen in sample.positions)


def test_a_trace_is_for_the_user_alone(tmp_path: Path) -> None:
    trace(tmp_path / "t")
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600


def test_a_run_that_draws_nothing_leaves_no_file(tmp_path: Path) -> None:
    Recorder(tmp_path / "t").close()
    assert not (tmp_path / "t").exists()


def test_a_file_is_written_over_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        TraceFile(path)
    assert path.read_text() == "mine"
    TraceFile(path, force=True).close()
    assert path.read_text() == ""


def test_a_folder_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a file"):
        TraceFile(tmp_path, force=True)
    with pytest.raises(UsageError, match="there is no folder"):
        TraceFile(tmp_path / "none" / "t")


def test_an_ending_that_is_not_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.zst isn't written"):
        TraceFile(tmp_path / "t.zst")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    real = os.open
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda path, *rest: real("/dev/full", os.O_WRONLY))
        patch.setattr(os, "chmod", lambda path, mode: None)
        file = TraceFile(tmp_path / "t")
    file.write('{"a":1}')
    with pytest.raises(OutputError, match=r"can't write the trace .*: No space"):
        file.close()


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_what_a_killed_run_leaves_can_be_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    trace(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    found = read_trace(path)
    assert found.cut is not None
    assert found.samples[0].positions


def test_a_trace_without_its_end_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert read_trace(path).cut == f"line {len(lines)}"


def test_a_trace_cut_before_its_first_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace(path)
    lines = path.read_text().splitlines(keepends=True)
    for left in ("".join(lines[:2]), lines[0][:20], ""):
        path.write_text(left)
        with pytest.raises(TraceError, match="breaks off before its first token"):
            read_trace(path)


def test_an_edited_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace(path)
    lines = path.read_text().splitlines(keepends=True)
    assert '"index":1,' in lines[3]
    path.write_text("".join([*lines[:3], lines[3].replace('"index":1,', '"index":2,'), *lines[4:]]))
    with pytest.raises(TraceError, match="line 4 or one before it was edited"):
        read_trace(path)


def test_a_line_that_is_missing_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], *lines[4:]]))
    with pytest.raises(TraceError, match="line 4 or one before it"):
        read_trace(path)


def rewritten(path: Path, change: Callable[[list[dict[str, object]]], None]) -> None:
    """The trace again, with other lines and sums that vouch for them."""
    plain = [json.loads(line) for line in path.read_text().splitlines()]
    for line in plain:
        del line["check"]
    change(plain)
    file = TraceFile(path, force=True)
    for line in plain:
        file.write(json.dumps(line))
    file.close()


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (2, "u", 0.5),
        (2, "interval", [0.0, 1e-9]),
        (2, "position", 9),
        (2, "token", 77),
        (2, "logsumexp", 1.0),
        (2, "candidates", {"token": [1], "logit": []}),
        (2, "rest", {"count": 1}),
        (1, "sampling", {"temperature": -1}),
        (1, "prompt_ids", "many"),
        (1, "seed", 4),
        (1, "prompt_length", 2),
        (1, "prompt_ids", [9999]),
        (1, "checkpoint", {"vocab_size": 1 << 40}),
    ],
)
def test_an_edit_with_its_sum_set_right_is_noticed(
    line: int, name: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "t"
    trace(path)
    rewritten(path, lambda plain: plain[line].update({name: value}))
    with pytest.raises(TraceError, match=r"line \d isn't what a trace holds"):
        read_trace(path)


def test_a_trace_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trace(path)
    rewritten(path, lambda plain: plain[0].update({"trace": 2, "chatcli": "9.9"}))
    with pytest.raises(TraceError, match=r"version 2, and this chatcli reads version 1.*9\.9"):
        read_trace(path)


@pytest.mark.parametrize("text", ["hello\n", '{"a": 1}\n', "[]\n", "\x00\xff\n"])
def test_another_file_is_no_trace(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    for write in (path.write_bytes, lambda raw: path.write_bytes(gzip.compress(raw))):
        write(text.encode("latin-1"))
        with pytest.raises(TraceError, match="trace"):
            read_trace(path)


def test_damaged_compression_is_named(tmp_path: Path) -> None:
    for ending, pack in ((".gz", gzip.compress), (".xz", lzma.compress)):
        path = tmp_path / f"t{ending}"
        trace(path)
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2 : len(raw) // 2 + 8] = pack(b"")[:8]
        path.write_bytes(raw)
        with pytest.raises(TraceError, match=r"damaged|edited|breaks off"):
            read_trace(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none")
