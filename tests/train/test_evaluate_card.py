"""The measured part of a card, the page of samples, and that neither can be forged."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.errors import TrainingError
from chatcli.sampling.types import SamplingConfig
from chatcli.train.evaluation import Evaluation
from chatcli.train.evaluation.asking import Talk, Turn
from chatcli.train.evaluation.card import (
    BEGIN,
    CARD,
    END,
    UNMEASURED,
    check_card,
    measured_part,
    rewrite_card,
    samples_page,
)
from chatcli.train.evaluation.measures import converse
from chatcli.train.evaluation.scores import Passage, Result, Score, bits, share
from tests.fakes import ScriptedModel

SCORES: tuple[Score, ...] = (
    share("small talk", [Result("zh", True), Result("en", False)]),
    bits("bits per character, lm_zh", [Passage(30.0, 10)]),
)
TALKS = (
    Talk("zh-1", "zh", (Turn("你好", "你好！\n很高兴。", "eos"), Turn("嗯", "好" * 3, "length"))),
    Talk("en-1", "en", (Turn("Hi", f"{END}\n| x | <b>*\x1b", "eos"),)),
)


def measured(scores: tuple[Score, ...] = SCORES) -> Evaluation:
    return Evaluation("toy", 1234, "ab" * 32, 7, scores, TALKS)


def part() -> str:
    return measured_part(measured(), TALKS, "temperature 0.4")


def test_the_table_has_a_column_a_language_and_the_interval() -> None:
    assert [line for line in part().splitlines() if line.startswith("|")] == [
        "| measure | all | 95 % interval | zh | en | items |",
        "|---|--:|--:|--:|--:|--:|",
        "| small talk | 50.0% | 9.5% to 90.5% | 100.0% | 0.0% | 2 |",
        "| bits per character, lm_zh | 3.000 |  |  |  | 1 |",
    ]


def test_conversations_are_quoted_whole_and_marked_where_they_were_cut() -> None:
    assert "> user: 你好  \n> model: 你好！  \n> 很高兴。  \n" in part()
    assert "> model: 好好好 *(cut)*  \n" in part()
    assert "temperature 0.4, seed 7" in part()


def test_what_a_model_said_can_not_end_the_part_or_become_markup(tmp_path: Path) -> None:
    path = tmp_path / CARD
    for _ in range(2):
        rewrite_card(path, part())
    text = path.read_text(encoding="utf-8")
    assert text.count(END) == 1
    assert r"\| x \| \<b\>\*␛" in text
    assert "\x1b" not in text


def test_only_the_measured_part_is_rewritten_and_again_the_same(tmp_path: Path) -> None:
    path = tmp_path / CARD
    path.write_text(f"# toy\n\nBefore.\n\n{UNMEASURED}\n## After\n\nBy hand.\n", encoding="utf-8")
    rewrite_card(path, part())
    once = path.read_text(encoding="utf-8")
    assert once.startswith(f"# toy\n\nBefore.\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\n## After\n\nBy hand.\n")
    assert "Not measured yet" not in once
    rewrite_card(path, part())
    assert path.read_text(encoding="utf-8") == once


def test_a_card_without_the_part_gets_it_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / CARD
    path.write_text("# toy\n\nBy hand.\n", encoding="utf-8")
    rewrite_card(path, part())
    once = path.read_text(encoding="utf-8")
    assert once.startswith(f"# toy\n\nBy hand.\n\n{BEGIN}\n")
    rewrite_card(path, part())
    assert path.read_text(encoding="utf-8") == once


def test_a_folder_without_a_card_gets_one(tmp_path: Path) -> None:
    rewrite_card(check_card(tmp_path), part())
    assert (tmp_path / CARD).read_text(encoding="utf-8").startswith(f"# {tmp_path.name}\n\n{BEGIN}")


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}", UNMEASURED * 2])
def test_a_card_whose_marks_do_not_match_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=r"MODEL_CARD\.md: its measured part needs one"):
        check_card(tmp_path)
    assert (tmp_path / CARD).read_text(encoding="utf-8") == text


def test_a_model_without_a_folder_has_no_card(tmp_path: Path) -> None:
    for place in (None, tmp_path / "weights.gguf"):
        with pytest.raises(TrainingError, match="--card needs a checkpoint's"):
            check_card(place)


def test_the_page_of_samples_has_a_box_a_reply_and_what_is_wrong() -> None:
    rows = [line for line in samples_page(measured()).splitlines() if line.startswith("| [ ]")]
    assert rows[0] == "| [ ] | zh-1 | 你好 | 你好！<br>很高兴。 |  |"
    assert rows[1].count("<br>") == 1 and r"\| x \|" in rows[1]
    assert len(rows) == len(TALKS)


def test_conversations_differ_in_luck_and_follow_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text('{"id": "a", "turns": ["Hi", "Bye"]}\n' * 2, encoding="utf-8")

    def talks(seed: int) -> tuple[Talk, ...]:
        model = ScriptedModel(["Good day.", "See you."], peak=6.0, noise=1.0)
        config = SamplingConfig(temperature=1.0)
        return converse(model, path, config, seed, lambda *each: None)

    first, second = talks(1)
    assert [turn.said for turn in first.turns] == ["Hi", "Bye"]
    assert first.turns != second.turns
    assert talks(1) == (first, second) != talks(2)
