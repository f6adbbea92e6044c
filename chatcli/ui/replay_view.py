"""A replay on the screen: what the settings were and are, a row a token, and where they part.

What stands behind the first other token was recorded after another past, and is shown only
where it is asked for, and named as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chatcli.probe.replay import Replayed, Rerun
from chatcli.probe.trace import Trace
from chatcli.sampling.catalog import describe
from chatcli.text.detokenizer import StreamDetokenizer
from chatcli.text.visible import token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.jsonl import json_line
from chatcli.ui.theme import Paint

__all__ = ["show_rerun", "write_rerun"]


def show_rerun(env: Environment, trace: Trace, rerun: Rerun, *, whole: bool) -> None:
    """Write a sample: its text as far as it is the same, a table, and what came of it."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    rows = rerun.positions if whole else rerun.told()
    titles, *table = table_lines(_columns(rows, trace), width)
    lines = [
        *(paint("heading", line) for line in fold(_heading(rerun), width)),
        *fold(_settings(rerun), width),
        *_text(trace, rerun),
        "",
        paint("heading", titles),
        *(
            paint("difference", line) if row.differs else line
            for row, line in zip(rows, table, strict=True)
        ),
        "",
        *fold(_outcome(trace, rerun, whole), width),
    ]
    env.write("\n".join(lines) + "\n")


def write_rerun(env: Environment, trace: Trace, rerun: Rerun, *, whole: bool) -> None:
    """Write a sample as JSON Lines: an object for each position, and one that ends it."""
    for row in rerun.positions if whole else rerun.told():
        env.write(json_line(_object(row, trace)))
    config, found = rerun.config, rerun.divergence
    env.write(
        json_line(
            {
                "sample": rerun.sample.sample,
                "positions": len(rerun.positions),
                "undecided": rerun.undecided,
                "divergence": None if found is None else found.index,
                "text": _shared_text(trace, rerun),
                "seed": config.seed,
                "sampling": config.to_dict(),
            }
        )
    )


def _object(row: Replayed, trace: Trace) -> dict[str, Any]:
    raw = b"" if row.token is None else trace.token_bytes(row.token)
    return {
        "sample": row.sample,
        "index": row.index,
        "position": row.position,
        "recorded": row.recorded,
        "decided": row.decided,
        "token": row.token,
        "text": None if row.token is None else raw.decode("utf-8", "replace"),
        "bytes": None if row.token is None else raw.hex(),
        "u": row.u,
        "interval": row.interval,
        "entropy_bits": row.entropy_bits,
    }


def _heading(rerun: Rerun) -> list[str]:
    sample = rerun.sample
    checkpoint = sample.checkpoint
    return [
        f"sample {sample.sample + 1}",
        count(len(rerun.positions), "token"),
        visible(f"{checkpoint['name']}, {checkpoint['dtype']}", keep_newlines=False),
        f"digest {str(checkpoint['digest'])[:12]}",
    ]


def _settings(rerun: Rerun) -> list[str]:
    recorded = f"recorded: {describe(rerun.sample.bound)} · seed {rerun.sample.seed}"
    replayed = f"replayed: {describe(rerun.config)} · seed {rerun.config.seed}"
    same = recorded.partition(" ")[2] == replayed.partition(" ")[2]
    return [recorded, "replayed: the same"] if same else [recorded, replayed]


def _text(trace: Trace, rerun: Rerun) -> list[str]:
    text = visible(_shared_text(trace, rerun))
    return ["", *text.split("\n")] if text else []


def _shared_text(trace: Trace, rerun: Rerun) -> str:
    """The text that both share, up to the first token that differs or isn't decided."""
    ends = rerun.sample.eos_ids
    detokenizer = StreamDetokenizer(lambda id_: b"" if id_ in ends else trace.token_bytes(id_))
    parts = []
    for row in rerun.positions:
        if row.differs or not row.decided:
            break
        parts.append(detokenizer.add(row.recorded))
    else:
        parts.append(detokenizer.finish())
    return "".join(parts)


def _columns(rows: Sequence[Replayed], trace: Trace) -> list[Column]:
    return [
        Column("position", [f"{row.position:,}" for row in rows], right=True),
        Column("recorded", [token_label(trace, row.recorded) for row in rows], gives=True),
        Column("replayed", [_replayed(row, trace) for row in rows], gives=True),
        Column("u", ["–" if row.u is None else f"{row.u:.6f}" for row in rows], 2, right=True),
        Column("interval", [_interval(row) for row in rows], 1),
        Column("bits", [f"{row.entropy_bits:.2f}" for row in rows], 3, right=True),
    ]


def _replayed(row: Replayed, trace: Trace) -> str:
    if row.token is None:
        return "undecided"
    return f"≠ {token_label(trace, row.token)}" if row.differs else "the same"


def _interval(row: Replayed) -> str:
    if row.interval is None:
        return "–"
    return f"{row.interval[0]:.6f} to {row.interval[1]:.6f}"


def _outcome(trace: Trace, rerun: Rerun, whole: bool) -> list[str]:
    found = rerun.divergence
    said = []
    if found is None:
        same = len(rerun.positions) - rerun.undecided
        said.append(f"{same:,} of {count(len(rerun.positions), 'token')} as recorded")
    else:
        labels = [token_label(trace, token) for token in (found.recorded, found.token or 0)]
        said.append(f"they part at position {found.position:,}: {labels[0]} ≠ {labels[1]}")
        rest = rerun.sample.positions[-1].position - found.position
        if rest and not whole:
            said.append(f"{count(rest, 'token')} recorded after {labels[0]} not replayed")
        elif rest:
            said.append(f"behind it, each token is given what was recorded, not {labels[1]}")
    if rerun.undecided:
        said.append(
            f"{count(rerun.undecided, 'token')} undecided: record with a larger --trace-top"
        )
    return said
