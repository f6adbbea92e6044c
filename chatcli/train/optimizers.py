"""The optimizers of a phase and the course of their learning rate.

Weight matrices are trained by Muon, embeddings and norms by AdamW (Loshchilov & Hutter,
arXiv:1711.05101); a phase may ask for AdamW alone, as fine-tuning usually does.
"""

from __future__ import annotations

import torch
from torch import nn

from chatcli.train.muon import Muon
from chatcli.train.recipe import Phase

__all__ = ["make_optimizers", "schedule", "set_rate"]

UNPLANNED_RISE = 100  # steps of warm-up while a phase in minutes doesn't know its length yet


def make_optimizers(model: nn.Module, phase: Phase) -> list[torch.optim.Optimizer]:
    """Optimizers over the parameters that learn, each group with its `peak_lr`."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name and phase.matrix_lr]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(Muon(matrices, lr=phase.matrix_lr, weight_decay=phase.weight_decay))
    if others:
        fused = all(p.is_cuda for p in others)
        decay = 0.0 if matrices else phase.weight_decay
        optimizers.append(
            torch.optim.AdamW(
                others, lr=phase.other_lr, betas=(0.9, 0.95), weight_decay=decay, fused=fused
            )
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def schedule(step: int, steps: int | None, phase: Phase) -> float:
    """Share of the peak learning rate: linear rise, plateau, linear fall to zero."""
    if steps is None:
        return min((step + 1) / UNPLANNED_RISE, 1.0)
    rise = max(1, round(steps * phase.warmup))
    fall = max(1, round(steps * phase.decay))
    return min((step + 1) / rise, (steps - step) / fall, 1.0)


def set_rate(optimizers: list[torch.optim.Optimizer], scale: float) -> None:
    """Set every group's learning rate to `scale` times its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale
