"""Chinese for the generators: numerals, dates, clock times, and words made of words."""

from __future__ import annotations

import random
from collections.abc import Mapping

from chatcli.train.generate.wording import pick

__all__ = ["clock", "count", "date", "derive", "full_name", "join", "number", "polish"]

_DIGITS = "零一二三四五六七八九"
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Part of the day, first and last hour on a twelve-hour dial.
_DAY_PARTS = (
    ("早上", 6, 9), ("上午", 8, 11), ("中午", 12, 12),
    ("下午", 1, 5), ("傍晚", 5, 6), ("晚上", 7, 10),
)  # fmt: skip


def number(value: int, spelled: bool) -> str:
    """A number below ten thousand in characters, or any in digits."""
    if not spelled or not 0 <= value < 10_000:
        return str(value)
    if value < 20:
        return _DIGITS[value] if value < 10 else "十" + (_DIGITS[value - 10] if value > 10 else "")
    text, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += ("零" if gap and text else "") + _DIGITS[digit] + name
        gap = digit == 0
    return text


def count(value: int, spelled: bool) -> str:
    """A number before a measure word, where two is 两."""
    return "两" if spelled and value == 2 else number(value, spelled)


def date(rng: random.Random, spelled: bool) -> str:
    """A day of the year."""
    month = rng.randrange(12)
    day = number(1 + rng.randrange(_MONTH_DAYS[month]), spelled)
    return f"{number(month + 1, spelled)}月{day}{pick(rng, '日号')}"


def full_name(rng: random.Random, pools: Mapping[str, tuple[str, ...]]) -> str:
    """Surname and given name."""
    return pick(rng, pools["surname"]) + pick(rng, pools["given"])


def clock(rng: random.Random, spelled: bool) -> str:
    """A time of the day."""
    part, first, last = pick(rng, _DAY_PARTS)
    hour = count(rng.randint(first, last), spelled)
    minutes = pick(rng, ("", "", "", "半", number(10 * rng.randint(1, 5), spelled) + "分"))
    return f"{part}{hour}点{minutes}"


def derive(prefix: str, value: str) -> str:
    """A word made of another: of 只猫, `bare` is 猫 and `mea` 只; `spell` parts characters."""
    match prefix:
        case "bare":
            return value[1:]
        case "mea":
            return value[0]
        case "spell":
            return "、".join(value)
        case "len":
            return count(len(value), True)
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
    return "、".join(items)


def polish(text: str) -> str:
    """Chinese needs no agreement."""
    return text
