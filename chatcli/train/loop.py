"""The training loop: rows in, weights out, on one device or many, resumable at any moment.

Devices, processes and precision are accelerate's affair, so `accelerate launch` and torchrun
work as they are. Optimizers, batches, checkpoints and logs are in the modules beside this.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from chatcli.errors import TrainingError
from chatcli.train.batches import Batches, Share
from chatcli.train.checkpoints import Progress, restore, save
from chatcli.train.devices import first_alone, from_first, step_memory
from chatcli.train.metrics import Hooks, Log, Metric, Sample
from chatcli.train.objective import Objective
from chatcli.train.optimizers import make_optimizers, schedule, set_rate
from chatcli.train.recipe import Phase
from chatcli.train.rows import Data, Rows

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Stopped", "Training"]

SAVE_EVERY = 60.0  # seconds
SAMPLE_EVERY = 60.0  # seconds
POINTS = 200  # of the loss curve, about
VALIDATE_EVERY = 5  # points
MEASURED_STEPS = range(5, 30)  # whose speed plans a phase in minutes; the first ones compile


class Stopped(Exception):
    """The user stopped a phase; its checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a process wants done after a step."""

    steps: int | None
    stop: bool
    save: bool
    sample: bool


class Training:
    """One phase of training a model in place."""

    def __init__(
        self,
        model: nn.Module,
        phase: Phase,
        data: Data,
        folder: Path,
        *,
        seed: int,
        accelerator: Accelerator,
        hooks: Hooks,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._model, self._phase, self._data, self._folder = model, phase, data, folder
        self._seed, self._accelerator, self._hooks = seed, accelerator, hooks
        device = accelerator.device
        share = Share(accelerator.process_index, accelerator.num_processes, device)
        self._batches = Batches(data.train, phase, seed, share)
        model.to(device).train()
        self._optimizers = make_optimizers(model, phase)
        self._progress = Progress(None if phase.minutes else self._batches.steps)
        restore(self._checkpoint, model, self._optimizers, self._progress)
        self._objective = self._prepared()
        first_alone(accelerator, self._open_logs)
        known = self._progress.loss if accelerator.is_main_process else 0.0
        self._losses = torch.tensor(known, device=device)  # summed since the last point
        self._before = (self._progress.seconds, self._progress.tokens)
        self._clock: list[float] = []  # when each step of this process ended

    def _open_logs(self) -> None:
        self._metrics = Log(self._folder / "metrics.jsonl", self._progress.step)
        self._samples = Log(self._folder / "samples.jsonl", self._progress.step)

    def summary(self) -> str:
        """What the phase will do, in a line for a person."""
        phase, rows = self._phase, self._data.train
        steps = f"steps of {self._batches.size} rows"
        if phase.minutes:
            length = f"{phase.minutes:g} min in {steps}"
        else:
            length = f"{self._batches.steps:,} {steps} (passes: {phase.passes:g})"
        return (
            f"{phase.name}: {rows.tokens:,} tokens to learn in {len(rows.ids):,} rows of "
            f"{phase.row_length:,}; {length}"
        )

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.pt"

    def _prepared(self) -> nn.Module:
        objective = Objective(self._model)
        if self._accelerator.device.type == "cuda":
            objective.compile(dynamic=False)
        prepared: nn.Module = self._accelerator.prepare(objective)
        return prepared

    def run(self) -> None:
        """Train to the end of the phase.

        Raises Stopped where the user asks to, TrainingError where the loss stops being
        finite (the last good checkpoint stays) or the disk is full.
        """
        progress = self._progress
        self._started = saved = sampled = time.monotonic()
        while progress.steps is None or progress.step < progress.steps:
            with step_memory(self._accelerator.device):
                self._step()
            now = time.monotonic()
            progress.seconds = self._before[0] + now - self._started
            wishes = Wishes(
                steps=self._planned(now),
                stop=self._hooks.cancelled(),
                save=now - saved > SAVE_EVERY,
                sample=now - sampled > SAMPLE_EVERY,
            )
            # Clocks and Ctrl-C differ between processes: all do what the first one says.
            wishes = from_first(self._accelerator, wishes)
            progress.steps = wishes.steps
            ended = progress.step == progress.steps
            if ended or progress.step % self._stride == 0:
                self._point(ended)
            if ended or wishes.stop or wishes.save:
                self._save()
                saved = now
            if ended or wishes.sample:
                first_alone(self._accelerator, self._sample)
                sampled = now
            if wishes.stop and not ended:
                raise Stopped

    def _step(self) -> None:
        progress, batches = self._progress, self._batches
        torch.manual_seed(self._seed + progress.step)  # dropout, the same after a resume
        set_rate(self._optimizers, schedule(progress.step, progress.steps, self._phase))
        targets = batches.targets(progress.step)
        portions = list(batches.portions(progress.step))
        for number, (ids, learn) in enumerate(portions, 1):
            with self._synced(number == len(portions)):
                loss = self._objective(ids, learn)
                # Gradients are averaged over processes; this makes the average a sum.
                scale = self._accelerator.num_processes / max(targets, 1)
                self._accelerator.backward(loss * scale)
            self._losses += loss.detach()
        self._accelerator.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.tokens += targets
        progress.loss_tokens += targets

    def _synced(self, last: bool) -> AbstractContextManager[None]:
        """Gradients travel between processes once a step, with its last portion."""
        return nullcontext() if last else self._accelerator.no_sync(self._objective)

    def _planned(self, now: float) -> int | None:
        """The number of steps; of a phase in minutes, once its speed is known."""
        progress, minutes = self._progress, self._phase.minutes
        if progress.steps is not None or minutes is None:
            return progress.steps
        self._clock.append(now)
        done, enough = len(self._clock), MEASURED_STEPS.stop
        if done < 2 or (done < enough and progress.seconds < minutes * 6):
            return None
        if self._accelerator.device.type == "cuda":
            torch.cuda.synchronize()
            now = time.monotonic()
        first = MEASURED_STEPS.start if done > MEASURED_STEPS.start else 1
        speed = (done - first) / max(now - self._clock[first - 1], 1e-6)
        left = minutes * 60 - progress.seconds
        return progress.step + max(0, int(left * speed))

    @property
    def _stride(self) -> int:
        steps = self._progress.steps
        return 10 if steps is None else max(1, steps // POINTS)

    def _point(self, ended: bool) -> None:
        progress = self._progress
        number = progress.step // self._stride
        validate = ended or number % VALIDATE_EVERY == 0
        loss = self._loss_so_far()
        seconds = max(progress.seconds - self._before[0], 1e-9)
        metric = Metric(
            self._phase.name,
            progress.step,
            progress.steps,
            progress.tokens,
            loss / max(progress.loss_tokens, 1),
            self.validate(self._data.validation) if validate else None,
            float(self._optimizers[0].param_groups[0]["lr"]),
            round(progress.seconds, 1),
            round((progress.tokens - self._before[1]) / seconds, 1),
        )
        self._losses = torch.zeros_like(self._losses)
        progress.loss_tokens = 0
        self._check_finite(metric.loss)
        first_alone(self._accelerator, lambda: self._tell(metric))

    def _tell(self, metric: Metric) -> None:
        self._metrics.write(metric)
        self._hooks.report(metric)

    @torch.no_grad()
    def validate(self, rows: Rows) -> float | None:
        """Mean loss of `rows` in nats a token; None where they have no target."""
        if not rows.tokens:
            return None
        self._model.eval()
        batches = self._batches.validation(rows)
        losses = [self._plain(ids, learn) for ids, learn in batches]
        self._model.train()
        return float(torch.stack(losses).sum()) / rows.tokens

    def _plain(self, ids: Tensor, learn: Tensor) -> Tensor:
        with self._accelerator.autocast():
            loss: Tensor = Objective(self._model)(ids, learn)
        return loss

    def _loss_so_far(self) -> float:
        """Summed over the processes and over the steps since the last point."""
        return float(self._accelerator.reduce(self._losses, "sum"))

    def _check_finite(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        last = f"the last good checkpoint is {self._checkpoint}"
        kept = last if self._checkpoint.exists() else "nothing was saved yet"
        raise TrainingError(
            f"the loss of phase {self._phase.name} became {loss} at step {self._progress.step}: "
            f"lower the learning rate; {kept}"
        )

    @torch.no_grad()
    def _save(self) -> None:
        """Write a checkpoint, of weights that still give a finite loss."""
        ids, learn = next(self._batches.portions(self._progress.step - 1))
        self._check_finite(float(self._accelerator.reduce(self._plain(ids, learn), "sum")))
        self._progress.loss = self._loss_so_far()
        state = (self._checkpoint, self._model, self._optimizers, self._progress)
        first_alone(self._accelerator, lambda: save(*state))

    @torch.no_grad()
    def _sample(self) -> None:
        if self._hooks.write is None:
            return
        self._model.eval()
        prompt, text = self._hooks.write()
        self._model.train()
        sample = Sample(self._phase.name, self._progress.step, prompt, text)
        self._samples.write(sample)
        self._hooks.show(sample)
