"""Training steps of our loop beside those of transformers' Trainer, same model and batches."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from chatcli.bench.timing import Action, paired, stopwatch
from chatcli.bench.types import Figure, Spread
from chatcli.bench.workshop import Workshop
from chatcli.train.devices import open_accelerator
from chatcli.train.fresh import new_model
from chatcli.train.loop import Training
from chatcli.train.metrics import Hooks
from chatcli.train.recipe import BUILTIN_RECIPE, Phase, load_recipe
from chatcli.train.rows import Data, Rows

__all__ = ["training"]

_ROWS, _LENGTH = 4, 512
_FEW, _MANY = 2, 8  # steps: their difference leaves the set-up of both loops out
_PHASE = Phase("bench", "pretrain", (), _LENGTH, _ROWS, matrix_lr=0.0, other_lr=1e-3)


def training(shop: Workshop) -> Iterator[Figure]:
    """Seconds of the Trainer's step over ours, AdamW in both, at the built-in's size."""
    shape = load_recipe(BUILTIN_RECIPE).shape
    model = new_model(shape, 0, 1, 1)
    ids = np.random.default_rng(1).integers(0, shape.vocab_size, (_ROWS * _MANY, _LENGTH + 1))
    rows = Rows(ids.astype(np.uint16), np.ones(ids.shape, dtype=np.bool_))
    folder = shop.scratch / "training"
    ours = _per_step(lambda steps: _ours(model, rows, steps, folder))
    theirs = _per_step(lambda steps: _theirs(model, rows, steps, folder))
    pairs = paired(ours, theirs, rounds=shop.rounds)
    mine, other = (Spread.of(side) for side in zip(*pairs, strict=True))
    yield Figure(
        part="training",
        what=f"a Trainer's step over ours, {_ROWS} rows of {_LENGTH}",
        value=Spread.of(there / here for here, there in pairs),
        unit="×",
        bar=None,
        detail=f"ours {mine.median:.2f} s, the Trainer's {other.median:.2f} s",
    )


def _per_step(run: Callable[[int], None]) -> Action:
    few, many = stopwatch(lambda: run(_FEW)), stopwatch(lambda: run(_MANY))
    return lambda: max(many() - few(), 1e-9) / (_MANY - _FEW)


def _ours(model: nn.Module, rows: Rows, steps: int, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    taken = Rows(rows.ids[: _ROWS * steps], rows.learn[: _ROWS * steps])
    none = Rows(rows.ids[:0], rows.learn[:0])
    hooks = Hooks(lambda metric: None, lambda sample: None, None, lambda: False)
    loop = Training(
        model, _PHASE, Data(taken, none), folder,
        seed=1, accelerator=open_accelerator("cpu"), hooks=hooks,
    )  # fmt: skip
    loop.run()


def _theirs(model: nn.Module, rows: Rows, steps: int, folder: Path) -> None:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    shutil.rmtree(folder, ignore_errors=True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=_ROWS,
        max_steps=steps,
        learning_rate=1e-3,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=_Dataset(rows))
    trainer.remove_callback(PrinterCallback)
    trainer.train()


class _Dataset(torch.utils.data.Dataset[dict[str, Any]]):
    """The rows as the Trainer wants them; the model shifts its labels itself."""

    def __init__(self, rows: Rows) -> None:
        self._ids = torch.from_numpy(rows.ids[:, :-1].astype(np.int64))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self._ids[index], "labels": self._ids[index]}
