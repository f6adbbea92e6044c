"""Small talk: any saying of an intent with any of its replies, alone or in a short chain.

The bank is `smalltalk_<language>.jsonl`: `{"intent": …, "says": […], "replies": […]}` a line.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.train.corpus import Conversation, Reading, read_json
from chatcli.train.generate.surface import conversation, join_opener, particle
from chatcli.train.generate.wording import pick

__all__ = ["Intent", "SmallTalk", "read_asides"]

_CHAIN = (1, 1, 1, 1, 1, 2, 2, 3)
_OPENING = ("greet", "hello", "morning", "evening_hello")
_CLOSING = ("bye", "farewell", "thank", "night", "leav", "end")
# What is too grave to be followed by a joke.
_ALONE = frozenset(
    "crisis death family_ill loss emergency medical_advice dangerous_request danger_refuse "
    "bullied unwell_mind want_to_give_up give_up lost_future breakup accident stolen".split()
)
_GREETINGS = {"zh": ("你好，", "嗨，"), "en": ("Hi, ", "Hey, ", "Hello, ")}
_GREETED = re.compile(r"(?i)(hi|hey|hello|thank|ok|你好|嗨|您好|哈|嗯|好)")
# What can be said between two other things without touching what either is about.
_ASIDES = frozenset(
    "thanks joke another_joke joke_more fun_fact riddle story poem ok are_you_there im_back happy "
    "sad tired sleepy bored hungry thirsty angry weather_nice weather_rain weather_snow "
    "weather_cold weather_hot weather_grey nice_weather rain hot cold_weather snow wind_fog "
    "how_are_you who_are_you what_are_you are_you_a_robot are_you_robot what_can_you_do "
    "compliment compliment_smart praise_chat good_answer ask_weather weather_ask ask_time "
    "time_date wow surprised agree_small nice_to_meet_you nice_to_meet have_a_nice_day wait "
    "colours_sky_simple can_you_sing_dance sing_dance sleep_bot do_you_sleep".split()
)


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
        self.light = [intent for intent in self.intents if intent.name not in _ALONE]

    def __call__(self, rng: random.Random) -> Conversation:
        chain = [pick(rng, self.intents)]
        length = min(pick(rng, _CHAIN), len(self.light))
        if length > 1 and chain[0].name not in _ALONE:
            chain = sorted(rng.sample(self.light, length), key=lambda intent: intent.place)
        turns: list[str] = []
        for intent in chain:
            turns += [self._say(intent, rng), pick(rng, intent.replies)]
        if chain[0].place == 1 and rng.random() < 0.06 and not _GREETED.match(turns[0]):
            turns[0] = join_opener(pick(rng, _GREETINGS[self.language]), turns[0])
        return conversation(turns, self.language, rng)

    def _say(self, intent: Intent, rng: random.Random) -> str:
        says = pick(rng, intent.says)
        return particle(says, rng) if self.language == "zh" and rng.random() < 0.1 else says


def read_asides(language: str, banks: Path) -> tuple[Intent, ...]:
    """The intents that go between two other exchanges; perhaps none."""
    intents = _read_intents(banks / f"smalltalk_{language}.jsonl")
    return tuple(intent for intent in intents if intent.name in _ASIDES)


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
