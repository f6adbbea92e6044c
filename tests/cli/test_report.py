"""`chatcli report`: of a conversation, of a trace, and everything that can't be reported."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import run
from tests.fakes import tiny_checkpoint

GREEDY = ("--seed", "3", "--max-tokens", "9")


@pytest.fixture
def session(tiny: Path) -> str:
    """A kept conversation of two turns."""
    return chatted(tiny, "世界\nhello\n")


def chatted(model: Path, said: str, *more: str) -> str:
    assert run("chat", "-m", model, *GREEDY, *more, stdin=said).status == 0
    found: str = run("sessions", "--json").objects[0]["id"]
    return found


def figures(text: str) -> dict[str, Any]:
    """The block of JSON that a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_conversation_is_told_token_by_token(session: str, tmp_path: Path) -> None:
    path = tmp_path / "报告.html"
    outcome = run("report", session, "-o", path)
    text = path.read_text(encoding="utf-8")
    assert outcome.status == 0 and not outcome.out
    assert outcome.err.splitlines()[-1] == f"wrote {path}, {path.stat().st_size:,} bytes"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    replies = figures(text)["replies"]
    assert [len(each) for each in replies] == [9, 9] and "世界" in text
    assert "<dt>seed</dt><dd>3</dd>" in text and "<dt>checkpoint</dt>" in text
    assert len(re.findall(r"tiny, [0-9a-f]{64}", text)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["报告.html"]


def test_a_trace_tells_the_same_as_the_conversation(tiny: Path, tmp_path: Path) -> None:
    """Two ways to the same figures: retraced by the model, and written down as it went."""
    path = tmp_path / "t.jsonl.gz"
    session = chatted(tiny, "世界\nhello\n", "--trace", str(path), "--trace-top", "300")
    kept, traced = (figures(run("report", each, "-o", "-").out) for each in (session, path))
    for reply, other in zip(kept["replies"], traced["replies"], strict=True):
        for one, two in zip(reply, other, strict=True):
            assert kept["ids"][one[0]] == traced["ids"][two[0]]
            assert one[1] == pytest.approx(two[1], rel=2e-3)
            assert one[3:6] == pytest.approx(two[3:6], rel=2e-3)


def test_a_trace_needs_no_model(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    model = tiny_checkpoint(tmp_path / "gone")
    run("complete", "世界", "-m", model, *GREEDY, "--trace", path)
    for file in model.iterdir():
        file.unlink()
    text = run("report", path, "-o", "-").out
    assert "<h1" in text and "t.jsonl" in text and len(figures(text)["replies"][0]) == 9


def test_a_reply_of_another_checkpoint_is_shown_without_probabilities(
    session: str, tmp_path: Path
) -> None:
    other = tiny_checkpoint(tmp_path / "other", seed=5)
    outcome = run("report", session, "-o", "-", "-m", other)
    assert outcome.status == 0 and "script-src" not in outcome.out
    assert (
        "turn 1: written by tiny" in outcome.err and "another checkpoint than other" in outcome.err
    )
    assert outcome.out.count('class="note"') == 2


def test_an_imported_reply_has_no_probabilities(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "an answer"}]
    path.write_text(json.dumps({"messages": said}))
    session = run("sessions", "import", path, "-m", tiny).out.strip()
    outcome = run("report", session, "-o", "-")
    assert "an answer" in outcome.out and "only the text of its reply is known" in outcome.err


def test_candidates_are_as_many_as_asked_for(session: str) -> None:
    for top in (1, 4):
        replies = figures(run("report", session, "-o", "-", "--top", str(top)).out)["replies"]
        assert {len(token[8]) // 4 for reply in replies for token in reply} <= {top, top + 1}


def test_a_report_overwrites_only_where_told_to(session: str, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("mine")
    outcome = run("report", session, "-o", path)
    assert outcome.only_error == f"{path} exists; choose another name, or --force"
    assert path.read_text() == "mine"
    assert run("report", session, "-o", path, "--force").status == 0
    assert path.read_text().startswith("<!doctype html>")


def test_a_trace_that_breaks_off_is_told_as_far_as_it_goes(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    run("complete", "世界", "-m", tiny, *GREEDY, "--trace", path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    outcome = run("report", path, "-o", "-")
    assert outcome.status == 1 and "breaks off at line 6" in outcome.only_error
    text = outcome.out
    assert "breaks off at line 6" in text and len(figures(text)["replies"][0]) == 3


def test_what_cannot_be_reported_is_one_line(session: str, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    trace.write_text("no trace\n")
    for arguments, error in (
        (("nonesuch",), "nonesuch"),
        ((trace,), "t.jsonl"),
        ((trace, "--branch", "x"), "--branch x is of a conversation"),
        ((trace, "-m", "builtin"), "is a trace, which needs no model; drop --model"),
        ((session, "--branch", "x"), "there is no branch 'x'"),
        ((session, "-m", tmp_path / "gone"), "-m NAME says where the checkpoint is now"),
    ):
        outcome = run("report", *arguments, "-o", tmp_path / "r.html")
        assert outcome.status in (1, 2) and error in outcome.only_error and not outcome.out
    assert not (tmp_path / "r.html").exists()
    assert "-o" in run("report", session).only_error
