"""One forward pass for every native family: embedding, blocks, final norm, head.

The config drives it; there is no code of a single family here. `builder` makes the blocks
from weights, `model` puts the LanguageModel protocol around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from chatcli.model.native.activations import Activation
from chatcli.model.native.kernels import Linear
from chatcli.model.native.rope import RotaryTable, rotate_

__all__ = ["Block", "Decoder", "Heads", "Norm", "Span"]


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer norm where there is a bias, RMS norm where there is none, over the last axis."""

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        """Normalised x [T, d_model], in x's dtype."""
        if self.bias is not None:
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        if x.shape[0] > 1 or x.device.type != "cpu":
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        # One row on CPU: a dot product and two products in place of a chain of six ops.
        row = x[0].float()
        scale: float = (torch.dot(row, row).item() / row.shape[0] + self.eps) ** -0.5
        return (x * scale).mul_(self.weight)


@dataclass(frozen=True, slots=True)
class Heads:
    """The shape of attention: queries share keys and values in `n_kv_head` groups."""

    n_head: int
    n_kv_head: int
    head_dim: int


class Span:
    """The positions [start, stop) of one pass, and which keys each of them sees."""

    def __init__(self, start: int, stop: int, device: torch.device, turns: Tensor | None) -> None:
        self.start = start
        self.stop = stop
        self.rows = stop - start
        self.turns = turns
        self._device = device
        self._masks: dict[int | None, Tensor | None] = {}

    def first_key(self, window: int | None) -> int:
        """The oldest key that any position of the span sees."""
        return 0 if window is None else max(0, self.start - window + 1)

    def mask(self, window: int | None) -> Tensor | None:
        """True where a key is seen [T, keys from `first_key` on]; None: plainly causal."""
        if window not in self._masks:
            self._masks[window] = self._make_mask(window)
        return self._masks[window]

    def _make_mask(self, window: int | None) -> Tensor | None:
        if self.start == 0 and (window is None or window >= self.stop):
            return None
        queries = torch.arange(self.start, self.stop, device=self._device)[:, None]
        keys = torch.arange(self.first_key(window), self.stop, device=self._device)
        seen = keys <= queries
        return seen if window is None else seen & (keys > queries - window)


@dataclass(frozen=True, slots=True)
class Block:
    """One transformer layer: attention and MLP, each behind its norm and on a residual.

    `qk_norm` holds the weights of the per-head norm of queries and keys
    [n_head + n_kv_head, head_dim]; `up` is gate and up projection in one where `gated`.
    """

    heads: Heads
    attention_norm: Norm
    qkv: Linear
    qk_norm: Tensor | None
    out: Linear
    mlp_norm: Norm
    up: Linear
    down: Linear
    activation: Activation
    gated: bool
    scale: float
    window: int | None

    def __call__(self, x: Tensor, span: Span, kv: Tensor) -> Tensor:
        """The residual stream x [T, d_model] after this layer; keys and values go into kv."""
        heads = self.heads
        qkv = self.qkv(self.attention_norm(x)).view(span.rows, -1, heads.head_dim)
        self._place(qkv[:, : heads.n_head + heads.n_kv_head], span)
        new = qkv[:, heads.n_head :].view(span.rows, 2, heads.n_kv_head, heads.head_dim)
        kv[:, 0, :, span.start : span.stop].copy_(new.permute(1, 2, 0, 3))
        x = self.out.plus(self._attend(qkv[:, : heads.n_head], span, kv), x)
        return self.down.plus(self._mlp(self.mlp_norm(x)), x)

    def _place(self, qk: Tensor, span: Span) -> None:
        """Normalise and turn queries and keys [T, n_head + n_kv_head, head_dim] in place."""
        if self.qk_norm is not None:
            normed = F.rms_norm(qk, qk.shape[-1:], eps=self.attention_norm.eps)
            torch.mul(normed, self.qk_norm, out=qk)
        if span.turns is not None:
            rotate_(qk, span.turns)

    def _attend(self, queries: Tensor, span: Span, kv: Tensor) -> Tensor:
        """Attention of queries [T, n_head, head_dim] over the cache, [T, n_head * head_dim]."""
        heads = self.heads
        keys, values = kv[:, :, :, span.first_key(self.window) : span.stop].unbind(0)
        if span.rows == 1:
            # The queries of a group are rows that share keys: no head needs repeating.
            grouped = queries.view(1, heads.n_kv_head, -1, heads.head_dim)
            one = F.scaled_dot_product_attention(grouped, keys, values, scale=self.scale)
            return one.reshape(1, -1)
        mask = span.mask(self.window)
        many = F.scaled_dot_product_attention(
            queries.transpose(0, 1)[None],
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None,
            scale=self.scale,
            enable_gqa=heads.n_head != heads.n_kv_head,
        )  # (1, n_head, T, head_dim)
        return many[0].transpose(0, 1).reshape(span.rows, -1)

    def _mlp(self, x: Tensor) -> Tensor:
        hidden = self.up(x)
        if not self.gated:
            return self.activation(hidden)
        gate, up = hidden.chunk(2, -1)
        return self.activation(gate) * up


@dataclass(frozen=True, slots=True)
class Decoder:
    """A whole model. `embedding` is None where the head's rows serve (tied weights)."""

    embedding: Tensor | None
    positions: Tensor | None
    rotary: RotaryTable | None
    blocks: tuple[Block, ...]
    final_norm: Norm
    head: Linear
    device: torch.device

    def hidden(self, ids: list[int], start: int, layers: list[Tensor]) -> Tensor:
        """The residual stream [T, d_model] after all blocks, for ids at `start` onwards."""
        stop = start + len(ids)
        turns = self.rotary.turns(start, stop) if self.rotary is not None else None
        span = Span(start, stop, self.device, turns)
        x = self._embed(torch.tensor(ids, device=self.device), start)
        for block, kv in zip(self.blocks, layers, strict=True):
            x = block(x, span, kv)
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits [T, V] of a residual stream [T, d_model]."""
        return self.head(self.final_norm(hidden))

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        rows = self.head.rows(ids) if self.embedding is None else self.embedding[ids]
        if self.positions is None:
            return rows
        return rows + self.positions[start : start + ids.shape[0]]
