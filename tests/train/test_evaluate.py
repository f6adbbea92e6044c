"""Scoring what a model says: every measure on scripted models, and the errors of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatcli.engine.types import Finish
from chatcli.errors import TrainingError
from chatcli.train import evaluation
from chatcli.train.evaluation import evaluate, measures
from chatcli.train.evaluation.asking import answer, continuation, passage
from chatcli.train.evaluation.matching import flaws, loops, stands_alone
from chatcli.train.evaluation.measures import everyday, other_wordings, recall, small_talk
from chatcli.train.evaluation.scores import Score
from tests.fakes import EOS, ScriptedModel

FACT = {
    "completion_prompt": "The capital of Japan is ",
    "question": "Capital of Japan?",
    "accept": ["Tokyo"],
}
LOOP = "the cat sat down and " * 4


def quiet(name: str, done: int, total: int) -> None:
    """A watch that shows nothing."""


def lines(path: Path, *items: dict[str, Any]) -> Path:
    text = "\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def values(score: Score) -> tuple[float, dict[str, float]]:
    return score.overall.value, {key: each.value for key, each in score.by_language.items()}


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """chatcli's own questions, one of each kind instead of hundreds."""
    folder = tmp_path / "ours"
    folder.mkdir()
    words = {"id": "a", "input": "Japan's capital:", "accept": ["Tokyo"]}
    both = [{**words, "kind": kind, "lang": "en"} for kind in ("completion", "question")]
    lines(folder / "wordings.jsonl", *both)
    lines(folder / "everyday.jsonl", {"id": "e", "lang": "en", "input": "Rain again."})
    monkeypatch.setattr(evaluation, "OURS", folder)
    return folder


@pytest.mark.parametrize(
    ("text", "accept", "hit"),
    [
        ("是珠穆朗玛峰。", ["珠穆朗玛"], True),
        (" It is Seven days", ["seven"], True),
        ("17 days", ["7"], False),
        ("a hundred", ["red"], False),
        ("二十四小时", ["四"], False),
        ("3.5 metres", ["5"], False),
        ("x" * 36 + "Asia", ["Asia"], False),
        ("." * 36 + "Asia", ["Asia"], True),
        ("." * 37 + "Asia", ["Asia"], False),
        ("." * 39 + "5.2", ["5"], False),
    ],
)
def test_an_answer_must_stand_alone_near_the_start(text: str, accept: list[str], hit: bool) -> None:
    assert stands_alone(text, accept, 40) is hit


@pytest.mark.parametrize(
    ("reply", "finish", "found"),
    [
        ("It is fine.", "eos", ()),
        ("It is fine.", "stop", ()),
        ("It is", "length", ("unfinished",)),
        ("It is", "context", ("unfinished",)),
        ("Ja\ufffd.", "eos", ("broken",)),
        ("Ja\ud8ff.", "eos", ("broken",)),
        (" \n", "eos", ("empty",)),
        (LOOP, "eos", ("loop",)),
        (LOOP + "\ufffd", "length", ("unfinished", "broken", "loop")),
    ],
)
def test_what_a_program_can_find_wrong_is_named(
    reply: str, finish: Finish, found: tuple[str, ...]
) -> None:
    assert flaws(reply, finish) == found


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("小鹿问我们。小鹿问我们。小鹿问我们。", True),
        ("小鹿问我们。小鹿问我们。", False),
        ("哈哈哈哈哈哈哈哈哈", False),
        ("哈" * 12, True),
        ("I like tea. You like tea. We all like tea, I think.", False),
        ("I like green tea. I like Green tea! I like green tea", True),
        ("." * 12, True),
        ("word " * 12, True),
        ("", False),
    ],
)
def test_a_loop_is_four_words_in_a_row_three_times(text: str, loop: bool) -> None:
    assert loops(text) is loop


