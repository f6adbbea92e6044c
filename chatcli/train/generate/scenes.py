"""Scenes: small situations in many wordings, read from a bank and played out.

A scene's `draw` fills its slots (one of its `cases` adds more), its `says` state something,
and each `ask` asks for one `value` of it. ` // ` parts the turns of a wording, user first.
Who says what when is left to the generators.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import TrainingError
from chatcli.train.generate import chinese, english
from chatcli.train.generate.slots import Draw, Tongue, Values, draw_values, parse_slot
from chatcli.train.generate.wording import Wordings, expand, pick, pick_wording, wordings

__all__ = ["Ask", "Scene", "load_scenes", "load_tongue", "play", "speak"]

TURNS = " // "


@dataclass(frozen=True, slots=True)
class Ask:
    """Wordings of one question and of its answer, which holds `value`."""

    value: str
    asks: Wordings
    answers: Wordings


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of situation; scenes that share a topic may contradict each other."""

    name: str
    topics: frozenset[str]
    cases: tuple[Mapping[str, Draw], ...]
    says: Wordings
    acks: Wordings
    follow: Wordings
    asks: tuple[Ask, ...]


def load_tongue(language: str, banks: Path) -> Tongue:
    """The grammar and pools of `zh` or `en`."""
    record = _read(banks / f"pools_{language}.toml")
    lines = {name: wordings(text) for name, text in record.pop("lines").items()}
    pools = {name: _entries(text) for name, text in record.items()}
    return Tongue(chinese if language == "zh" else english, pools, lines)


def load_scenes(path: Path, tongue: Tongue) -> tuple[Scene, ...]:
    """The scenes of a bank. Raises TrainingError where it can't be read or used."""
    scenes = []
    for name, record in _read(path).items():
        try:
            scenes.append(_scene(name, record, tongue))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: scene {name}: {error!r}; mend the bank") from error
    return tuple(scenes)


def play(scene: Scene, rng: random.Random, tongue: Tongue) -> Values:
    """Values for one case of the scene."""
    return draw_values(pick(rng, scene.cases), rng, tongue)


def speak(options: Wordings, values: Values, rng: random.Random, tongue: Tongue) -> list[str]:
    """One of the wordings, filled in: its turns."""
    text = pick_wording(rng, options).format_map(values)
    return [str(tongue.grammar.polish(turn)) for turn in text.split(TURNS)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; check the folder of banks") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path}: not TOML: {error}; mend the bank") from error


def _entries(text: str) -> tuple[str, ...]:
    """Entries are parted by commas or lines; `[a|b]` in one makes two of it."""
    parts = (part.strip() for line in text.splitlines() for part in line.split(","))
    return tuple(entry for part in parts if part for entry in expand(part))


def _scene(name: str, record: Mapping[str, Any], tongue: Tongue) -> Scene:
    cases = record.get("cases", [{}])
    draws = [record.get("draw", {}) | case for case in cases]
    return Scene(
        name=name,
        topics=frozenset(record.get("topic", name).split()),
        cases=tuple({k: parse_slot(v, tongue) for k, v in draw.items()} for draw in draws),
        says=wordings(record.get("says", "")),
        acks=wordings(record.get("acks", "")),
        follow=wordings(record.get("follow", "")),
        asks=tuple(
            Ask(ask["value"], wordings(ask["asks"]), wordings(ask["answers"]))
            for ask in record["ask"]
        ),
    )
