"""The texts and questions that come with chatcli: they parse, are whole, and keep apart."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chatcli.train.corpus import Reading, read_conversations, read_documents
from chatcli.train.evaluation.questions import OURS
from chatcli.train.facts import parse_fact
from chatcli.train.heldout import HeldOut, normalise
from chatcli.train.sources import BANKS
from tests.shared import shared_path

FILES = sorted(path for path in BANKS.iterdir() if path.suffix in (".jsonl", ".toml", ".txt"))
WHOLE = [path for path in FILES if path.name != "held_out_dialogues.txt"]


def name_of(path: Path) -> str:
    return path.name


def named(start: str) -> list[Path]:
    return [path for path in FILES if path.name.startswith(start)]


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


@cache
def texts(path: Path) -> tuple[str, ...]:
    """Every text of a bank, as it is trained on or drawn from."""
    if path.suffix == ".jsonl":
        return tuple(text for record in records(path) for text in strings(record))
    if path.suffix == ".toml":
        return tuple(strings(tomllib.loads(path.read_text(encoding="utf-8"))))
    return tuple(read_documents(path, Reading()))


def filled(value: Any) -> bool:
    """Whether `value` is a list of texts, none of them blank, and not empty."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(text, str) and text.strip() for text in value)
    )


@pytest.mark.parametrize("path", WHOLE, ids=name_of)
def test_no_bank_holds_a_character_that_nobody_types(path: Path) -> None:
    assert texts(path)
    odd = {
        character
        for text in texts(path)
        for character in set(text)
        if character not in "\n\u200d" and unicodedata.category(character) in ("Cc", "Cf", "Co")
    }
    assert odd == set()
    assert not any("\ufffd" in text or "<|" in text for text in texts(path))


@pytest.mark.parametrize("path", named("facts_"), ids=name_of)
def test_every_fact_has_questions_statements_and_answers(path: Path) -> None:
    for record in records(path):
        for field in ("questions", "statements", "answers"):
            assert filled(record[field]), (record["id"], field)
        assert parse_fact(record) is not None
    ids = Counter(record["id"] for record in records(path))
    assert [id for id, count in ids.items() if count > 1] == []


@pytest.mark.parametrize("path", named("smalltalk_"), ids=name_of)
def test_every_intent_of_small_talk_has_says_and_replies(path: Path) -> None:
    for record in records(path):
        assert filled(record["says"]) and filled(record["replies"]), record["intent"]
    intents = Counter(record["intent"] for record in records(path))
    assert [intent for intent, count in intents.items() if count > 1] == []


@pytest.mark.parametrize("path", named("chats_"), ids=name_of)
def test_every_chat_is_a_conversation_that_ends_with_the_assistant(path: Path) -> None:
    reading = Reading()
    talks = list(read_conversations(path, reading))
    assert reading.bad == [] and len(talks) > 100
    assert all(message.content.strip() for talk in talks for message in talk)


@pytest.mark.parametrize("path", named("prose_"), ids=name_of)
def test_prose_is_parted_into_documents_of_which_none_stands_twice(path: Path) -> None:
    assert len(texts(path)) > 100
    assert [text for text, count in Counter(texts(path)).items() if count > 1] == []


@pytest.mark.parametrize("path", WHOLE, ids=name_of)
def test_no_bank_holds_text_that_models_are_measured_on(path: Path) -> None:
    names = ("lm_zh.txt", "lm_en.txt", "four_tasks.jsonl")
    held = HeldOut.from_files(shared_path("eval", name) for name in names)
    # "A library" is an answer to choose and "said her brother" a tag: anyone may say them.
    sentences = [text for text in held.passages if len(text) > 16 or not text.isascii()]
    text = "\n".join(map(normalise, texts(path)))
    assert len(sentences) > 300
    assert [sentence for sentence in sentences if sentence in text] == []


def test_other_wordings_are_two_for_each_of_sixty_facts() -> None:
    asked = records(OURS / "wordings.jsonl")
    kinds: dict[str, list[str]] = {}
    for item in asked:
        kinds.setdefault(item["id"], []).append(item["kind"])
        assert item["lang"] in ("zh", "en")
        assert filled(item["accept"]) and item["input"].strip()
    assert len(kinds) == 60
    assert all(sorted(pair) == ["completion", "question"] for pair in kinds.values())
    assert len({normalise(item["input"]) for item in asked}) == len(asked)


def test_there_are_a_hundred_everyday_prompts_and_ten_conversations_a_language() -> None:
    for name, count in (("everyday.jsonl", 50), ("conversations.jsonl", 10)):
        items = records(OURS / name)
        assert Counter(item["lang"] for item in items) == {"zh": count, "en": count}
        assert len({item["id"] for item in items}) == len(items)


@pytest.mark.parametrize("path", named("facts_"), ids=name_of)
def test_no_fact_is_taught_in_a_wording_that_is_measured(path: Path) -> None:
    taught = {
        normalise(text)
        for record in records(path)
        for field in ("questions", "statements")
        for text in record[field]
    }
    measured = [normalise(item["input"]) for item in records(OURS / "wordings.jsonl")]
    assert [text for text in measured if any(each.startswith(text) for each in taught)] == []
