"""What training minimises: the cross-entropy of the tokens to learn, given those before.

The model is any of transformers' causal models. Its parts are called one by one, so that on
a CPU the wide output layer runs only where a target is learned.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Objective"]

OURS = "qwen3"
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
        inputs, wanted = ids[:, :-1], learn[:, 1:]
        model: Any = self.model
        causal = model.get_base_model() if hasattr(model, "peft_config") else model
        options = {} if causal.config.model_type != OURS else {"attention_mask": CAUSAL}
        decoder = causal.base_model
        hidden = decoder(
            input_ids=inputs, use_cache=False, **options
        ).last_hidden_state  # (B, T, D)
        head = causal.get_output_embeddings()
        if ids.is_cuda:
            # Shapes that don't depend on the data can be compiled.
            targets = ids[:, 1:].masked_fill(~wanted, IGNORED)
            logits = head(hidden)  # (B, T, V)
            return F.cross_entropy(
                logits.flatten(0, 1).float(),
                targets.flatten(),
                ignore_index=IGNORED,
                reduction="sum",
            )
        logits = head(hidden[wanted])  # (N, V)
        return F.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="sum")
