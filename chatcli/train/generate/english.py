"""English for the generators: numerals, dates, clock times, articles and plurals."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from chatcli.train.generate.wording import pick

__all__ = [
    "article",
    "clock",
    "count",
    "date",
    "derive",
    "full_name",
    "join",
    "number",
    "plural",
    "polish",
]

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY_PARTS = (("in the morning", 6, 11), ("in the afternoon", 1, 5), ("in the evening", 6, 9))
# Written with a vowel but said with a consonant, and the reverse.
_CONSONANT = re.compile(r"(?i)(uni|eur|ukulele|use|one\b|once)")
_VOWEL = re.compile(r"(?i)([aeiou]|hour|honest|8|11\b|18\b)")
_PLURALS = {
    "mouse": "mice", "goose": "geese", "sheep": "sheep", "fish": "fish", "goldfish": "goldfish",
    "child": "children", "knife": "knives", "leaf": "leaves", "loaf": "loaves",
    "scarf": "scarves", "shelf": "shelves", "potato": "potatoes", "tomato": "tomatoes",
    "mango": "mangoes", "deer": "deer",
}  # fmt: skip
# Not after a.m. and p.m., which seldom end a sentence.
_SENTENCE_START = re.compile(r"(^|(?<=[a-z0-9)\"][.?!] )(?<!\.m\. ))[a-z]")
# One of a thing: "one brothers" is written with a plural slot.
_ONE = re.compile(
    r"(?i)\b(one|1) (brother|sister|son|daughter|uncle|aunt|nephew|niece"
    r"|cat|dog|hen|goat|bike|car)s\b"
)


def number(value: int, spelled: bool) -> str:
    """A number below a thousand in words, or any in digits."""
    if not spelled or not 0 <= value < 1000:
        return str(value)
    if value < 20:
        return _ONES[value]
    if value < 100:
        tens, one = divmod(value, 10)
        return _TENS[tens] + (f"-{_ONES[one]}" if one else "")
    hundreds, rest = divmod(value, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {number(rest, True)}" if rest else "")


count = number


def _ordinal(value: int) -> str:
    ending = "th" if value in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def date(rng: random.Random, spelled: bool) -> str:
    """A day of the year; with `spelled`, an ordinal."""
    index = rng.randrange(12)
    day, month = 1 + rng.randrange(_MONTH_DAYS[index]), _MONTHS[index]
    if spelled:
        return pick(rng, (f"{month} {_ordinal(day)}", f"the {_ordinal(day)} of {month}"))
    return pick(rng, (f"{month} {day}", f"{month} {day}", f"{day} {month}"))


def full_name(rng: random.Random, pools: Mapping[str, tuple[str, ...]]) -> str:
    """First name and surname."""
    return f"{pick(rng, pools['given'])} {pick(rng, pools['surname'])}"


def clock(rng: random.Random, spelled: bool) -> str:
    """A time of the day."""
    part, first, last = pick(rng, _DAY_PARTS)
    hour = rng.randint(first, last)
    if spelled:
        start = pick(rng, ("", "", "half past ", "quarter past ", "quarter to "))
        told = f"{start}{_ONES[hour]}" + ("" if start else " o'clock")
        return f"{told} {part}" if rng.random() < 0.4 else told
    minutes = pick(rng, ("", ":00", ":30", ":15", ":45", ":20", ":10"))
    half = "a.m." if part == "in the morning" else "p.m."
    return pick(rng, (f"{hour}{minutes} {half}", f"{hour}{minutes or ':00'}", f"{hour} {half}"))


def article(word: str) -> str:
    """`word` with a or an before it."""
    vowel = _VOWEL.match(word) and not _CONSONANT.match(word)
    return f"{'an' if vowel else 'a'} {word}"


def plural(word: str) -> str:
    """More than one of `word`, whose last word is a countable noun."""
    head, _, noun = word.rpartition(" ")
    if noun in _PLURALS:
        noun = _PLURALS[noun]
    elif re.search(r"(s|x|z|ch|sh)$", noun):
        noun += "es"
    elif re.search(r"[^aeiou]y$", noun):
        noun = noun[:-1] + "ies"
    else:
        noun += "s"
    return f"{head} {noun}" if head else noun


def derive(prefix: str, value: str) -> str:
    """A word made of another: `a`n article before it, its plural `s`, `cap`italised…"""
    match prefix:
        case "a":
            return article(value)
        case "s":
            return plural(value)
        case "cap":
            return value[0].upper() + value[1:]
        case "you":
            return value.replace("my ", "your ")
        case "spell":
            return "-".join(value)
        case "len":
            return number(len(value), True)
        case "back":
            return value[::-1]
        case "first":
            return value[0]
        case "last":
            return value[-1]
        case _:
            raise KeyError(prefix)


def join(items: list[str]) -> str:
    """A list of words as a sentence has it."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else items[0]


def polish(text: str) -> str:
    """Capitals at the start of sentences, one full stop where "p.m." ends one, one of one."""
    text = _ONE.sub(r"\1 \2", text.replace(".m..", ".m."))
    return _SENTENCE_START.sub(lambda match: match.group().upper(), text)
