"""What a training step reads: files, folders and stdin, looked for before anything begins.

stdin is kept whole in the run's folder, so that a run goes on without it. Reading what is
in the files is left to `corpus`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from chatcli.errors import TrainingError
from chatcli.train.checkpoints import replacing
from chatcli.train.corpus import input_files
from chatcli.train.recipe import Source

__all__ = ["STDIN", "check_inputs", "keep_stdin", "sources"]

STDIN = "-"
KEPT = ("stdin.txt", "stdin.jsonl")
PEEKED = 4096  # bytes in which the first that is no space must stand


def check_inputs(names: Sequence[str], *written: Path) -> None:
    """Raises TrainingError for an input that can't be read, or would hold what is `written`."""
    if names.count(STDIN) > 1:
        raise TrainingError("stdin can be read once: give - a single time")
    for path in (Path(name) for name in names if name != STDIN):
        if not path.exists():
            raise TrainingError(f"there is no file or folder {path}; check the path")
        for _ in input_files(path):
            break
        for folder in written:
            if path.is_dir() and folder.resolve().is_relative_to(path.resolve()):
                raise TrainingError(
                    f"{folder} lies in the input folder {path}, and would be read as text: name "
                    "another with --out, or with --run"
                )


def keep_stdin(names: Sequence[str], folder: Path, stdin: IO[bytes], *, resume: bool) -> None:
    """Copy `stdin` into `folder`, if it is an input; with `resume`, unless it was before.

    It is JSON Lines where its first character is `{`. Raises TrainingError where the disk is
    full.
    """
    if STDIN not in names or (resume and any(_kept(folder))):
        return
    for path in _kept(folder):
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    first = stdin.read(PEEKED)
    lines = first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    with replacing(folder / KEPT[lines]) as file:
        file.write(first)
        shutil.copyfileobj(stdin, file)


def sources(names: Sequence[str], folder: Path) -> tuple[Source, ...]:
    """The inputs as a recipe's sources, stdin as what `keep_stdin` kept of it in `folder`."""
    return tuple(Source(path, "any") for name in names for path in _paths(name, folder))


def _paths(name: str, folder: Path) -> Iterator[str]:
    """`name` as a source's path, that can't be taken for a file that comes with chatcli."""
    for path in _kept(folder) if name == STDIN else (name,):
        yield os.path.join(os.curdir, path)


def _kept(folder: Path) -> Iterator[Path]:
    return (folder / name for name in KEPT if (folder / name).exists())
