"""A command line run in a world made of strings, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.cli import main
from chatcli.ui.environment import Environment

__all__ = ["Outcome", "command", "run", "spawn"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def only_error(self) -> str:
        """stderr, which must be one line under the program's name."""
        (line,) = self.err.splitlines()
        assert line.startswith("chatcli: ")
        return line.removeprefix("chatcli: ")


def run(*arguments: str | Path, stdin: str | bytes = "") -> Outcome:
    """Call `main` in a world without a terminal."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = io.StringIO(), io.StringIO()
    env = Environment(stdin=io.TextIOWrapper(io.BytesIO(data), "utf-8"), stdout=out, stderr=err)
    status = main([str(argument) for argument in arguments], env)
    return Outcome(status, out.getvalue(), err.getvalue())


def command(*arguments: str | Path) -> list[str]:
    """The command line of a real process."""
    return [sys.executable, "-m", "chatcli", *map(str, arguments)]


def spawn(
    arguments: Sequence[str | Path], stdin: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a real process to its end."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **environ},
        timeout=120,
    )
