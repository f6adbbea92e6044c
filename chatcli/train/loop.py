"""The training loop: rows in, weights out, resumable at any moment.

The model is transformers' own Qwen3 class; matrices are trained by Muon (Jordan et al.
2024), embeddings and norms by AdamW (Loshchilov & Hutter 2019). Everything that a run
needs to go on is in one checkpoint file, written aside, fsynced and renamed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chatcli.errors import TrainingError
from chatcli.train.muon import Muon
from chatcli.train.recipe import Phase, Shape
from chatcli.train.rows import Rows

__all__ = ["Metric", "new_model", "train_phase"]

SAVE_EVERY = 60.0  # seconds
LOG_EVERY = 20  # steps
VALIDATION_ROWS = 16


@dataclass(frozen=True, slots=True)
class Metric:
    """One logged point; losses are nats a target token, `seconds` of this phase so far.

    `validation_loss` is None where there are too few rows to keep any for it.
    """

    phase: str
    step: int
    steps: int
    tokens: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float
    tokens_per_second: float


def new_model(shape: Shape, bos: int, eos: int, seed: int) -> nn.Module:
    """A randomly initialised transformers Qwen3 model (tied head, float32)."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_id=eos,
        use_cache=False,
    )
    model: nn.Module = Qwen3ForCausalLM(config)
    return model


@dataclass(slots=True)
class _State:
    """Where a phase stands; saved and restored as a whole."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def train_phase(
    model: nn.Module,
    phase: Phase,
    rows: Rows,
    folder: Path,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[Metric], None],
) -> None:
    """Train `model` in place over one pass of `rows`; resumes from `folder` if it can.

    Writes `checkpoint.pt` every minute and `metrics.jsonl` as it goes. Raises
    TrainingError where the loss stops being finite; the last checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device).train()
    batches = _Batches(rows, phase.batch_rows, seed)
    optimizers = _optimizers(model, phase)
    state = _State()
    _restore(folder, model, optimizers, state)
    log = _Log(folder / "metrics.jsonl", state.step)
    started = saved = time.monotonic()
    before, tokens_before, losses = state.seconds, state.tokens, []
    while state.step < batches.steps:
        scale = _schedule(state.step, batches.steps, phase)
        losses.append(_train_step(model, optimizers, scale, batches, state, device))
        now = time.monotonic()
        state.seconds = before + now - started
        if state.step % LOG_EVERY == 0 or state.step == batches.steps:
            metric = Metric(
                phase.name,
                state.step,
                batches.steps,
                state.tokens,
                float(np.mean(losses)),
                _validate(model, batches, device),
                phase.matrix_lr * scale,
                round(state.seconds, 1),
                round((state.tokens - tokens_before) / (now - started), 1),
            )
            _check_finite(metric, folder)
            log.write(metric)
            report(metric)
            losses = []
        if now - saved > SAVE_EVERY or state.step == batches.steps:
            _save(folder, model, optimizers, state)
            saved = now


def _train_step(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    scale: float,
    batches: _Batches,
    state: _State,
    device: torch.device,
) -> float:
    ids, learn = batches.batch(state.step, device)
    loss = _loss(model, ids, learn)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.tokens += int(learn[:, 1:].sum())
    return float(loss.detach())


def _loss(model: nn.Module, ids: Tensor, learn: Tensor) -> Tensor:
    """Mean cross-entropy over the tokens to learn; ids and learn are [B, T + 1]."""
    hidden = model.get_submodule("model")(input_ids=ids[:, :-1]).last_hidden_state  # (B, T, D)
    wanted = learn[:, 1:]
    # The head is wide: it is applied only where a target is learned.
    logits = model.get_submodule("lm_head")(hidden[wanted])  # (N, V)
    return F.cross_entropy(logits.float(), ids[:, 1:][wanted])


def _optimizers(model: nn.Module, phase: Phase) -> list[torch.optim.Optimizer]:
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    muon = Muon(matrices, lr=phase.matrix_lr, weight_decay=phase.weight_decay)
    adamw = torch.optim.AdamW(others, lr=phase.other_lr, betas=(0.9, 0.95), weight_decay=0.0)
    optimizers: list[torch.optim.Optimizer] = [muon, adamw]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _schedule(step: int, steps: int, phase: Phase) -> float:
    """Share of the peak learning rate: linear rise, plateau, linear fall."""
    rise = max(1, round(steps * phase.warmup))
    fall = max(1, round(steps * phase.decay))
    return min((step + 1) / rise, (steps - step) / fall, 1.0)


class _Batches:
    """The rows in a seeded order, the last few of them kept for validation."""

    def __init__(self, rows: Rows, batch_rows: int, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(rows.ids))
        held = min(VALIDATION_ROWS, len(order) // 10)
        self._rows, self._size = rows, batch_rows
        self._validation, self._order = order[:held], order[held:]
        self.steps = -(-len(self._order) // batch_rows)

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._gather(self._order[step * self._size :][: self._size], device)

    def validation(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self._validation), self._size):
            yield self._gather(self._validation[start : start + self._size], device)

    def _gather(self, index: np.ndarray[Any, Any], device: torch.device) -> tuple[Tensor, Tensor]:
        ids = torch.from_numpy(self._rows.ids[index].astype(np.int64))
        return ids.to(device), torch.from_numpy(self._rows.learn[index]).to(device)


@torch.no_grad()
def _validate(model: nn.Module, batches: _Batches, device: torch.device) -> float | None:
    model.eval()
    losses = [float(_loss(model, ids, learn)) for ids, learn in batches.validation(device)]
    model.train()
    return float(np.mean(losses)) if losses else None


def _check_finite(metric: Metric, folder: Path) -> None:
    if not np.isfinite(metric.loss):
        raise TrainingError(
            f"the loss of phase {metric.phase} became {metric.loss} at step {metric.step}; "
            f"lower the learning rate. The last good checkpoint is {folder / 'checkpoint.pt'}"
        )


def _save(
    folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], state: _State
) -> None:
    path = folder / "checkpoint.pt"
    aside = path.with_suffix(".tmp")
    try:
        with aside.open("wb") as file:
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                    "state": asdict(state),
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise TrainingError(f"{path}: {error.strerror}; the last checkpoint stays") from error


def _restore(
    folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], state: _State
) -> None:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["model"])
    for optimizer, values in zip(optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    state.step, state.tokens = saved["state"]["step"], saved["state"]["tokens"]
    state.seconds = saved["state"]["seconds"]


class _Log:
    """metrics.jsonl, without the points that came after the checkpoint resumed from."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def write(self, metric: Metric) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(metric), ensure_ascii=False) + "\n")
