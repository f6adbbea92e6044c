"""What counts as right in a reply, and what a program can find wrong with one.

Whether a reply stays on the subject is for a person to read; here are only the rules that
need no judgement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from chatcli.engine.types import Finish

__all__ = ["LOOKAHEAD", "flaws", "loops", "stands_alone"]

NUMERALS = "零〇一二两三四五六七八九十百千万"
LOOKAHEAD = 2  # characters beyond a window that can decide whether a number in it ends there

BROKEN = re.compile("[\ufffd\ud800-\udfff]")
# A Chinese, Japanese or Korean character counts as a word of its own.
CHARACTER = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
UNIT = re.compile(rf"[{CHARACTER}]|[^\W{CHARACTER}]+|[^\w\s]")
GRAM = 4
REPEATS = 3


def stands_alone(text: str, accept: Sequence[str], window: int) -> bool:
    """Whether one of `accept` ends within the first `window` characters of `text`.

    Case is ignored. ASCII words and numbers must stand alone, a Chinese numeral must not be
    part of a longer one; LOOKAHEAD characters beyond the window are enough to see that.
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


def flaws(reply: str, finish: Finish | None) -> tuple[str, ...]:
    """What is mechanically wrong with a reply; nothing where it is sound.

    "unfinished": it didn't end by itself; "broken": it holds U+FFFD, which stands for bytes
    that are no character, or a lone surrogate; "empty"; "loop": see `loops`.
    """
    found = {
        "unfinished": finish not in ("eos", "stop"),
        "broken": BROKEN.search(reply) is not None,
        "empty": not reply.strip(),
        "loop": loops(reply),
    }
    return tuple(name for name, wrong in found.items() if wrong)


def loops(text: str) -> bool:
    """Whether four words (or Chinese characters, or marks) in a row stand there three times.

    Occurrences must not overlap, so that laughing (哈哈哈哈哈哈) isn't taken for a loop.
    """
    units = UNIT.findall(text.casefold())
    counts: Counter[tuple[str, ...]] = Counter()
    free: dict[tuple[str, ...], int] = {}  # where the last one that was counted ends
    for start in range(len(units) - GRAM + 1):
        gram = tuple(units[start : start + GRAM])
        if start >= free.get(gram, 0):
            counts[gram] += 1
            free[gram] = start + GRAM
    return any(count >= REPEATS for count in counts.values())
