"""Muon in the dtype of the weights.

torch.optim.Muon orthogonalises in bfloat16, which a CPU without bfloat16 units does 30 times
slower than the forward and backward pass of a small model; this one stays in float32 there.
Formula: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with
the update scaled to AdamW's root mean square as in Liu et al., arXiv:2502.16982.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalise"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrix, roughly: every singular value in [0.7, 1.2]."""
    a, b, c = COEFFICIENTS
    work = matrix.bfloat16() if matrix.is_cuda else matrix
    tall = work.size(0) > work.size(1)
    x = work.T if tall else work
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, then the orthogonalised direction; for weight matrices only."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update; `closure` is accepted for the interface's sake and not called."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group["lr"], group["momentum"], group["weight_decay"])

    def _update(self, weight: Tensor, lr: float, momentum: float, weight_decay: float) -> None:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        average = state["momentum"].lerp_(weight.grad, 1 - momentum)
        direction = orthogonalise(torch.lerp(weight.grad, average, momentum))  # type: ignore[arg-type]
        weight.mul_(1 - lr * weight_decay)
        weight.add_(direction, alpha=-lr * 0.2 * math.sqrt(max(weight.shape)))
