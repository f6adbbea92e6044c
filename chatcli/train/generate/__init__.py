"""Conversations made by rule from banks of wordings and wide pools of names and values.

    recall_*     something is stated, then asked for           recall.py
    sums_*       arithmetic small enough to know by heart      exercises.py
    copying_*    giving back what was given                    exercises.py
    smalltalk_*  sayings and replies, singly or in a chain     smalltalk.py

Each in `zh` and `en`. How much of which goes into a mixture is the recipe's.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.train.corpus import Conversation
from chatcli.train.generate.exercises import Exercises
from chatcli.train.generate.recall import Recall
from chatcli.train.generate.smalltalk import SmallTalk
from chatcli.train.heldout import normalise

__all__ = ["GENERATORS", "fingerprint", "generate"]

Generator = Callable[[random.Random], Conversation]

_KINDS: Mapping[str, Callable[[str, Path], Generator]] = {
    "recall": Recall,
    "sums": partial(Exercises, "sums"),
    "copying": partial(Exercises, "copying"),
    "smalltalk": SmallTalk,
}

# By name, what makes a generator from a folder of banks.
GENERATORS: Mapping[str, Callable[[Path], Generator]] = {
    f"{kind}_{language}": partial(make, language)
    for kind, make in _KINDS.items()
    for language in ("zh", "en")
}

# Dialogues that a model is measured on, as fingerprints: none of them is ever drawn.
HELD_OUT = "held_out_dialogues.txt"
TRIES = 1000


def generate(name: str, count: int, rng: random.Random, banks: Path) -> Iterator[Conversation]:
    """`count` conversations of the generator `name`, the same for the same state of `rng`.

    No two in a row are alike. Raises TrainingError for a name that isn't in GENERATORS, and
    for a bank that is missing, malformed, or too poor to give two different conversations.
    """
    if name not in GENERATORS:
        raise TrainingError(f"no generator {name!r}; there are {', '.join(sorted(GENERATORS))}")
    return _distinct(name, count, rng, GENERATORS[name](banks), _held_out(banks))


def fingerprint(user_turns: list[str]) -> str:
    """What a dialogue is known by when nothing but letters and digits counts."""
    text = "\n".join(normalise(turn) for turn in user_turns)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _distinct(
    name: str, count: int, rng: random.Random, draw: Generator, held_out: frozenset[str]
) -> Iterator[Conversation]:
    last: Conversation | None = None
    for _ in range(count):
        for _ in range(TRIES):
            talk = draw(rng)
            if talk != last and not _is_held_out(talk, held_out):
                break
        else:
            raise TrainingError(f"{name}: its bank gives one conversation only; add wordings")
        last = talk
        yield talk


def _is_held_out(talk: Conversation, held_out: frozenset[str]) -> bool:
    # Single questions ("Hello!") can't be avoided, and short talks alone are held out.
    turns = [message.content for message in talk if message.role == "user"]
    return 2 <= len(turns) <= 3 and fingerprint(turns) in held_out


def _held_out(banks: Path) -> frozenset[str]:
    path = banks / HELD_OUT
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; check the folder of banks") from error
