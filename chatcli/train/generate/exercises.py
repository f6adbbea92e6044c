"""Exercises: a question that carries all it takes to answer it: sums, and copying.

A conversation is one exercise or a short row of them. The wordings are in the banks.
"""

from __future__ import annotations

import random
from pathlib import Path

from chatcli.train.corpus import Conversation
from chatcli.train.generate.scenes import load_scenes, load_tongue, play, speak
from chatcli.train.generate.surface import conversation
from chatcli.train.generate.wording import pick

__all__ = ["Exercises"]

_ROW = (1, 1, 1, 1, 1, 1, 2, 2, 3)


class Exercises:
    """Draws conversations from the scenes of `<kind>_<language>.toml`."""

    def __init__(self, kind: str, language: str, banks: Path) -> None:
        self.language = language
        self.tongue = load_tongue(language, banks)
        self.scenes = load_scenes(banks / f"{kind}_{language}.toml", self.tongue)

    def __call__(self, rng: random.Random) -> Conversation:
        turns: list[str] = []
        for _ in range(pick(rng, _ROW)):
            turns += self._exchange(rng)
        return conversation(turns, self.language, rng)

    def _exchange(self, rng: random.Random) -> list[str]:
        """What is said first, if the scene has that, then question and answer."""
        scene = pick(rng, self.scenes)
        values, ask = play(scene, rng, self.tongue), pick(rng, scene.asks)
        turns: list[str] = []
        if scene.says:
            turns = speak(scene.says, values, rng, self.tongue)
            turns += speak(scene.acks, values, rng, self.tongue)
        turns += speak(ask.asks, values, rng, self.tongue)
        return turns + speak(ask.answers, values, rng, self.tongue)
