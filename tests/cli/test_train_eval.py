"""`chatcli train eval` from the command line, on a random checkpoint and few questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatcli.train import evaluation
from chatcli.train.evaluation import questions
from tests.cli.world import Outcome, run
from tests.fakes import tiny_checkpoint

OURS: dict[str, list[dict[str, Any]]] = {
    "wordings.jsonl": [
        {"id": "a", "lang": "en", "kind": "completion", "input": "the north", "accept": ["is"]},
        {"id": "a", "lang": "en", "kind": "question", "input": "the north?", "accept": ["is"]},
    ],
    "everyday.jsonl": [{"id": "e", "lang": "zh", "input": "世界"}],
    "conversations.jsonl": [{"id": "t", "lang": "zh", "turns": ["世界", "山"]}],
}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint, with chatcli's own questions cut down to a few."""
    folder = tmp_path / "ours"
    folder.mkdir()
    for name, items in OURS.items():
        text = "\n".join(json.dumps(item, ensure_ascii=False) for item in items)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(evaluation, "OURS", folder)
    monkeypatch.setattr(questions, "OURS", folder)
    return tiny_checkpoint(tmp_path / "tiny")


def ask(model: Path, *arguments: str | Path) -> Outcome:
    return run("train", "eval", "-m", model, *arguments)


def test_the_table_is_printed_and_what_was_not_asked_is_said(model: Path) -> None:
    done = ask(model)
    assert done.status == 0
    first = [line.split("  ")[0] for line in done.out.splitlines()]
    assert first[:5] == [
        "measure",
        "facts, other wordings: completion",
        "facts, other wordings: question",
        "facts, other wordings: both",
        "sampled replies, mechanical",
    ]
    assert "not asked: facts.jsonl, smalltalk.jsonl" in done.err
    assert "with --questions" in done.err


def test_a_folder_that_is_not_there_is_a_remark(model: Path, tmp_path: Path) -> None:
    done = ask(model, "--questions", tmp_path / "gone")
    assert done.status == 0
    assert f"lm_en.txt, which {tmp_path / 'gone'} doesn't hold" in done.err


def test_json_is_one_object_and_the_same_for_the_same_seed(model: Path) -> None:
    (first,) = ask(model, "--json", "--seed", "3").objects
    assert ask(model, "--json", "--seed", "3").objects == [first]
    assert [each["id"] for each in first["replies"]] == ["e"]
    assert ask(model, "--json", "--seed", "4").objects != [first]


def test_samples_are_written_and_never_over_ticks(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert ask(model, "--samples", page).status == 0
    text = page.read_text(encoding="utf-8")
    assert "| [ ] | e | 世界 |" in text
    again = ask(model, "--samples", page)
    assert again.status == 2 and "exists, perhaps with ticks" in again.only_error
    assert page.read_text(encoding="utf-8") == text
    away = ask(model, "--samples", tmp_path / "no" / "page.md")
    assert away.status == 2 and "No such file" in away.only_error


def test_the_card_keeps_what_was_written_by_hand(model: Path) -> None:
    card = model / "MODEL_CARD.md"
    card.write_text("# mine\n\nBy hand.\n", encoding="utf-8")
    assert ask(model, "--card", "--seed", "5").status == 0
    once = card.read_text(encoding="utf-8")
    assert once.startswith("# mine\n\nBy hand.\n")
    assert "| sampled replies, mechanical |" in once
    assert "temperature 0.7, top-k 40, top-p 0.9, seed 5" in once
    assert once.count("> user: ") == 2
    ask(model, "--card", "--seed", "5")
    assert card.read_text(encoding="utf-8") == once
