"""From a config and checked weights to a Decoder: merged, permuted, laid out for speed.

Tensors are read one at a time from the mapped file and copied once into their final place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chatcli.model.native.activations import KERNELS
from chatcli.model.native.config import NativeConfig
from chatcli.model.native.decoder import Block, Decoder, Heads, Norm
from chatcli.model.native.kernels import Linear, pack
from chatcli.model.native.layout import Layout, layout_of
from chatcli.model.native.rope import RotaryTable, interleave_pairs
from chatcli.model.native.spellings import ACTIVATIONS
from chatcli.model.native.weights import Weights

__all__ = ["build_decoder"]


def build_decoder(
    config: NativeConfig, weights: Weights, *, device: torch.device, dtype: torch.dtype
) -> Decoder:
    """Check the weights against `config`, then load them to `device` as `dtype`.

    Raises WeightsError or UnsupportedError where they don't fit, before anything is
    allocated.
    """
    layout = layout_of(config, weights.headers)
    weights.check(layout.expected(config))
    return _Builder(config, weights, layout, device, dtype).decoder()


@dataclass(frozen=True, slots=True)
class _Builder:
    config: NativeConfig
    weights: Weights
    layout: Layout
    device: torch.device
    dtype: torch.dtype

    def decoder(self) -> Decoder:
        config, layout = self.config, self.layout
        rope = config.rope
        return Decoder(
            embedding=None if config.tied else self._tensor(f"{layout.embedding}.weight"),
            positions=self._tensor(f"{layout.positions}.weight") if layout.positions else None,
            rotary=RotaryTable(rope, config.head_dim, self.device) if rope else None,
            blocks=tuple(self._block(layer) for layer in range(config.n_layer)),
            final_norm=self._norm(layout.final_norm),
            head=self._head(),
            device=self.device,
        )

    def _block(self, layer: int) -> Block:
        config, layout = self.config, self.layout
        return Block(
            heads=Heads(config.n_head, config.n_kv_head, config.head_dim),
            attention_norm=self._norm(layout.norms[0].format(layer)),
            qkv=self._qkv(layer),
            qk_norm=self._qk_norm(layer) if config.qk_norm else None,
            out=self._linear((layout.out.format(layer),), config.out_bias),
            mlp_norm=self._norm(layout.norms[1].format(layer)),
            up=self._linear(tuple(name.format(layer) for name in layout.up), config.mlp_bias),
            down=self._linear((layout.down.format(layer),), config.mlp_bias),
            activation=KERNELS[ACTIVATIONS[config.activation]],
            gated=config.gated,
            scale=config.scales[layer],
            window=config.windows[layer],
        )

    def _head(self) -> Linear:
        name = self.layout.embedding if self.config.tied else self.layout.head
        return pack([self.weights.read(f"{name}.weight")], None, self.dtype, self.device)

    def _qkv(self, layer: int) -> Linear:
        config = self.config
        names = [name.format(layer) for name in self.layout.qkv]
        matrices = [self._matrix(name) for name in names]
        biases = [self.weights.read(f"{name}.bias") for name in names] if config.qkv_bias else []
        if config.rope is not None:
            for parts in (matrices, biases):
                for index, heads in enumerate((config.n_head, config.n_kv_head)[: len(parts)]):
                    parts[index] = interleave_pairs(parts[index], heads)
        return pack(matrices, torch.cat(biases) if biases else None, self.dtype, self.device)

    def _qk_norm(self, layer: int) -> Tensor:
        config = self.config
        rows = [
            interleave_pairs(self.weights.read(f"{name.format(layer)}.weight"), 1).expand(heads, -1)
            for name, heads in zip(
                self.layout.qk_norms, (config.n_head, config.n_kv_head), strict=True
            )
        ]
        return torch.cat(rows).to(self.device, self.dtype)

    def _linear(self, names: tuple[str, ...], bias: bool) -> Linear:
        biases = [self.weights.read(f"{name}.bias") for name in names] if bias else []
        matrices = [self._matrix(name) for name in names]
        return pack(matrices, torch.cat(biases) if biases else None, self.dtype, self.device)

    def _matrix(self, name: str) -> Tensor:
        """A weight as [out, in], still in the mapped file."""
        stored = self.weights.read(f"{name}.weight")
        return stored.t() if self.layout.by_input else stored

    def _norm(self, name: str) -> Norm:
        bias = None if self.config.gated else self._tensor(f"{name}.bias")
        return Norm(self._tensor(f"{name}.weight"), bias, self.config.norm_eps)

    def _tensor(self, name: str) -> Tensor:
        return self.weights.read(name).to(self.device, self.dtype, copy=True)
