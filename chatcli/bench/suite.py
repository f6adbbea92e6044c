"""The suite: every number that the project holds itself to, each a part that runs alone.

A part yields figures as they are measured. A new one is a function of a Workshop and a row
in `PARTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from chatcli.bench.chain import chain
from chatcli.bench.characters import characters
from chatcli.bench.decode import decode
from chatcli.bench.display import display
from chatcli.bench.explorer import explorer
from chatcli.bench.memory import memory
from chatcli.bench.peer import peer
from chatcli.bench.scoring import scoring
from chatcli.bench.startup import first_token, start_up
from chatcli.bench.tracing import tracing
from chatcli.bench.training import training
from chatcli.bench.turns import turns
from chatcli.bench.types import Figure
from chatcli.bench.workshop import Workshop
from chatcli.errors import UsageError

__all__ = ["PARTS", "check_parts", "run_suite"]

PARTS: Mapping[str, Callable[[Workshop], Iterator[Figure]]] = {
    "start-up": start_up,
    "first-token": first_token,
    "decode": decode,
    "llama.cpp": peer,
    "chain": chain,
    "display": display,
    "trace": tracing,
    "explorer": explorer,
    "characters": characters,
    "scoring": scoring,
    "turns": turns,
    "memory": memory,
    "training": training,
}


def check_parts(names: Sequence[str]) -> None:
    """Raise UsageError on a name that is no part."""
    for name in names:
        if name not in PARTS:
            raise UsageError(f"no part {name!r} in the suite; there are {', '.join(PARTS)}")


def run_suite(shop: Workshop, names: Sequence[str] = ()) -> Iterator[Figure]:
    """The figures of the named parts, of all where none is named, as they come."""
    for name, part in PARTS.items():
        if not names or name in names:
            yield from part(shop)
