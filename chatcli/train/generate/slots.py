"""Slots: what stands behind `{name}` in a wording, drawn from pools or reckoned.

A slot is written as one of
    =text                    that text
    city [not a b]           an entry of a pool, other than those slots' values
    full_name [not a b]      a given name and a surname
    number 1 9, count 1 9    a number in a range, whose ends may be slots (`small`: mostly small)
    number a + b             reckoned: + - * / max min (`count`: as it stands before a noun)
    after weekday d n        the entry n places on in a pool that goes round
    some member n            n different entries of a pool, listed
    date, clock, digits 4    a day of the year, a time, a row of digits
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from chatcli.errors import TrainingError
from chatcli.train.generate.wording import Wordings, pick

__all__ = ["Draw", "Pools", "Tongue", "Values", "draw_values", "parse_slot"]

Pools = Mapping[str, tuple[str, ...]]
Raw = dict[str, str | int]
# One slot's value, given the slots drawn before it and whether numbers are spelled out.
Draw = Callable[[random.Random, Raw, bool], str | int]

_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv,
    "max": max, "min": min,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language: its grammar (a module such as `chinese`), words and ready-made lines."""

    grammar: ModuleType
    pools: Pools
    lines: Mapping[str, Wordings]


class Values(dict[str, str]):
    """Values by slot; `prefix_slot` is derived from `slot` when first asked for."""

    def __init__(self, values: Mapping[str, str], tongue: Tongue) -> None:
        super().__init__(values)
        self.derive: Callable[[str, str], str] = tongue.grammar.derive

    def __missing__(self, key: str) -> str:
        prefix, _, slot = key.partition("_")
        return self.derive(prefix, self[slot])


def draw_values(draws: Mapping[str, Draw], rng: random.Random, tongue: Tongue) -> Values:
    """Every slot once, in order; numbers all in digits or all in words."""
    spelled = rng.random() < 0.5
    raw: Raw = {}
    told: dict[str, str] = {}
    for name, draw in draws.items():
        value = raw[name] = draw(rng, raw, spelled)
        if isinstance(value, int):
            write = tongue.grammar.count if isinstance(value, _Count) else tongue.grammar.number
            told[name] = write(int(value), spelled)
        else:
            told[name] = value
    return Values(told, tongue)


class _Count(int):
    """A number that stands before the thing counted."""


def parse_slot(text: str, tongue: Tongue) -> Draw:
    """What `text` draws. Raises TrainingError where it names nothing."""
    if text.startswith("="):
        return lambda rng, raw, spelled: text[1:]
    head, *rest = text.split()
    grammar, pools = tongue.grammar, tongue.pools
    if head in ("number", "count", "small"):
        return _number(head, rest)
    match head, rest:
        case "date", []:
            return lambda rng, raw, spelled: str(grammar.date(rng, spelled))
        case "clock", []:
            return lambda rng, raw, spelled: str(grammar.clock(rng, spelled))
        case "digits", [length]:
            return lambda rng, raw, spelled: "".join(
                pick(rng, "0123456789") for _ in range(int(length))
            )
        case "after", [name, start, steps] if name in pools:
            return _after(pools[name], start, steps)
        case "some", [name, size] if name in pools:
            return lambda rng, raw, spelled: str(
                grammar.join(rng.sample(pools[name], _value(size, raw)))
            )
        case "full_name", [] | ["not", *_]:
            return _other(lambda rng: str(grammar.full_name(rng, pools)), rest[1:])
        case name, [] | ["not", *_] if name in pools:
            pool = pools[name]
            return _other(lambda rng: pick(rng, pool), rest[1:])
    raise TrainingError(f"slot {text!r} is no pool, number or date; see generate/slots.py")


def _value(text: str, raw: Raw) -> int:
    """A number as written, or that of a slot drawn before."""
    return int(raw[text]) if text in raw else int(text)


def _number(head: str, rest: list[str]) -> Draw:
    kind = _Count if head == "count" else int
    if len(rest) == 3:
        first, sign, second = rest
        reckon = _OPERATIONS[sign]
        return lambda rng, raw, spelled: kind(reckon(_value(first, raw), _value(second, raw)))
    low, high, *others = rest

    def draw(rng: random.Random, raw: Raw, spelled: bool) -> int:
        start, end = _value(low, raw), _value(high, raw)
        chance = rng.random()
        value = start + int((end - start + 1) * (chance * chance if head == "small" else chance))
        return draw(rng, raw, spelled) if value in [raw[o] for o in others[1:]] else kind(value)

    return draw


def _after(pool: tuple[str, ...], start: str, steps: str) -> Draw:
    return lambda rng, raw, spelled: pool[
        (pool.index(str(raw[start])) + _value(steps, raw)) % len(pool)
    ]


def _other(choose: Callable[[random.Random], str], others: list[str]) -> Draw:
    if not others:
        return lambda rng, raw, spelled: choose(rng)

    def draw(rng: random.Random, raw: Raw, spelled: bool) -> str:
        taken = [raw[other] for other in others]
        while (value := choose(rng)) in taken:
            pass
        return value

    return draw
