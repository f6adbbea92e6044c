"""How long a person waits before anything happens, measured on whole processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from chatcli.bench.timing import Action, paired, stopwatch
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import Workshop

__all__ = ["first_token", "start_up"]

_TAB = {"_CHATCLI_COMPLETE": "complete_bash", "COMP_WORDS": "chatcli comp", "COMP_CWORD": "1"}


def start_up(shop: Workshop) -> Iterator[Figure]:
    """Help, version and completion, each beside an interpreter that does nothing."""
    nothing = [sys.executable, "-c", "pass"]
    for what, command, environ in (
        ("--help", shop.command("--help"), {}),
        ("--version", shop.command("--version"), {}),
        ("shell completion", shop.command(), _TAB),
    ):
        pairs = paired(_whole(command, environ), _whole(nothing, {}), rounds=shop.rounds)
        bare = Spread.of(theirs for _, theirs in pairs)
        yield Figure(
            part="start-up",
            what=what,
            value=Spread.of(ours for ours, _ in pairs),
            unit="s",
            bar=Bar(0.3),
            detail=f"an interpreter that does nothing {bare.median:.2f} s",
        )


def first_token(shop: Workshop) -> Iterator[Figure]:
    """From the shell to the first token of `complete`, beyond what `import torch` takes."""
    ours = shop.command("complete", "世界上最高的山", "-m", shop.model, "-n", "1", "--no-live")
    torch = [sys.executable, "-c", "import torch; print('.', flush=True)"]
    pairs = paired(_first_byte(ours), _first_byte(torch), rounds=shop.rounds)
    complete, imported = (Spread.of(side) for side in zip(*pairs, strict=True))
    yield Figure(
        part="first-token",
        what="complete, beyond import torch",
        value=Spread.of(ours - theirs for ours, theirs in pairs),
        unit="s",
        bar=Bar(0.5),
        detail=f"complete {complete.median:.2f} s, import torch {imported.median:.2f} s",
    )


def _whole(command: Sequence[str], environ: Mapping[str, str]) -> Action:
    """Seconds of a process from start to end."""
    where = {**os.environ, **environ}
    return stopwatch(lambda: subprocess.run(command, capture_output=True, env=where, check=True))


def _first_byte(command: Sequence[str]) -> Action:
    """Seconds from the start of a process to the first byte that it writes."""

    def wait() -> float:
        started = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            seconds = time.perf_counter() - started
            process.stdout.read()  # a closed pipe would end it early
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return seconds

    return wait
