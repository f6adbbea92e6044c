"""Muon in the dtype of the weights, all matrices of one shape at a time.

torch.optim.Muon orthogonalises in bfloat16, which a CPU without bfloat16 units does 30 times
slower than the forward and backward pass of a small model; this one stays in float32 there.
Formula: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with
the update scaled to AdamW's root mean square as in Liu et al., arXiv:2502.16982.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalise"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrices, roughly: singular values in [0.7, 1.2].

    `matrices` is [N, rows, columns] with rows ≤ columns; so is the result.
    """
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(matrices.dtype)


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
            alike = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[tuple(sorted(weight.shape))].append(weight)
            for weights in alike.values():
                self._update(weights, group)

    def _update(self, weights: list[nn.Parameter], group: dict[str, Any]) -> None:
        moved = torch.stack([_wide(self._direction(weight, group)) for weight in weights])
        rate = group["lr"] * 0.2 * math.sqrt(max(weights[0].shape))
        for weight, direction in zip(weights, orthogonalise(moved), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            turned = direction if _is_wide(weight) else direction.T
            weight.add_(turned, alpha=-rate)

    def _direction(self, weight: nn.Parameter, group: dict[str, Any]) -> Tensor:
        """Nesterov's look ahead: the gradient mixed with its moving average."""
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum, grad = group["momentum"], weight.grad
        assert grad is not None
        average = state["momentum"].lerp_(grad, 1 - momentum)
        return torch.lerp(grad, average, momentum)


def _is_wide(matrix: Tensor) -> bool:
    return matrix.size(0) <= matrix.size(1)


def _wide(matrix: Tensor) -> Tensor:
    return matrix if _is_wide(matrix) else matrix.T
