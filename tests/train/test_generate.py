"""Conversations made by rule: deterministic, varied, and right."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from chatcli.errors import TrainingError
from chatcli.train.corpus import Conversation
from chatcli.train.generate import GENERATORS, chinese, english, fingerprint, generate
from chatcli.train.generate.recall import Recall
from chatcli.train.generate.scenes import load_scenes, load_tongue, play, speak
from chatcli.train.generate.slots import parse_slot
from chatcli.train.generate.smalltalk import SmallTalk
from chatcli.train.generate.surface import join_opener
from chatcli.train.generate.wording import expand
from chatcli.train.heldout import HeldOut
from chatcli.train.recipe import BUILTIN_RECIPE
from tests.shared import shared_path

BANKS = BUILTIN_RECIPE.parent / "banks"
NAMES = sorted(GENERATORS)
LANGUAGES = ("en", "zh")


def draw(name: str, count: int, seed: int = 1) -> list[Conversation]:
    return list(generate(name, count, random.Random(seed), BANKS))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_conversations(name: str) -> None:
    assert draw(name, 50) == draw(name, 50)
    assert draw(name, 50) != draw(name, 50, seed=2)


@pytest.mark.parametrize("name", NAMES)
def test_conversations_differ_alternate_and_end_with_the_assistant(name: str) -> None:
    talks = draw(name, 2000)
    assert len(set(talks)) >= 0.95 * len(talks)
    assert all(talk != following for talk, following in itertools.pairwise(talks))
    for talk in talks:
        roles = [message.role for message in talk]
        assert roles == ["user", "assistant"] * (len(talk) // 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_clean(name: str) -> None:
    for talk in draw(name, 3000):
        # What people type in small talk may be "…" or "???"; replies may not.
        for message in talk[1::2] if name.startswith("smalltalk") else talk:
            text = message.content
            assert text and text == text.strip()
            assert not re.search(
                r"  |[{}\[\]|]|[，。：；][，。：；！？]|[,;:][,;:.]| [,.;:?!] |//", text
            )
            assert "\n" not in text
        if name.startswith(("recall", "sums")):
            assert talk[-1].content[-1] in "。！？.!?", talk[-1].content


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_value_asked_for_stands_early_in_the_last_reply(language: str) -> None:
    recall, rng = Recall(language, BANKS), random.Random(1)
    for _ in range(5000):
        example = recall.example(rng)
        # British or American, for each conversation.
        reply, value = (
            text.casefold().replace("our", "or")
            for text in (example.talk[-1].content, example.value)
        )
        assert 0 <= reply.find(value) <= 60, (value, example.talk)


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_facts_of_one_topic_never_meet(language: str) -> None:
    recall, rng = Recall(language, BANKS), random.Random(1)
    pairs = [facts for _ in range(3000) if len(facts := recall.facts(rng)) == 2]
    assert len(pairs) > 500
    assert not any(first.scene.topics & second.scene.topics for first, second in pairs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recall_bank_is_broad(language: str) -> None:
    scenes = load_scenes(BANKS / f"recall_{language}.toml", load_tongue(language, BANKS))
    assert len(scenes) >= 35
    for scene in scenes:
        assert len(scene.says) >= 8, scene.name
        assert scene.acks
        for ask in scene.asks:
            assert len(ask.asks) >= 8, (scene.name, ask.value)
            assert len(ask.answers) >= 5, (scene.name, ask.value)


@pytest.mark.parametrize("kind", ["copying", "recall", "sums"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_of_every_scene_gives_its_value(kind: str, language: str) -> None:
    tongue, rng = load_tongue(language, BANKS), random.Random(3)
    for scene in load_scenes(BANKS / f"{kind}_{language}.toml", tongue):
        for ask in scene.asks:
            for answer in ask.answers:
                for text in answer:
                    values = play(scene, rng, tongue)
                    told = speak(((text,),), values, rng, tongue)[0].casefold()
                    assert ask.value.format_map(values).casefold() in told, (scene.name, text)


@pytest.mark.parametrize("kind", ["copying", "recall", "sums"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_wording_stands_twice_under_one_head(kind: str, language: str) -> None:
    record = tomllib.loads((BANKS / f"{kind}_{language}.toml").read_text(encoding="utf-8"))
    for name, scene in record.items():
        for part in (scene, *scene["ask"]):
            for head in ("says", "acks", "asks", "answers"):
                lines = [line for line in part.get(head, "").splitlines() if line]
                assert len(lines) == len(set(lines)), (name, head)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_entry_of_a_pool_is_there_once(language: str) -> None:
    for name, pool in load_tongue(language, BANKS).pools.items():
        assert [entry for entry, times in Counter(pool).items() if times > 1] == [], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pool_is_drawn_from(language: str) -> None:
    words = set()
    for path in BANKS.glob(f"*_{language}.toml"):
        if not path.name.startswith("pools"):
            for scene in tomllib.loads(path.read_text(encoding="utf-8")).values():
                for slots in (scene.get("draw", {}), *scene.get("cases", [])):
                    words |= {word for slot in slots.values() for word in slot.split()}
    through_full_name = {"surname", "given"}
    assert set(load_tongue(language, BANKS).pools) - words - through_full_name == set()


CHINESE = {chinese.number(value, True): value for value in range(1000)} | {"两": 2}
ENGLISH = {english.number(value, True): value for value in range(1000)}
SUM = {
    "加": "+", "加上": "+", "减": "-", "减去": "-", "乘": "*", "乘以": "*", "除以": "/",
    "plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/",
}  # fmt: skip
ZH_SUM = re.compile(
    r"(?<![加上\d零一二三四五六七八九十百两])([\d零一二三四五六七八九十百两]+)(加上?|减去?|乘以?|除以)([\d零一二三四五六七八九十百两]+)"
    r"(?:等于|是|得)([\d零一二三四五六七八九十百两]+)"
)
EN_SUM = re.compile(
    r"(?<!plus )(?<![a-z\d-])([a-z\d-]+) (plus|minus|times|multiplied by|divided by) ([a-z\d-]+)"
    r" (?:is|equals|makes) ((?:[a-z]+ hundred(?: and )?)?[a-z\d-]*)"
)


def value_of(text: str, words: dict[str, int]) -> int:
    text = text.strip().lower()
    return int(text) if text.isdigit() else words[text]


@pytest.mark.parametrize(
    ("name", "pattern", "words"),
    [("sums_zh", ZH_SUM, CHINESE), ("sums_en", EN_SUM, ENGLISH)],
)
def test_sums_are_right(name: str, pattern: re.Pattern[str], words: dict[str, int]) -> None:
    checked: Counter[str] = Counter()
    for talk in draw(name, 4000):
        for message in talk[1::2]:
            for first, sign, second, result in pattern.findall(message.content.lower()):
                a, b = value_of(first, words), value_of(second, words)
                sign = SUM[sign]
                right = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0}[sign]
                assert value_of(result, words) == right, message.content
                checked[sign] += 1
    assert min(checked[sign] for sign in "+-*/") > 50


def test_comparisons_are_right() -> None:
    checked = 0
    for talk in draw("sums_en", 4000):
        for message in talk[1::2]:
            found = re.match(r"(\S+) is (larger|bigger|smaller|less) than (\S+)\.", message.content)
            if found:
                a, b = (value_of(found[index], ENGLISH) for index in (1, 3))
                assert (a > b) == (found[2] in ("larger", "bigger"))
                checked += 1
    assert checked > 50


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (0, "零", "zero"), (10, "十", "ten"), (12, "十二", "twelve"), (20, "二十", "twenty"),
        (85, "八十五", "eighty-five"), (100, "一百", "one hundred"),
        (105, "一百零五", "one hundred and five"), (110, "一百一十", "one hundred and ten"),
        (999, "九百九十九", "nine hundred and ninety-nine"), (2004, "二千零四", "2004"),
    ],
)  # fmt: skip
def test_numbers_are_spelled_out(value: int, zh: str, en: str) -> None:
    assert chinese.number(value, True) == zh
    assert english.number(value, True) == en
    assert chinese.number(value, False) == english.number(value, False) == str(value)


def test_two_things_are_liang_in_chinese() -> None:
    assert chinese.count(2, True) == "两"
    assert chinese.count(12, True) == "十二"


@pytest.mark.parametrize(
    ("word", "with_article", "several"),
    [
        ("apple", "an apple", "apples"), ("university", "a university", "universities"),
        ("toy car", "a toy car", "toy cars"), ("egg", "an egg", "eggs"), ("box", "a box", "boxes"),
        ("ukulele", "a ukulele", "ukuleles"), ("umbrella", "an umbrella", "umbrellas"),
        ("hour", "an hour", "hours"), ("goose", "a goose", "geese"),
        ("cherry", "a cherry", "cherries"),
    ],
)  # fmt: skip
def test_articles_and_plurals(word: str, with_article: str, several: str) -> None:
    assert english.article(word) == with_article
    assert english.plural(word) == several


def test_english_articles_fit_the_words_in_the_talks() -> None:
    wrong = re.compile(
        r"(?<![\w'])(?:[Aa] (?:[aeioAEIO]|u[^nsk])|[Aa]n (?!1[18]\b)[^aeiouAEIOUh8\"])"
    )
    for name in ("recall_en", "sums_en"):
        for talk in draw(name, 3000):
            for message in talk:
                assert not wrong.search(message.content), message.content


def test_english_sentences_begin_with_a_capital() -> None:
    assert english.polish("it is 3 p.m. now. fine") == "It is 3 p.m. now. Fine"
    assert english.polish("I have one brothers.") == "I have one brother."
    assert english.polish("At 3 p.m..") == "At 3 p.m."


def test_a_small_letter_follows_an_opener_unless_it_is_a_name() -> None:
    assert join_opener("So, ", "What is it?") == "So, what is it?"
    assert join_opener("So, ", "Anna is here.") == "So, Anna is here."
    assert join_opener("Hi! ", "My name is Bo.") == "Hi! My name is Bo."
    assert join_opener("请问，", "几点？") == "请问，几点？"


def test_a_line_is_all_its_readings() -> None:
    assert expand("[a|b|] c[d|e]") == ("a cd", "a ce", "b cd", "b ce", "cd", "ce")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_sentence_and_no_dialogue_of_the_evaluation(language: str) -> None:
    folder = shared_path("eval")
    files = [folder / name for name in ("lm_zh.txt", "lm_en.txt", "four_tasks.jsonl")]
    held = HeldOut.from_files(files)
    # The multiple choice has answers such as "An umbrella"; only the recipe can drop those.
    held.passages = [passage for passage in held.passages if len(passage) > 10]
    lines = (folder / "multiturn.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {fingerprint(json.loads(line)["turns"]) for line in lines}
    listed = (BANKS / "held_out_dialogues.txt").read_text(encoding="ascii").split()
    assert asked <= set(listed)
    for kind in ("recall", "sums", "copying"):
        for talk in draw(f"{kind}_{language}", 1500):
            assert not held.touches(" ".join(message.content for message in talk)), talk
            assert fingerprint([m.content for m in talk if m.role == "user"]) not in asked


def copied(tmp_path: Path) -> Path:
    banks = tmp_path / "banks"
    shutil.copytree(BANKS, banks)
    return banks


def test_a_held_out_dialogue_is_never_drawn(tmp_path: Path) -> None:
    banks = copied(tmp_path)
    talks = list(generate("recall_zh", 200, random.Random(5), banks))
    users = [[m.content for m in talk if m.role == "user"] for talk in talks]
    short = next(turns for turns in users if len(turns) == 2)
    (banks / "held_out_dialogues.txt").write_text(fingerprint(short) + "\n", encoding="ascii")
    again = generate("recall_zh", 200, random.Random(5), banks)
    assert short not in [[m.content for m in talk if m.role == "user"] for talk in again]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_bank_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=r"No such file or directory; check") as caught:
        generate(name, 1, random.Random(1), tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unknown_generator_is_named() -> None:
    with pytest.raises(TrainingError, match=r"'poems'; there are copying_en"):
        generate("poems", 1, random.Random(1), BANKS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[a", "not TOML"),
        ('[a]\nsays = "x"\n', "scene a.*ask"),
        ('[a]\ndraw = { v = "moons" }\nask = []\n', "'moons' is no pool"),
    ],
)
def test_a_malformed_bank_is_one_clear_line(tmp_path: Path, text: str, names: str) -> None:
    banks = copied(tmp_path)
    (banks / "sums_en.toml").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=names) as caught:
        generate("sums_en", 1, random.Random(1), banks)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "names"),
    [("{", "line 1: not JSON"), ('{"intent": "a", "says": ["x"]}', "replies"), ("", "an intent")],
)
def test_a_malformed_line_of_small_talk_is_named(tmp_path: Path, line: str, names: str) -> None:
    banks = copied(tmp_path)
    (banks / "smalltalk_en.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=names):
        generate("smalltalk_en", 1, random.Random(1), banks)


def test_a_bank_of_one_conversation_is_refused(tmp_path: Path) -> None:
    banks = copied(tmp_path)
    bank = '{"intent": "greeting", "says": ["hi"], "replies": ["Hi!"]}\n'
    (banks / "smalltalk_en.jsonl").write_text(bank, encoding="utf-8")
    with pytest.raises(TrainingError, match="one conversation only"):
        list(generate("smalltalk_en", 3, random.Random(1), banks))


def test_what_is_grave_stands_alone() -> None:
    talk = SmallTalk("en", BANKS)
    grave = {says for intent in talk.intents if intent.name == "crisis" for says in intent.says}
    chains = [chain for chain in draw("smalltalk_en", 5000) if len(chain) > 2]
    assert grave
    assert chains
    assert not [chain for chain in chains if any(message.content in grave for message in chain)]


def test_reckoned_slots_follow_those_before_them() -> None:
    tongue, rng = load_tongue("en", BANKS), random.Random(1)
    assert parse_slot("number a - b", tongue)(rng, {"a": 9, "b": 4}, False) == 5
    assert parse_slot("after weekday d 3", tongue)(rng, {"d": "Saturday"}, False) == "Tuesday"
    other = parse_slot("season not a b c", tongue)
    assert other(rng, {"a": "spring", "b": "summer", "c": "autumn"}, False) == "winter"