def test_facts_are_scored_in_all_and_in_each_language(tmp_path: Path, few: Path) -> None:
    wrong = {**FACT, "accept": ["Kyoto"], "lang": "zh"}
    lines(tmp_path / "facts.jsonl", {**FACT, "lang": "en"}, wrong)
    done = evaluate(ScriptedModel("Tokyo."), tmp_path, watch=quiet)
    assert {score.name: values(score) for score in done.scores} == {
        "facts, visible wording: completion": (0.5, {"en": 1.0, "zh": 0.0}),
        "facts, visible wording: question": (0.5, {"en": 1.0, "zh": 0.0}),
        "facts, other wordings: completion": (1.0, {"en": 1.0}),
        "facts, other wordings: question": (1.0, {"en": 1.0}),
        "facts, other wordings: both": (1.0, {"en": 1.0}),
        "sampled replies, mechanical": (1.0, {"en": 1.0}),
    }
    assert done.left_out == ("smalltalk.jsonl", "multiturn.jsonl", "lm_zh.txt", "lm_en.txt")


def test_without_a_folder_chatclis_own_questions_are_asked(tmp_path: Path, few: Path) -> None:
    for folder in (None, tmp_path / "gone"):
        done = evaluate(ScriptedModel("Oslo."), folder, watch=quiet)
        assert [values(score)[0] for score in done.scores] == [0.0, 0.0, 0.0, 1.0]
        assert len(done.left_out) == 5


def test_both_wordings_of_a_fact_must_be_right_for_both(tmp_path: Path) -> None:
    asked = {"id": "b", "kind": "question", "input": "Capital of Japan?", "accept": ["Tokyo"]}
    path = lines(
        tmp_path / "w.jsonl",
        {**asked, "id": "a", "kind": "completion"},
        {**asked, "id": "a", "accept": ["Kyoto"]},
        {**asked, "kind": "completion"},
        asked,
    )
    scores = other_wordings(ScriptedModel("Tokyo."), path, quiet)
    assert [values(score) for score in scores] == [(1.0, {}), (0.5, {}), (0.5, {})]


