"""Reading, expanding and holding out training text."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from pathlib import Path

import pytest

from chatcli.errors import TrainingError
from chatcli.text.types import Message
from chatcli.train.corpus import Reading, read_conversations, read_documents
from chatcli.train.facts import fact_conversations, parse_fact
from chatcli.train.heldout import HeldOut, normalise
from chatcli.train.recipe import BUILTIN_RECIPE, load_recipe
from tests.shared import shared_path

TALK = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
}


def test_blank_lines_part_documents_in_plain_gz_and_xz(tmp_path: Path) -> None:
    text = "一\n二\n\n\n三\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    with lzma.open(tmp_path / "c.txt.xz", "wt", encoding="utf-8") as file:
        file.write(text)
    for path in sorted(tmp_path.iterdir()):
        assert list(read_documents(path, Reading())) == ["一\n二", "三"]


def test_bad_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    lines = [json.dumps(TALK), "{oops", "[]", json.dumps({"messages": []}), json.dumps(TALK)]
    path.write_text("\n".join(lines), encoding="utf-8")
    reading = Reading()
    talks = list(read_conversations(path, reading))
    assert talks == [(Message("user", "你好"), Message("assistant", "你好！"))] * 2
    assert [bad.line for bad in reading.bad] == [2, 3, 4]
    assert "not JSON" in reading.bad[0].why


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.txt.*corpus"):
        list(read_documents(tmp_path / "gone.txt", Reading()))


def test_an_unfinished_statement_is_completed_by_what_it_lacks() -> None:
    fact = parse_fact(
        {
            "questions": ["日本的首都是哪里？"],
            "completions": ["日本的首都是", "日本首都叫"],
            "answer": "日本的首都是东京。",
            "answers": ["东京是日本的首都。"],
        }
    )
    assert fact is not None
    assert fact.statements == (
        "日本的首都是东京。",
        "日本首都叫东京。",
        "日本的首都是东京。",
        "东京是日本的首都。",
    )


def test_a_statement_that_no_answer_begins_with_takes_the_short_answer() -> None:
    english = {
        "completion_prompt": "The colour of snow is",
        "question": "What colour is snow?",
        "answer": "Snow is white.",
        "accept": ["white"],
    }
    fact = parse_fact(english)
    assert fact is not None
    assert fact.statements == ("The colour of snow is white.", "Snow is white.")


def test_every_question_gets_one_of_the_answers() -> None:
    fact = parse_fact({"questions": ["a", "b"], "completions": [], "answer": "x", "answers": ["y"]})
    assert fact is not None
    talks = list(fact_conversations(fact, random.Random(1)))
    assert [talk[0].content for talk in talks] == ["a", "b"]
    assert {talk[1].content for talk in talks} <= {"x", "y"}


def test_a_held_out_sentence_is_found_through_case_width_and_punctuation() -> None:
    held = HeldOut(["The goat, Barnaby, was AFRAID.", "短"])
    assert held.touches("so ｔｈｅ goat barnaby was afraid of it")
    assert not held.touches("the goat was afraid")
    assert not held.touches("短")  # too short to be told from chance
    assert normalise("Ａ，b 1") == "ab1"


def test_each_sentence_of_a_held_out_passage_counts(tmp_path: Path) -> None:
    path = tmp_path / "lm.txt"
    path.write_text("村口有一棵老槐树，很老。树下常年摆着一张石桌。\n", encoding="utf-8")
    held = HeldOut.from_files([path])
    assert held.touches("他说：树下常年摆着一张石桌！")


def test_a_recipe_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.toml: No such file or directory; name a"):
        load_recipe(tmp_path / "gone.toml")


def test_the_built_in_recipe_names_files_that_exist() -> None:
    corpus = shared_path("corpus")
    recipe = load_recipe(BUILTIN_RECIPE)
    for phase in recipe.phases:
        for source in phase.sources:
            assert (corpus / source.path).exists(), source.path


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("seed =", "depth = 3\nseed =", "depth"),
        ('kind = "pretrain"', 'kind = "dream"', "dream"),
        ("hidden_size =", "wings = 2\nhidden_size =", "wings"),
        ("seed =", "seed = =", "line"),
        ("epochs = 0.75", "epochs = 0", "epochs 0"),
        ("head_dim = 64\n", "", "head_dim"),
        ("head_dim = 64", "head_dim = 63", "head_dim is 63.*even"),
        ("vocab_size = 8192", "vocab_size = 100", "vocab_size is 100.*261"),
        ("num_key_value_heads = 2", "num_key_value_heads = 3", "3, but must be a divisor of 4"),
        ("row_length = 512", "row_length = 4096", "row_length is 4096.*2048"),
        ("batch_rows = 8", "batch_rows = 0", "batch_rows is 0"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, old: str, new: str, names: str) -> None:
    text = BUILTIN_RECIPE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "recipe.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TrainingError, match=names):
        load_recipe(path)
