"""What a run tells while it trains: points of the loss curve, and samples of its text.

Both are kept as JSON Lines in the phase's folder, without what came after the checkpoint
that a resumed phase goes on from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chatcli.train.checkpoints import replace_text, write_errors

__all__ = ["Hooks", "Log", "Metric", "Sample", "read_metrics"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One logged point; losses are nats a target token, `seconds` of this phase so far.

    `steps` is None while the phase doesn't know its length. `validation_loss` is None
    between validations, and where there is no text to validate on.
    """

    phase: str
    step: int
    steps: int | None
    tokens: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model wrote after `step` steps, given `prompt`."""

    phase: str
    step: int
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the loop calls: a point, a sample to show, the sampler, and "shall I stop?"."""

    report: Callable[[Metric], None]
    show: Callable[[Sample], None]
    write: Callable[[], tuple[str, str]] | None
    cancelled: Callable[[], bool]


class Log:
    """A JSON Lines file of one phase's points or samples."""

    def __init__(self, path: Path, step: int) -> None:
        """Drops what came after `step`, and a last line that was cut.

        Here and in `write`, TrainingError where the disk is full.
        """
        self._path = path
        kept = [row for row in read_metrics(path) if row["step"] <= step]
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in kept]
        replace_text(path, "".join(lines))

    def write(self, record: Metric | Sample) -> None:
        """Append one record, synced: none may be missing that a later checkpoint counts on."""
        with write_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line that was cut short is left out."""
    rows: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
