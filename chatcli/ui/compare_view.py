"""Two settings or checkpoints side by side: both texts, tinted where they part, and a row a token.

Below 80 columns the texts stand one below the other. What differs is in ⟦ ⟧ besides its colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from chatcli.probe.compare import Apart, Comparison, Reply, Side
from chatcli.sampling.catalog import describe
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.diff_view import parted_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count, mark
from chatcli.ui.folding import fold
from chatcli.ui.jsonl import json_line, record_object
from chatcli.ui.theme import Paint

__all__ = ["Named", "show_comparison", "write_comparison"]


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A side, and the flags that it was asked for by."""

    flags: str
    side: Side


def show_comparison(env: Environment, a: Named, b: Named, found: Comparison) -> None:
    """Write what is compared, both texts, and how far apart they are at each position."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    lines: list[str] = []
    for letter, named in zip("AB", (a, b), strict=True):
        head, *more = fold(_settings(letter, named), width)
        lines += [paint("heading", head), *more]
    texts, shared = (found.a.text, found.b.text), (found.shared, found.shared)
    titles = (_title("A", found.a), _title("B", found.b))
    lines += ["", *parted_lines(titles, texts, shared, paint, width), ""]
    lines += [*fold(_outcome(found), width), ""]
    titles_row, *rows = table_lines(_columns(found.positions, a.side.model.tokenizer), width)
    lines += [paint("heading", titles_row), *rows, "", *fold(_summary(found), width)]
    env.write("\n".join(lines) + "\n")


def write_comparison(env: Environment, a: Named, b: Named, found: Comparison) -> None:
    """Write JSON Lines: an object for each position of A's reply, and one for the whole."""
    tokenizer = a.side.model.tokenizer
    for each in found.positions:
        raw = tokenizer.token_bytes(each.token)
        text = {"text": raw.decode("utf-8", "replace"), "bytes": raw.hex()}
        env.write(json_line({**record_object(each), **text}))
    env.write(
        json_line(
            {
                "a": _side_object(a, found.a),
                "b": _side_object(b, found.b),
                "divergence": found.divergence,
                "shared": found.shared,
                "after_chain": found.after_chain,
                "by_text": found.by_text,
            }
        )
    )


def _side_object(named: Named, reply: Reply) -> dict[str, Any]:
    checkpoint, config = named.side.model.checkpoint, named.side.config
    return {
        "flags": named.flags,
        "model": checkpoint.name,
        "dtype": checkpoint.dtype,
        "digest": checkpoint.digest,
        "seed": config.seed,
        "sampling": config.to_dict(),
        "prompt_ids": list(named.side.ids),
        "tokens": list(reply.ids),
        "text": reply.text,
        "finish": reply.finish,
    }


def _settings(letter: str, named: Named) -> list[str]:
    checkpoint, config = named.side.model.checkpoint, named.side.config
    return [
        f"{letter}  {visible(checkpoint.name, keep_newlines=False)}, {checkpoint.dtype}",
        describe(config),
        "no luck is needed" if config.greedy else f"seed {config.seed}",
    ]


def _title(letter: str, reply: Reply) -> str:
    ended = mark(reply.finish, len(reply.ids))
    return " · ".join([letter, ended or count(len(reply.ids), "token")])


def _outcome(found: Comparison) -> list[str]:
    said = []
    if found.divergence is None:
        said.append("both wrote the same")
    else:
        what = "character" if found.by_text else "token"
        said.append(f"they part at {what} {found.divergence + 1:,}")
    if found.by_text:
        said.append("the vocabularies differ: compared by what tokens spell")
    return said


def _columns(positions: Sequence[Apart], tokenizer: Tokenizer) -> list[Column]:
    return [
        Column("#", [f"{each.index + 1:,}" for each in positions], right=True),
        Column("A's token", [token_label(tokenizer, each.token) for each in positions], gives=True),
        Column("KL(A‖B)", [_bits(each.kl_ab) for each in positions], right=True),
        Column("KL(B‖A)", [_bits(each.kl_ba) for each in positions], right=True),
        Column("JS", [_bits(each.js) for each in positions], right=True),
    ]


def _bits(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if math.isfinite(value) else "∞"


def _summary(found: Comparison) -> list[str]:
    where = "behind the chain" if found.after_chain else "before the chain"
    said = [f"bits, {where}, on A's tokens"]
    known = [each for each in found.positions if each.js is not None]
    if known:
        said.append(f"JS {fmean(each.js or 0.0 for each in known):.4f} on average")
        most = max(known, key=lambda each: each.js or 0.0)
        said.append(f"largest at {most.index + 1:,}: {most.js:.4f}")
    return said
