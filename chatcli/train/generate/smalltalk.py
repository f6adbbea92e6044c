"""Small talk: any saying of an intent with any of its replies, alone or in a short chain.

The bank is `smalltalk_<language>.jsonl`: `{"intent": …, "says": […], "replies": […]}` a line.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.train.corpus import Conversation, Reading, read_json
from chatcli.train.generate.surface import conversation, particle
from chatcli.train.generate.wording import pick

__all__ = ["Intent", "SmallTalk"]

_CHAIN = (1, 1, 1, 1, 1, 2, 2, 3)
_OPENING = ("greet", "hello", "morning", "evening_hello")
_CLOSING = ("bye", "farewell", "thank", "night", "leav", "end")


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that people say, in many ways, and replies that fit all of them."""

    name: str
    says: tuple[str, ...]
    replies: tuple[str, ...]

    @property
    def place(self) -> int:
        """Where in a chain it belongs: greetings first, farewells last."""
        if self.name.startswith(_OPENING):
            return 0
        return 2 if any(part in self.name for part in _CLOSING) else 1


class SmallTalk:
    """Draws small talk from the bank."""

    def __init__(self, language: str, banks: Path) -> None:
        self.language = language
        path = banks / f"smalltalk_{language}.jsonl"
        self.intents = _read_intents(path)

    def __call__(self, rng: random.Random) -> Conversation:
        length = min(pick(rng, _CHAIN), len(self.intents))
        chain = sorted(rng.sample(self.intents, length), key=lambda intent: intent.place)
        turns: list[str] = []
        for intent in chain:
            says = pick(rng, intent.says)
            if self.language == "zh" and rng.random() < 0.1:
                says = particle(says, rng)
            turns += [says, pick(rng, intent.replies)]
        return conversation(turns, self.language, rng)


def _read_intents(path: Path) -> tuple[Intent, ...]:
    reading = Reading()
    try:
        intents = tuple(
            Intent(record["intent"], tuple(record["says"]), tuple(record["replies"]))
            for _, record in read_json(path, reading)
        )
    except KeyError as error:
        raise TrainingError(f"{path}: a line without {error}; mend the bank") from error
    if reading.bad:
        bad = reading.bad[0]
        raise TrainingError(f"{path}, line {bad.line}: {bad.why}; mend the bank")
    if not all(intent.says and intent.replies for intent in intents) or not intents:
        raise TrainingError(f"{path}: an intent without says or replies; mend the bank")
    return intents
