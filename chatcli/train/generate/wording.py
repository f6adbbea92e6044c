"""Wordings: short templates of which one line stands for many sentences.

`[a|b|]` is one of its parts, `{slot}` a value. Every reading is written out when a bank is
loaded, so that drawing one is two choices. Where values come from is `slots`' affair.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Wordings", "expand", "pick", "pick_wording", "wordings"]

# A wording is all its readings; wordings are chosen evenly, however many readings each has.
Wordings = tuple[tuple[str, ...], ...]

T = TypeVar("T")
_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")


def expand(line: str) -> tuple[str, ...]:
    """Every reading of a line: `"[hi|hello] you"` is `("hi you", "hello you")`."""
    pieces = _ALTERNATIVES.split(line)
    options = [piece.split("|") if odd % 2 else [piece] for odd, piece in enumerate(pieces)]
    readings = ("".join(parts) for parts in itertools.product(*options))
    # An empty part leaves the spaces of both its sides.
    return tuple(re.sub(" {2,}", " ", reading).strip() for reading in readings)


def wordings(lines: str) -> Wordings:
    """One wording a line; blank lines don't count."""
    return tuple(expand(line.strip()) for line in lines.splitlines() if line.strip())


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of `options`; twice as fast as `rng.choice`, and as even at this size."""
    return options[int(rng.random() * len(options))]


def pick_wording(rng: random.Random, options: Wordings) -> str:
    """One reading of one wording."""
    return pick(rng, pick(rng, options))
