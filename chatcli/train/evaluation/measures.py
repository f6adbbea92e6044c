"""The measures: which questions, how many tokens of reply, and how much of it is looked at.

Each takes a model and the file of its questions. Facts, small talk, recall and passages are
asked greedily; replies to everyday prompts are sampled and kept, for a person to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig
from chatcli.train.evaluation.asking import Talk, answer, continuation, passage, seeded, talk
from chatcli.train.evaluation.matching import flaws, stands_alone
from chatcli.train.evaluation.questions import (
    Item,
    patterns,
    read_passages,
    read_questions,
    text,
    texts,
)
from chatcli.train.evaluation.scores import Result, Score, bits, share

__all__ = [
    "SAMPLED",
    "Watch",
    "converse",
    "everyday",
    "other_wordings",
    "passages",
    "recall",
    "small_talk",
    "sound",
    "visible_facts",
]

Watch = Callable[[str, int, int], None]  # what is being measured, how many are done, of how many

SAMPLING = SamplingConfig(temperature=0.8, top_p=0.95)
SAMPLED = "sampled replies, mechanical"
SAMPLED_TOKENS = 128
TALK_TOKENS = 256

T = TypeVar("T")


def visible_facts(model: LanguageModel, path: Path, watch: Watch) -> Iterator[Score]:
    """Facts in the wording of an evaluation folder, to be continued and asked for."""
    fields = {"completion_prompt": text, "question": text, "accept": texts}
    items = read_questions(path, fields)
    name = "facts, visible wording: completion"
    yield share(
        name,
        [
            _completed(model, item, item["completion_prompt"])
            for item in _watched(items, name, watch)
        ],
    )
    name = "facts, visible wording: question"
    yield share(
        name, [_asked(model, item, item["question"]) for item in _watched(items, name, watch)]
    )


def other_wordings(model: LanguageModel, path: Path, watch: Watch) -> Iterator[Score]:
    """Each fact in two more wordings: one to be continued, one that asks; and both at once."""
    fields = {"id": text, "kind": text, "input": text, "accept": texts}
    items = read_questions(path, fields)
    found: dict[str, dict[str, Result]] = {"completion": {}, "question": {}}
    for item in _watched(items, "facts, other wordings", watch):
        ask = _completed if item["kind"] == "completion" else _asked
        found[item["kind"]][item["id"]] = ask(model, item, item["input"])
    for kind, results in found.items():
        yield share(f"facts, other wordings: {kind}", list(results.values()))
    asked = found["question"]
    both = [
        Result(result.language, result.hit and asked[id].hit)
        for id, result in found["completion"].items()
        if id in asked
    ]
    yield share("facts, other wordings: both", both)


def _completed(model: LanguageModel, item: Item, prompt: str) -> Result:
    said = continuation(model, prompt, tokens=24, window=40)
    return Result(item["lang"], stands_alone(said, item["accept"], 40))


def _asked(model: LanguageModel, item: Item, question: str) -> Result:
    said = answer(model, [question], tokens=40, window=80)
    return Result(item["lang"], stands_alone(said, item["accept"], 80))


def small_talk(model: LanguageModel, path: Path, watch: Watch) -> Iterator[Score]:
    """Greetings and the like, whose reply must match a pattern."""
    items = read_questions(path, {"user": text, "accept_regex": patterns})
    results = []
    for item in _watched(items, "small talk", watch):
        said = answer(model, [item["user"]], tokens=48, window=80)[:80]
        hit = any(re.search(each, said, re.IGNORECASE) for each in item["accept_regex"])
        results.append(Result(item["lang"], hit))
    yield share("small talk", results)


def recall(model: LanguageModel, path: Path, watch: Watch) -> Iterator[Score]:
    """Dialogues whose last reply needs what was said before."""
    items = read_questions(path, {"turns": texts, "accept": texts})
    results = []
    for item in _watched(items, "multi-turn recall", watch):
        said = answer(model, item["turns"], tokens=64, window=120)
        results.append(Result(item["lang"], stands_alone(said, item["accept"], 120)))
    yield share("multi-turn recall", results)


def passages(model: LanguageModel, path: Path, watch: Watch) -> Iterator[Score]:
    """How well a model foretells a text, each passage alone after the document start."""
    name = f"bits per character, {path.stem}"
    read = [passage(model, each) for each in _watched(read_passages(path), name, watch)]
    yield bits(name, read)


def everyday(model: LanguageModel, path: Path, seed: int, watch: Watch) -> tuple[Talk, ...]:
    """A sampled reply to each everyday prompt: temperature 0.8, top-p 0.95, top-k off."""
    items = read_questions(path, {"id": text, "input": text})
    return tuple(
        _talk(model, item, [item["input"]], seeded(SAMPLING, seed, index), SAMPLED_TOKENS)
        for index, item in enumerate(_watched(items, "sampled replies", watch))
    )


def sound(talks: Sequence[Talk]) -> Score:
    """The share of sampled replies in which `flaws` finds nothing."""
    results = [
        Result(each.language, not flaws(each.turns[0].reply, each.turns[0].finish))
        for each in talks
    ]
    return share(SAMPLED, results)


def converse(
    model: LanguageModel, path: Path, config: SamplingConfig, seed: int, watch: Watch
) -> tuple[Talk, ...]:
    """The conversations of a file, held under `config`, with at most TALK_TOKENS a reply."""
    items = read_questions(path, {"id": text, "turns": texts})
    return tuple(
        _talk(model, item, item["turns"], seeded(config, seed, index), TALK_TOKENS)
        for index, item in enumerate(_watched(items, "conversations", watch))
    )


def _talk(
    model: LanguageModel, item: Item, turns: Sequence[str], config: SamplingConfig, tokens: int
) -> Talk:
    return Talk(item["id"], item["lang"], talk(model, turns, config, tokens=tokens))


def _watched(items: Sequence[T], name: str, watch: Watch) -> Iterable[T]:
    """The items one by one, with `watch` told before each."""
    for done, item in enumerate(items):
        watch(name, done, len(items))
        yield item
