"""Which rows make which step: a seeded order, new in every pass, the same after a resume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chatcli.errors import TrainingError
from chatcli.train.recipe import Phase
from chatcli.train.rows import Rows

__all__ = ["Batches", "Share"]

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Share:
    """This process's part of every batch, and where its tensors go."""

    rank: int
    world: int
    device: torch.device


class Batches:
    """Batches of a phase for one of `share.world` processes."""

    def __init__(self, rows: Rows, phase: Phase, seed: int, share: Share) -> None:
        self._rows, self._seed, self._share = rows, seed, share
        self.size = min(phase.batch_rows, len(rows.ids))
        self._parts = phase.accumulate if self.size == phase.batch_rows else 1
        if self.size % (share.world * self._parts):
            raise TrainingError(
                f"phase {phase.name}: {self.size} rows a step can't be divided among "
                f"{share.world} processes × {self._parts} portions; change batch_rows"
            )
        self._per_pass = len(rows.ids) // self.size  # the rest differs in every pass
        self.steps = max(1, round(self._per_pass * phase.passes))
        self._pass: tuple[int, Index] = (-1, np.empty(0, dtype=np.int64))

    def targets(self, step: int) -> int:
        """How many tokens the step learns, over all processes."""
        return int(self._rows.learn[self._index(step), 1:].sum())

    def portions(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's ids and learn, [b, T + 1] each, in `accumulate` portions."""
        mine = self._index(step)[self._share.rank :: self._share.world]
        for index in np.split(mine, self._parts):
            yield self._gather(self._rows, index)

    def validation(self, rows: Rows) -> Iterator[tuple[Tensor, Tensor]]:
        """All of `rows`, in batches of this process's size."""
        size = max(1, self.size // (self._share.world * self._parts))
        for start in range(0, len(rows.ids), size):
            yield self._gather(rows, np.arange(start, min(start + size, len(rows.ids))))

    def _index(self, step: int) -> Index:
        number, place = divmod(step, self._per_pass)
        if self._pass[0] != number:
            order = np.random.default_rng((self._seed, number)).permutation(len(self._rows.ids))
            self._pass = (number, order)
        return self._pass[1][place * self.size :][: self.size]

    def _gather(self, rows: Rows, index: NDArray[Any]) -> tuple[Tensor, Tensor]:
        device = self._share.device
        ids = torch.from_numpy(rows.ids[index].astype(np.int64))
        learn = torch.from_numpy(rows.learn[index])
        if device.type == "cuda":
            ids, learn = ids.pin_memory(), learn.pin_memory()
        return ids.to(device, non_blocking=True), learn.to(device, non_blocking=True)
