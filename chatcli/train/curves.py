"""The loss curves of a run, read back from its metrics and made ready to be drawn.

A point is (tokens learned since the run began, loss in nats a token), so that the phases of
a run stand side by side on one axis. Drawing is left to `plotting` and to `ui`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import TrainingError

__all__ = ["Curve", "Point", "in_short", "read_curves", "smooth", "thin"]

Point = tuple[float, float]

_FILE = "metrics.jsonl"
_SPAN = 0.05  # a smoothed curve averages over about this share of its points
_UNITS = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Curve:
    """One phase, from `start` to `end` tokens of its run."""

    phase: str
    start: float
    end: float
    training: tuple[Point, ...]
    validation: tuple[Point, ...]


def read_curves(folder: Path) -> tuple[Curve, ...]:
    """The curves of a run folder, of one of its phases, or of a finished checkpoint.

    Losses that aren't finite are left out. Raises TrainingError where there is no folder, no
    metrics.jsonl with a point in it, or one that holds something else.
    """
    if not folder.is_dir():
        raise TrainingError(f"no folder {folder}; name a run, or a checkpoint that was trained")
    phases = [phase for path in _files(folder) for phase in _phases(path)]
    if not phases:
        raise TrainingError(
            f"{folder} has no point in any {_FILE}; name a run folder (RUN/1-NAME/{_FILE}) "
            f"or a checkpoint folder with a {_FILE}"
        )
    curves: list[Curve] = []
    for rows in phases:
        curves.append(_curve(rows, curves[-1].end if curves else 0.0))
    return tuple(curves)


def thin(points: Sequence[Point], count: int) -> list[Point]:
    """At most `count` points: the means of as many equal stretches of the axis."""
    if len(points) <= count:
        return list(points)
    first, last = points[0][0], points[-1][0]
    scale = (count - 1e-9) / max(last - first, 1e-9)
    stretches: dict[int, list[Point]] = {}
    for point in points:
        stretches.setdefault(int((point[0] - first) * scale), []).append(point)
    return [(_mean(x for x, _ in some), _mean(y for _, y in some)) for some in stretches.values()]


def smooth(points: Sequence[Point]) -> list[Point]:
    """Each loss as the mean of its neighbours, fewer of them near both ends."""
    reach = int(len(points) * _SPAN / 2)
    smoothed: list[Point] = []
    for index, (x, _) in enumerate(points):
        near = min(reach, index, len(points) - 1 - index)
        smoothed.append((x, _mean(y for _, y in points[index - near : index + near + 1])))
    return smoothed


def in_short(count: float) -> str:
    """A count in three digits and a unit: "950", "1.25k", "31M"."""
    unit = 0
    while count >= 999.5 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g}{_UNITS[unit]}"


def _files(folder: Path) -> list[Path]:
    """The folder's own file, or those of its phases in the order in which they are trained."""
    if (folder / _FILE).is_file():
        return [folder / _FILE]
    numbered = ((re.match(r"(\d+)-", path.parent.name), path) for path in folder.glob(f"*/{_FILE}"))
    return [path for _, path in sorted((int(found[1]), path) for found, path in numbered if found)]


def _phases(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file, phase by phase; a phase begins where a name or a step says so."""
    rows: list[dict[str, Any]] = []
    for row in _rows(path):
        if rows and (row["phase"] != rows[-1]["phase"] or row["step"] <= rows[-1]["step"]):
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file; a last line that is being written, or was cut, is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} can't be read: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            yield _checked(json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if number == len(lines) and isinstance(error, json.JSONDecodeError):
                return
            raise TrainingError(
                f"{path}, line {number}: not a point of a loss curve ({line[:40]!r}); "
                "remove the line, or name another folder"
            ) from error


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """What a curve needs of a row. Raises KeyError, TypeError or ValueError where it isn't."""
    validation = row.get("validation_loss") if isinstance(row, dict) else None
    tokens = float(row["tokens"])
    if not 0 <= tokens < math.inf:
        raise ValueError("tokens out of range")
    return {
        "phase": str(row["phase"]),
        "step": int(row["step"]),
        "tokens": tokens,
        "loss": float(row["loss"]),
        "validation_loss": None if validation is None else float(validation),
    }


def _curve(rows: Sequence[dict[str, Any]], start: float) -> Curve:
    return Curve(
        rows[0]["phase"],
        start,
        start + max(row["tokens"] for row in rows),
        _finite((start + row["tokens"], row["loss"]) for row in rows),
        _finite((start + row["tokens"], row["validation_loss"]) for row in rows),
    )


def _finite(points: Iterator[tuple[float, float | None]]) -> tuple[Point, ...]:
    return tuple(sorted((x, y) for x, y in points if y is not None and math.isfinite(y)))


def _mean(values: Iterator[float]) -> float:
    some = list(values)
    return sum(some) / len(some)
