"""The strings that `chatcli probs --watch` asks after, a row each, however improbable.

How a string of several tokens comes to its probability stands beside it. On a narrow screen
columns give way, the string and its probability last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chatcli.probe.watch import Sighting
from chatcli.text.types import Tokenizer
from chatcli.text.visible import text_label, token_label
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.panel import bits, clip, percent
from chatcli.ui.theme import Paint

__all__ = ["show_watched"]

_TEXT = 30  # cells of a string at most


def show_watched(env: Environment, seen: Sequence[Sighting], tokenizer: Tokenizer) -> None:
    """Write the table, below what else was asked."""
    width = env.columns() if env.stdout_is_terminal else None
    titles, *rows = table_lines(
        [
            Column("watched", [clip(text_label(one.watched.text), _TEXT) for one in seen]),
            Column("probability", [_share(one.prob) for one in seen], right=True),
            Column("surprisal", [_bits(one) for one in seen], rank=1, right=True),
            Column("rank", [f"{one.rank:,}" for one in seen], rank=2, right=True),
            Column("by the model's own", [_tokens(one, tokenizer) for one in seen], gives=True),
        ],
        width,
    )
    env.write("\n".join(["", Paint(env)("heading", titles), *rows]) + "\n")


def _tokens(one: Sighting, tokenizer: Tokenizer) -> str:
    """How the product comes about."""
    labels = (token_label(tokenizer, token) for token in one.watched.ids)
    pairs = zip(labels, one.probs, strict=True)
    return " × ".join(f"{label} {_share(prob)}" for label, prob in pairs)


def _share(prob: float) -> str:
    """A small probability keeps its size."""
    return f"{prob:.1e}" if 0 < prob < 0.0005 else percent(prob)


def _bits(one: Sighting) -> str:
    return f"{one.bits:.2f} bits" if math.isfinite(one.bits) else bits(0)
