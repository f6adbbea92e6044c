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
from chatcli.train.generate import GENERATORS
from chatcli.train.heldout import HeldOut, normalise
from chatcli.train.recipe import BUILTIN_RECIPE, load_recipe
from chatcli.train.sources import Corpus
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
    with pytest.raises(TrainingError, match=r"gone\.txt.*check the path"):
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
    corpus = Corpus(shared_path("corpus"), HeldOut([]), 0)
    recipe = load_recipe(BUILTIN_RECIPE)
    sources = [*recipe.tokenizer_sources, *(s for phase in recipe.phases for s in phase.sources)]
    generated = {source.path for source in sources if source.kind == "generated"}
    assert generated <= set(GENERATORS)
    files = {source.path for source in sources if source.kind != "generated"}
    assert [n for n in files | {*recipe.never_train_on} if not corpus.path(n).is_file()] == []


def test_the_built_in_recipe_trains_on_nothing_that_others_are_measured_by() -> None:
    recipe = load_recipe(BUILTIN_RECIPE)
    kept_out = {
        *(f"../eval/{name}" for name in ("lm_zh.txt", "lm_en.txt", "four_tasks.jsonl")),
        *(f"questions/{name}.jsonl" for name in ("wordings", "everyday")),
    }
    assert kept_out <= set(recipe.never_train_on)
    paths = {source.path for phase in recipe.phases for source in phase.sources}
    assert not paths & kept_out
    assert not any(path.startswith("questions/") for path in paths)


RECIPE = """
name = "toy"
seed = 1
tokenizer_sources = [{ path = "a.txt", kind = "text" }]

[shape]
vocab_size = 300
hidden_size = 64
intermediate_size = 128
num_hidden_layers = 1
num_attention_heads = 4
num_key_value_heads = 2
head_dim = 16
max_position_embeddings = 128

[[phases]]
name = "only"
kind = "pretrain"
row_length = 64
batch_rows = 8
matrix_lr = 0.01
other_lr = 0.01
sources = [
    { path = "a.txt", kind = "text", epochs = 0.75 },
    { path = "sums_zh", kind = "generated", count = 5 },
]
"""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("seed =", "depth = 3\nseed =", "depth"),
        ('kind = "pretrain"', 'kind = "dream"', "dream"),
        ("hidden_size =", "wings = 2\nhidden_size =", "wings"),
        ("seed =", "seed = =", "line"),
        ("epochs = 0.75", "epochs = 0", "epochs 0"),
        (", count = 5", "", "sums_zh: count is for generated text, and needed there"),
        ("epochs = 0.75", "count = 2", "a.txt: count is for generated text"),
        ("head_dim = 16\n", "", "head_dim"),
        ("head_dim = 16", "head_dim = 15", "head_dim is 15.*even"),
        ("vocab_size = 300", "vocab_size = 100", "vocab_size is 100.*261"),
        ("num_key_value_heads = 2", "num_key_value_heads = 3", "3, but must be a divisor of 4"),
        ("row_length = 64", "row_length = 129", "row_length is 129.*128"),
        ("batch_rows = 8", "batch_rows = 0", "batch_rows is 0"),
        ("batch_rows = 8", "batch_rows = 8\naccumulate = 3", "accumulate is 3.*divisor of 8"),
        ("[[phases]]", "[[phase]]", "phase"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, old: str, new: str, names: str) -> None:
    assert RECIPE.count(old) == 1
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    assert load_recipe(path).name == "toy"
    path.write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(TrainingError, match=names):
        load_recipe(path)
