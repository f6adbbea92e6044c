"""What a phase was made of, kept in its folder, and the licences that a card must name.

Licences stand in LICENCES.toml beside a recipe, as patterns over the paths of its sources;
a source that no pattern knows is said to be without one.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from chatcli.errors import TrainingError
from chatcli.train.checkpoints import replace_text
from chatcli.train.recipe import Recipe, Source

__all__ = ["LICENCES", "Counts", "Licence", "keep_counts", "read_counts", "read_licences", "used"]

LICENCES = "LICENCES.toml"
COUNTS = "sources.json"
UNKNOWN = "not stated"


@dataclass(frozen=True, slots=True)
class Licence:
    """What some files are and what they may be used for; `credit` is what must be said."""

    files: tuple[str, ...]
    what: str
    licence: str
    credit: str = ""

    def covers(self, name: str) -> bool:
        """Whether one of the patterns is that of the source `name`."""
        return any(fnmatchcase(name, pattern) for pattern in self.files)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a phase's sources gave.

    `documents` counts repetitions, and those kept for validation once; `dropped` are those
    that held text which is kept out of training; `tokens` is what one pass learns.
    """

    documents: int
    dropped: int
    bad_lines: int
    tokens: int


def keep_counts(folder: Path, counts: Counts) -> None:
    """Write sources.json into a phase's folder. Raises TrainingError where it can't."""
    replace_text(folder / COUNTS, json.dumps(asdict(counts)) + "\n")


def read_counts(folder: Path) -> Counts | None:
    """What `keep_counts` wrote; None for a phase that was made before it did."""
    path = folder / COUNTS
    return Counts(**json.loads(path.read_bytes())) if path.exists() else None


def read_licences(folder: Path) -> tuple[Licence, ...]:
    """The LICENCES.toml of a folder, or nothing. Raises TrainingError for a mistake in it."""
    path = folder / LICENCES
    if not path.exists():
        return ()
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["sources"]
        return tuple(Licence(**{**row, "files": tuple(row["files"])}) for row in rows)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path}: {error}; mend it") from error
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: {error}; each of its [[sources]] needs files, what and licence"
        ) from error


def used(recipe: Recipe, licences: Sequence[Licence]) -> Iterator[tuple[Licence, list[str]]]:
    """The licences that a recipe's sources are under, each with those sources' names."""
    sources = [*recipe.tokenizer_sources, *(s for phase in recipe.phases for s in phase.sources)]
    names = sorted({_name(source) for source in sources})
    for licence in licences:
        if covered := [name for name in names if licence.covers(name)]:
            names = [name for name in names if name not in covered]
            yield licence, covered
    if names:
        yield Licence((), "", UNKNOWN), names


def _name(source: Source) -> str:
    return f"generated/{source.path}" if source.kind == "generated" else source.path
