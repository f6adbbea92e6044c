"""Recall: the user says something about the world, then asks for it.

Between the two stand none to three other exchanges; one conversation in three states two
facts of different topics and asks for one of them. The answer restates what it gives.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from chatcli.train.corpus import Conversation
from chatcli.train.generate.scenes import (
    TURNS,
    Ask,
    Scene,
    load_scenes,
    load_tongue,
    play,
    speak,
)
from chatcli.train.generate.slots import Values
from chatcli.train.generate.smalltalk import read_asides
from chatcli.train.generate.surface import conversation, join_opener
from chatcli.train.generate.wording import pick, pick_wording

__all__ = ["Fact", "Recall", "Recalled"]

_BETWEEN = (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3)


@dataclass(frozen=True, slots=True)
class Recalled:
    """A conversation and the value that its last reply has to give."""

    talk: Conversation
    value: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A scene and the values it was played with."""

    scene: Scene
    values: Values


class Recall:
    """Draws from the banks `recall_*`, with `sums_*` and `smalltalk_*` for what lies between."""

    def __init__(self, language: str, banks: Path) -> None:
        self.language = language
        self.tongue = load_tongue(language, banks)
        self.scenes = load_scenes(banks / f"recall_{language}.toml", self.tongue)
        self.sums = load_scenes(banks / f"sums_{language}.toml", self.tongue)
        self.asides = read_asides(language, banks)

    def __call__(self, rng: random.Random) -> Conversation:
        return self.example(rng).talk

    def example(self, rng: random.Random) -> Recalled:
        """One conversation, with the value asked for last."""
        facts = self.facts(rng)
        turns = self._state(facts, rng)
        target = pick(rng, facts)
        if target.scene.follow and rng.random() < 0.25:
            turns += speak(target.scene.follow, target.values, rng, self.tongue)
        for _ in range(pick(rng, _BETWEEN)):
            turns += self._other_exchange(rng)
        asks = self._questions(facts, target, rng)
        for fact, ask in asks:
            turns += self._ask(fact, ask, rng)
        fact, ask = asks[-1]
        return Recalled(conversation(turns, self.language, rng), ask.value.format_map(fact.values))

    def facts(self, rng: random.Random) -> list[Fact]:
        """One scene played, or two of different topics."""
        first = pick(rng, self.scenes)
        facts = [Fact(first, play(first, rng, self.tongue))]
        if rng.random() < 0.35:
            second = pick(rng, self.scenes)
            if not first.topics & second.topics:
                facts.append(Fact(second, play(second, rng, self.tongue)))
        return facts

    def _state(self, facts: list[Fact], rng: random.Random) -> list[str]:
        """Every fact in turns of its own, or two in one turn; each acknowledged."""
        said = [speak(fact.scene.says, fact.values, rng, self.tongue) for fact in facts]
        if rng.random() < 0.25:
            said[0][0] = join_opener(self._line("opener", rng), said[0][0])
        if len(said) == 2 and rng.random() < 0.3:
            said[1][0] = join_opener(self._line("link", rng), said[1][0])
        if [len(turns) for turns in said] == [1, 1] and rng.random() < 0.5:
            gap = "" if self.language == "zh" else " "
            return [said[0][0] + gap + said[1][0], self._line("ack", rng)]
        turns: list[str] = []
        for fact, lines in zip(facts, said, strict=True):
            turns += [*lines, self._acknowledge(fact, rng)]
        return turns

    def _acknowledge(self, fact: Fact, rng: random.Random) -> str:
        if rng.random() < 0.3:
            return self._line("ack", rng)
        return speak(fact.scene.acks, fact.values, rng, self.tongue)[0]

    def _questions(
        self, facts: list[Fact], target: Fact, rng: random.Random
    ) -> list[tuple[Fact, Ask]]:
        """What is asked: one thing, or now and then another one before it."""
        last = target, pick(rng, target.scene.asks)
        before = pick(rng, facts)
        first = before, pick(rng, before.scene.asks)
        return [first, last] if rng.random() < 0.15 and first != last else [last]

    def _ask(self, fact: Fact, ask: Ask, rng: random.Random) -> list[str]:
        question = speak(ask.asks, fact.values, rng, self.tongue)[0]
        if rng.random() < 0.25:
            question = join_opener(self._line("asker", rng), question)
        answer = speak(ask.answers, fact.values, rng, self.tongue)[0]
        return [question, answer]

    def _other_exchange(self, rng: random.Random) -> list[str]:
        """Something that has nothing to do with the facts."""
        chance = rng.random()
        if chance < 0.35 and self.asides:
            intent = pick(rng, self.asides)
            return [pick(rng, intent.says), pick(rng, intent.replies)]
        if chance > 0.85:
            scene = pick(rng, self.sums)
            values, ask = play(scene, rng, self.tongue), pick(rng, scene.asks)
            return [speak(part, values, rng, self.tongue)[0] for part in (ask.asks, ask.answers)]
        return self._line("filler", rng).split(TURNS)

    def _line(self, name: str, rng: random.Random) -> str:
        line = pick_wording(rng, self.tongue.lines[name])
        # An opener is followed by a sentence; in the bank it can't end in a space.
        spaced = self.language == "en" and name in ("opener", "link", "asker")
        return f"{line} " if spaced else line
