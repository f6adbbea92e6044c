"""What training minimises: the cross-entropy of the tokens to learn, given those before.

The model is any of transformers' causal models. In those that `chatcli train pretrain` makes
the wide output layer is called apart, so that on a CPU it runs only where a target is learned.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Objective"]

OURS = "Qwen3ForCausalLM"
# When compiled, transformers would spell the causal mask out, and lose the fast kernels.
CAUSAL = {"full_attention": None}
IGNORED = -100  # F.cross_entropy's own mark of a position without a target


class Objective(nn.Module):
    """A causal language model with its loss; one forward, so that it can be distributed."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, learn: Tensor) -> Tensor:
        """Summed cross-entropy in nats; `ids` and `learn` are [B, T + 1]."""
        model: Any = self.model
        inputs, wanted = ids[:, :-1], learn[:, 1:]
        if type(model).__name__ != OURS:
            logits = model(input_ids=inputs, use_cache=False).logits  # (B, T, V)
            return _masked(logits, ids, wanted)
        decoded = model.model(input_ids=inputs, attention_mask=CAUSAL, use_cache=False)
        hidden = decoded.last_hidden_state  # (B, T, D)
        if ids.is_cuda:
            return _masked(model.lm_head(hidden), ids, wanted)
        logits = model.lm_head(hidden[wanted])  # (N, V)
        return F.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="sum")


def _masked(logits: Tensor, ids: Tensor, wanted: Tensor) -> Tensor:
    """The same with shapes that don't depend on the data, so that it can be compiled."""
    targets = ids[:, 1:].masked_fill(~wanted, IGNORED)
    return F.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
