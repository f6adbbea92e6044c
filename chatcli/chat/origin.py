"""Where tokens come from: the checkpoint and the machinery that must be the same again."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chatcli import __version__
from chatcli.chat.types import Origin
from chatcli.model.types import LanguageModel

__all__ = ["differences", "origin_of"]

# What must be equal besides the checkpoint for the same ids to be promised.
_MACHINERY = ("engine", "device", "dtype", "threads", "version")


def origin_of(model: LanguageModel, reference: str) -> Origin:
    """The origin of what `model`, loaded by the name `reference`, writes now."""
    checkpoint = model.checkpoint
    return Origin(
        name=checkpoint.name,
        model=reference,
        digest=checkpoint.digest,
        engine=checkpoint.engine,
        device=checkpoint.device,
        dtype=checkpoint.dtype,
        threads=torch.get_num_threads(),
        version=f"chatcli {__version__}, torch {torch.__version__}",
    )


def differences(then: Origin, now: Origin) -> Iterator[str]:
    """What isn't as it was, a phrase each."""
    for name in _MACHINERY:
        was, is_ = getattr(then, name), getattr(now, name)
        if was != is_:
            yield f"{name} was {was} and is {is_}"
