"""Asking a model what the built-in one is asked: facts, small talk, recall, bits a character.

Greedy throughout. An evaluation folder holds facts.jsonl, smalltalk.jsonl, multiturn.jsonl
and lm_*.txt (passages separated by blank lines); what is absent is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chatcli.chat.conversation import Conversation
from chatcli.engine.stream import complete
from chatcli.errors import TrainingError
from chatcli.model.types import LanguageModel
from chatcli.sampling.types import SamplingConfig

__all__ = ["Score", "bits_per_character", "evaluate", "stands_alone"]

GREEDY = SamplingConfig(temperature=0)
NUMERALS = "零〇一二两三四五六七八九十百千万"


@dataclass(frozen=True, slots=True)
class Score:
    """One measure: `value` is a share of `count` items, or bits where `count` is characters."""

    name: str
    value: float
    count: int
    unit: str = "share"

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of a share."""
        z, n, p = 1.96, self.count, self.value
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return middle - half, middle + half


def evaluate(model: LanguageModel, folder: Path) -> Iterator[Score]:
    """Every score that `folder` has questions for. Raises TrainingError where it has none."""
    found = False
    for name, measure in MEASURES:
        path = folder / name
        if path.exists():
            found = True
            try:
                yield from measure(model, path)
            except (KeyError, TypeError, IndexError, json.JSONDecodeError, re.error) as error:
                raise TrainingError(
                    f"{path}: a line isn't what is asked for: {type(error).__name__} {error}"
                ) from error
    if not found:
        raise TrainingError(f"{folder} has none of {', '.join(name for name, _ in MEASURES)}")


def _facts(model: LanguageModel, path: Path) -> Iterator[Score]:
    items = _lines(path)
    completed = [
        stands_alone(_continue(model, item["completion_prompt"], 24), item["accept"], 40)
        for item in items
    ]
    answered = [
        stands_alone(_reply(model, [item["question"]], 40), item["accept"], 80) for item in items
    ]
    yield _share("facts, completed", completed)
    yield _share("facts, asked", answered)


def _small_talk(model: LanguageModel, path: Path) -> Iterator[Score]:
    hits = []
    for item in _lines(path):
        reply = _reply(model, [item["user"]], 48)[:80]
        hits.append(any(re.search(each, reply, re.IGNORECASE) for each in item["accept_regex"]))
    yield _share("small talk", hits)


def _recall(model: LanguageModel, path: Path) -> Iterator[Score]:
    hits = [
        stands_alone(_reply(model, item["turns"], 64), item["accept"], 120) for item in _lines(path)
    ]
    yield _share("multi-turn recall", hits)


def _language_model(model: LanguageModel, path: Path) -> Iterator[Score]:
    passages = [text.strip() for text in path.read_text(encoding="utf-8").split("\n\n")]
    passages = [text for text in passages if text]
    bits = sum(bits_per_character(model, text) * len(text) for text in passages)
    characters = sum(map(len, passages))
    yield Score(f"bits per character, {path.stem}", bits / characters, characters, "bits")


MEASURES = (
    ("facts.jsonl", _facts),
    ("smalltalk.jsonl", _small_talk),
    ("multiturn.jsonl", _recall),
    ("lm_zh.txt", _language_model),
    ("lm_en.txt", _language_model),
)


def bits_per_character(model: LanguageModel, text: str) -> float:
    """Bits of all tokens of `text` after the document start, over its Unicode characters."""
    ids = model.tokenizer.encode(text, bos=True)
    logits = model.forward(ids[:-1], model.new_cache()).float()  # (T - 1, V)
    log_probs = torch.log_softmax(logits, dim=-1)
    given = log_probs.gather(1, torch.tensor(ids[1:], device=logits.device).unsqueeze(1))
    return -float(given.double().sum()) / math.log(2) / len(text)


def stands_alone(text: str, accept: Sequence[str], window: int) -> bool:
    """Whether one of `accept` ends within the first `window` characters of `text`.

    Case is ignored. ASCII words and numbers must stand alone, a Chinese numeral must not be
    part of a longer one; one character beyond the window is enough to see that.
    """
    full = text.lstrip().casefold()
    return any(
        match.end() <= window
        for each in accept
        for match in re.finditer(_pattern(each.casefold()), full)
    )


def _pattern(wanted: str) -> str:
    before = after = ""
    if wanted[0].isascii() and wanted[0].isalnum():
        before = r"(?<![a-z0-9])" + (r"(?<!\d[.,])" if wanted[0].isdigit() else "")
    if wanted[-1].isascii() and wanted[-1].isalnum():
        after = r"(?![a-z0-9])" + (r"(?![.,]\d)" if wanted[-1].isdigit() else "")
    if all(character in NUMERALS for character in wanted):
        before, after = f"(?<![{NUMERALS}])", f"(?![{NUMERALS}])"
    return before + re.escape(wanted) + after


def _continue(model: LanguageModel, text: str, tokens: int) -> str:
    return "".join(chunk.text for chunk in complete(model, text, GREEDY, max_tokens=tokens, top=0))


def _reply(model: LanguageModel, turns: Sequence[str], tokens: int) -> str:
    """The model's last reply to `turns`, each of which it answers."""
    talk = Conversation(model, GREEDY)
    reply = ""
    for turn in turns:
        reply = "".join(chunk.text for chunk in talk.ask(turn, max_tokens=tokens, top=0))
    return reply


def _share(name: str, hits: Sequence[bool]) -> Score:
    return Score(name, sum(hits) / len(hits), len(hits))


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
