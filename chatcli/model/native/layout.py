"""Where each family keeps its tensors: names and shapes, in one table a family.

Reading and checking files is `weights`' work; what the tensors compute is `decoder`'s.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from chatcli.model.native.config import NativeConfig

__all__ = ["Layout", "layout_of"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensor names of one checkpoint; a layer's are templates with one `{}`.

    `merged` says that queries, keys and values are stored as one matrix, `by_input` that
    matrices are stored [in, out].
    """

    embedding: str
    head: str
    positions: str | None
    final_norm: str
    norms: tuple[str, str]
    qk_norms: tuple[str, str]
    qkv: tuple[str, ...]
    out: str
    up: tuple[str, ...]
    down: str
    merged: bool
    by_input: bool

    def expected(self, config: NativeConfig) -> Iterator[tuple[str, Shape]]:
        """Every tensor that a checkpoint of `config` must hold, with its shape as stored."""
        width = (config.d_model,)
        yield f"{self.embedding}.weight", (config.vocab_size, config.d_model)
        if self.positions:
            yield f"{self.positions}.weight", (config.context_length, config.d_model)
        yield from self._norm(self.final_norm, config, width)
        if not config.tied:
            yield f"{self.head}.weight", (config.vocab_size, config.d_model)
        for layer in range(config.n_layer):
            yield from self._layer(config, layer)

    def _layer(self, config: NativeConfig, layer: int) -> Iterator[tuple[str, Shape]]:
        for norm in self.norms:
            yield from self._norm(norm.format(layer), config, (config.d_model,))
        if config.qk_norm:
            for norm in self.qk_norms:
                yield f"{norm.format(layer)}.weight", (config.head_dim,)
        attended = config.n_head * config.head_dim
        for name, rows in zip(self.qkv, self._qkv_rows(config), strict=True):
            yield from self._matrix(name.format(layer), rows, config.d_model, config.qkv_bias)
        yield from self._matrix(self.out.format(layer), config.d_model, attended, config.out_bias)
        for name in self.up:
            yield from self._matrix(
                name.format(layer), config.d_ff, config.d_model, config.mlp_bias
            )
        yield from self._matrix(
            self.down.format(layer), config.d_model, config.d_ff, config.mlp_bias
        )

    def _qkv_rows(self, config: NativeConfig) -> tuple[int, ...]:
        queries, keys = config.n_head * config.head_dim, config.n_kv_head * config.head_dim
        return (queries + 2 * keys,) if self.merged else (queries, keys, keys)

    def _matrix(
        self, name: str, rows: int, columns: int, bias: bool
    ) -> Iterator[tuple[str, Shape]]:
        yield f"{name}.weight", (columns, rows) if self.by_input else (rows, columns)
        if bias:
            yield f"{name}.bias", (rows,)

    def _norm(self, name: str, config: NativeConfig, shape: Shape) -> Iterator[tuple[str, Shape]]:
        yield f"{name}.weight", shape
        if not config.gated:
            yield f"{name}.bias", shape


def layout_of(config: NativeConfig, names: Container[str]) -> Layout:
    """The layout of `config`'s family, with or without the prefix of a full model."""
    return _llama(names) if config.gated else _gpt2(names)


def _gpt2(names: Container[str]) -> Layout:
    root = "transformer." if "transformer.wte.weight" in names else ""
    layer = f"{root}h.{{}}"
    return Layout(
        embedding=f"{root}wte",
        head="lm_head",
        positions=f"{root}wpe",
        final_norm=f"{root}ln_f",
        norms=(f"{layer}.ln_1", f"{layer}.ln_2"),
        qk_norms=("", ""),
        qkv=(f"{layer}.attn.c_attn",),
        out=f"{layer}.attn.c_proj",
        up=(f"{layer}.mlp.c_fc",),
        down=f"{layer}.mlp.c_proj",
        merged=True,
        by_input=True,
    )


def _llama(names: Container[str]) -> Layout:
    root = "" if "embed_tokens.weight" in names else "model."
    layer = f"{root}layers.{{}}"
    attention = f"{layer}.self_attn"
    return Layout(
        embedding=f"{root}embed_tokens",
        head="lm_head",
        positions=None,
        final_norm=f"{root}norm",
        norms=(f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm"),
        qk_norms=(f"{attention}.q_norm", f"{attention}.k_norm"),
        qkv=(f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj"),
        out=f"{attention}.o_proj",
        up=(f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj"),
        down=f"{layer}.mlp.down_proj",
        merged=False,
        by_input=False,
    )