def test_small_talk_matches_within_its_window(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", {"user": "hi", "accept_regex": ["^HELLO", "x{9}"]})
    for reply, value in (("Hello!", 1.0), ("Oh, hello", 0.0), ("." * 80 + "x" * 9, 0.0)):
        (score,) = small_talk(ScriptedModel(reply), path, quiet)
        assert values(score) == (value, {})


def test_recall_answers_every_turn_and_scores_the_last(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", {"turns": ["I'm Ann.", "My name?"], "accept": ["Ann"]})
    for replies, value in ((["Hello.", "Ann."], 1.0), (["Ann.", "Hello."], 0.0)):
        (score,) = recall(ScriptedModel(replies), path, quiet)
        assert values(score) == (value, {})


def test_a_turn_of_recall_has_at_most_64_tokens(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", {"turns": ["Go on.", "And?"], "accept": ["z"]})
    model = ScriptedModel(["ab" * 100, "." * 70 + "z"])
    (score,) = recall(model, path, quiet)
    assert values(score) == (0.0, {})
    first, last = max(model.fed, key=len), model.fed[-1]
    assert len(first) < 64 and len(last) == 1
    assert sum(map(len, model.fed)) < 64 * 2 + 40


def test_an_answer_is_left_as_soon_as_it_can_be_judged() -> None:
    model = ScriptedModel("x" * 200)
    assert continuation(model, "a", tokens=100, window=40) == "x" * 42
    assert len(model.fed) == 42
    assert answer(model, ["a"], tokens=100, window=80) == "x" * 82


def test_leading_blanks_do_not_use_up_the_window() -> None:
    said = continuation(ScriptedModel(" " * 50 + "Oslo"), "a", tokens=100, window=40)
    assert stands_alone(said, ["Oslo"], 40)


def test_a_question_that_does_not_fit_the_context_is_a_miss(tmp_path: Path) -> None:
    model = ScriptedModel("Tokyo", context_length=16)
    assert answer(model, ["long " * 9], tokens=4, window=40) == ""
    assert continuation(model, "long " * 9, tokens=4, window=40) == ""
    path = lines(tmp_path / "e.jsonl", {"id": "e", "input": "long " * 9})
    (talk,) = everyday(model, path, 0, quiet)
    assert (talk.turns[0].reply, talk.turns[0].finish) == ("", "context")


def uniform(tokens: object) -> list[float]:
    return [0.0] * 256


def test_bits_per_character_of_uniform_bytes_is_their_entropy() -> None:
    for text, each in (("山", 24.0), ("ab", 8.0)):
        read = passage(ScriptedModel(uniform), text)
        assert read.characters == len(text)
        assert read.bits / read.characters == pytest.approx(each)


def test_a_passage_longer_than_the_context_is_read_in_pieces() -> None:
    model = ScriptedModel(uniform, context_length=10)
    assert passage(model, "abcdefghi" * 3).bits == pytest.approx(27 * 8.0)
    assert max(map(len, model.fed)) == 10


def test_passages_give_bits_and_no_languages(tmp_path: Path, few: Path) -> None:
    (tmp_path / "lm_zh.txt").write_text("山高。\n \n水长。\n", encoding="utf-8")
    done = evaluate(ScriptedModel(uniform), tmp_path, watch=quiet)
    (score,) = [score for score in done.scores if score.unit == "bits"]
    assert score.name == "bits per character, lm_zh"
    assert score.overall.count == 2
    for value in (score.overall.value, score.overall.low, score.overall.high):
        assert value == pytest.approx(24.0)


def test_sampled_replies_follow_the_seed_and_differ_in_luck(tmp_path: Path) -> None:
    def ends_sometimes(tokens: object) -> list[float]:
        return [0.0] * EOS + [3.0]

    path = lines(tmp_path / "e.jsonl", *[{"id": f"{n}", "input": "Rain."} for n in range(4)])
    first = everyday(ScriptedModel(ends_sometimes), path, 7, quiet)
    assert first == everyday(ScriptedModel(ends_sometimes), path, 7, quiet)
    assert first != everyday(ScriptedModel(ends_sometimes), path, 8, quiet)
    assert len({talk.turns for talk in first}) == 4


def test_a_sampled_reply_that_never_ends_is_cut_and_not_sound(tmp_path: Path) -> None:
    path = lines(tmp_path / "e.jsonl", {"id": "a", "lang": "en", "input": "Rain."})
    talks = everyday(ScriptedModel("x" * 500), path, 0, quiet)
    assert talks[0].turns[0].reply == "x" * 128
    assert values(measures.sound(talks)) == (0.0, {"en": 0.0})


def test_the_watcher_hears_of_every_question(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    path = lines(tmp_path / "s.jsonl", *[{"user": "hi", "accept_regex": ["a"]}] * 2)
    list(small_talk(ScriptedModel("a"), path, lambda *each: heard.append(each)))
    assert heard == [("small talk", 0, 2), ("small talk", 1, 2)]


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("facts.jsonl", '{"question": "a"}', "line 1: completion_prompt is no text.*there"),
        ("facts.jsonl", "\n{oops", "line 2: not JSON"),
        ("facts.jsonl", "[]", "line 1: not a JSON object"),
        ("facts.jsonl", "", "holds no questions"),
        ("facts.jsonl", json.dumps({**FACT, "accept": []}), "accept is no list of texts"),
        ("facts.jsonl", json.dumps({**FACT, "accept": [""]}), "accept is no list of texts"),
        ("facts.jsonl", json.dumps({**FACT, "accept": "Tokyo"}), "got 'Tokyo'"),
        ("facts.jsonl", json.dumps({**FACT, "lang": 1}), "lang is no text; got 1"),
        ("smalltalk.jsonl", '{"user": "a", "accept_regex": ["("]}', "accept_regex has a bad"),
        ("multiturn.jsonl", '{"turns": [1], "accept": ["a"]}', "turns is no list of texts"),
        ("lm_en.txt", " \n\n \n", "holds no passages"),
    ],
)
def test_a_file_that_is_not_what_is_asked_for_is_named(
    tmp_path: Path, few: Path, name: str, text: str, names: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=f"{name}.*{names}"):
        evaluate(ScriptedModel("a"), tmp_path, watch=quiet)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, few: Path) -> None:
    (tmp_path / "lm_en.txt").write_bytes(b"abc\xff")
    with pytest.raises(TrainingError, match=r"lm_en\.txt: not UTF-8 at byte 3"):
        evaluate(ScriptedModel("a"), tmp_path, watch=quiet)


def test_a_folder_without_questions_is_refused(few: Path) -> None:
    with pytest.raises(TrainingError, match=r"has none of facts\.jsonl"):
        evaluate(ScriptedModel("a"), few, watch=quiet)
