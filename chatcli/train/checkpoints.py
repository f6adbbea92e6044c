"""What a run keeps on disk: files written aside, synced and renamed.

Whatever ends the process, the file that stands under its name is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from chatcli.errors import TrainingError

__all__ = [
    "Progress",
    "replace_text",
    "replacing",
    "restore",
    "save",
    "write_errors",
    "write_whole",
]


@dataclass(slots=True)
class Progress:
    """Where a phase stands; `steps` is None until a phase in minutes has its length.

    `loss` is summed over the `loss_tokens` learned since the last point of the curve.
    """

    steps: int | None
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    loss_tokens: int = 0


def save(
    path: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    progress: Progress,
) -> None:
    """Raises TrainingError where the disk is full; the file from before stays."""
    write_whole(
        path,
        {
            "model": learned(model),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": asdict(progress),
        },
    )


def restore(
    path: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    progress: Progress,
) -> None:
    """Load what `save` wrote, where it did. Raises TrainingError for a damaged file."""
    if not path.exists():
        return
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(saved["model"], strict=False)
        for optimizer, values in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        for name, value in saved["progress"].items():
            setattr(progress, name, value)
    except (RuntimeError, KeyError, ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"{path} can't be read ({reason}); remove it to start this phase again"
        ) from error


def learned(model: nn.Module) -> dict[str, Any]:
    """The weights that training changes: all of them, or an adapter's."""
    kept = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if len(kept) == len(list(model.named_parameters())):
        return dict(model.state_dict())
    return {name: value for name, value in model.state_dict().items() if name in kept}


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """torch.save that replaces `path` only by a complete, synced file."""
    with replacing(path) as file:
        torch.save(value, file)


def replace_text(path: Path, text: str) -> None:
    """Replace `path` only by the complete, synced text. Raises TrainingError as `save`."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into a TrainingError that names `path`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch's zip writer turns a full disk into a RuntimeError.
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise TrainingError(
            f"{path}: {reason}; free some space and resume, the checkpoint from before stays"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` once it is complete and synced.

    Raises TrainingError where the disk is full.
    """
    aside = path.with_name(path.name + ".tmp")
    try:
        with write_errors(path):
            with aside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
