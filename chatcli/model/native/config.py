"""What the native decoder needs to know of a checkpoint, read from its config.json.

Both generations of spelling are understood (`rope_parameters` and `dtype`; `rope_theta`,
`rope_scaling` and `torch_dtype`), and absent fields get the defaults of the family. Anything
that would change results and isn't known is refused here, before any weight is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatcli.errors import CheckpointError, UnsupportedError
from chatcli.model.native.fields import MAX_CONTEXT, Fields
from chatcli.model.native.rope_settings import RopeConfig, read_rope
from chatcli.model.native.spellings import ACTIVATIONS

__all__ = ["FAMILIES", "NativeConfig", "native_supports"]

_MAX_LAYERS = 2048
_MAX_HEADS = 8192
_MAX_WIDTH = 1 << 20
_MAX_VOCAB = 1 << 24


@dataclass(frozen=True, slots=True)
class NativeConfig:
    """One decoder-only transformer; sizes in elements, `context_length` in tokens.

    `windows` has for each layer how many tokens back it sees itself included (None: all),
    `scales` the factor on its attention scores. `gated` tells the Llama block (RMS norm,
    rotary positions, gated MLP) from GPT-2's (layer norm, learned positions, plain MLP).
    """

    family: str
    gated: bool
    vocab_size: int
    n_layer: int
    n_head: int
    n_kv_head: int
    head_dim: int
    d_model: int
    d_ff: int
    context_length: int
    activation: str
    norm_eps: float
    tied: bool
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    qk_norm: bool
    rope: RopeConfig | None
    windows: tuple[int | None, ...]
    scales: tuple[float, ...]

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> NativeConfig:
        """Read a parsed config.json.

        Raises UnsupportedError for what the native decoder can't run, CheckpointError for
        a config that contradicts itself.
        """
        family = config.get("model_type")
        if not isinstance(family, str) or family not in FAMILIES:
            raise UnsupportedError(
                f"architecture {family!r:.60} is not one of the native decoder's "
                f"({', '.join(FAMILIES)}): use --engine transformers"
            )
        fields = Fields(config)
        return _gpt2(fields) if family == "gpt2" else _llama(fields, FAMILIES[family])


@dataclass(frozen=True, slots=True)
class _Family:
    """Where a family departs from Llama, and the defaults of its absent fields.

    `qkv_bias` and `out_bias` are None where `attention_bias` decides.
    """

    name: str
    n_kv_head: int | None = None
    head_dim: int | None = None
    qkv_bias: bool | None = False
    out_bias: bool | None = False
    mlp_bias: bool = False
    qk_norm: bool = False
    window: str = "none"


FAMILIES: dict[str, _Family] = {
    "gpt2": _Family("gpt2"),
    "llama": _Family("llama", qkv_bias=None, out_bias=None, mlp_bias=True),
    "mistral": _Family("mistral", n_kv_head=8, window="all"),
    "qwen2": _Family("qwen2", n_kv_head=32, qkv_bias=True, window="by layer"),
    "qwen3": _Family(
        "qwen3",
        n_kv_head=32,
        head_dim=128,
        qkv_bias=None,
        out_bias=None,
        qk_norm=True,
        window="by layer",
    ),
}


def native_supports(config: Mapping[str, Any]) -> bool:
    """Whether the native decoder runs what a config.json describes.

    True for a known family whose config is broken: loading it then says what is wrong.
    """
    try:
        NativeConfig.from_json(config)
    except UnsupportedError:
        return False
    except CheckpointError:
        return True
    return True


def _gpt2(fields: Fields) -> NativeConfig:
    if fields.flag("add_cross_attention", False):
        raise UnsupportedError("a GPT-2 decoder with cross-attention needs an encoder to run")
    width = fields.integer("n_embd", 768, most=_MAX_WIDTH)
    layers = fields.integer("n_layer", 12, most=_MAX_LAYERS)
    heads = fields.integer("n_head", 12, most=_MAX_HEADS)
    if width % heads:
        raise fields.error("n_embd", width, f"a multiple of n_head = {heads}")
    # `reorder_and_upcast_attn` only changes where half precision rounds: attention here
    # sums in float32 in any case, so the field needs no reading.
    return NativeConfig(
        family="gpt2",
        gated=False,
        vocab_size=fields.integer("vocab_size", 50257, most=_MAX_VOCAB),
        n_layer=layers,
        n_head=heads,
        n_kv_head=heads,
        head_dim=width // heads,
        d_model=width,
        d_ff=fields.integer("n_inner", 4 * width, most=_MAX_WIDTH),
        context_length=fields.integer("n_positions", 1024, most=MAX_CONTEXT),
        activation=_activation(fields, "activation_function", "gelu_new"),
        norm_eps=fields.number("layer_norm_epsilon", 1e-5),
        tied=fields.flag("tie_word_embeddings", True),
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        qk_norm=False,
        rope=None,
        windows=(None,) * layers,
        scales=_gpt2_scales(fields, layers, width // heads),
    )


def _gpt2_scales(fields: Fields, layers: int, head_dim: int) -> tuple[float, ...]:
    scale = head_dim**-0.5 if fields.flag("scale_attn_weights", True) else 1.0
    by_layer = fields.flag("scale_attn_by_inverse_layer_idx", False)
    return tuple(scale / (layer + 1) if by_layer else scale for layer in range(layers))


def _llama(fields: Fields, family: _Family) -> NativeConfig:
    layers = fields.integer("num_hidden_layers", most=_MAX_LAYERS)
    width = fields.integer("hidden_size", most=_MAX_WIDTH)
    heads = fields.integer("num_attention_heads", most=_MAX_HEADS)
    head_dim = _head_dim(fields, family, width, heads)
    context = fields.integer("max_position_embeddings", most=MAX_CONTEXT)
    bias = fields.flag("attention_bias", False)
    return NativeConfig(
        family=family.name,
        gated=True,
        vocab_size=fields.integer("vocab_size", most=_MAX_VOCAB),
        n_layer=layers,
        n_head=heads,
        n_kv_head=_n_kv_head(fields, family, heads),
        head_dim=head_dim,
        d_model=width,
        d_ff=fields.integer("intermediate_size", most=_MAX_WIDTH),
        context_length=context,
        activation=_activation(fields, "hidden_act", "silu"),
        norm_eps=fields.number("rms_norm_eps", 1e-6),
        tied=fields.flag("tie_word_embeddings", False),
        qkv_bias=bias if family.qkv_bias is None else family.qkv_bias,
        out_bias=bias if family.out_bias is None else family.out_bias,
        mlp_bias=family.mlp_bias and fields.flag("mlp_bias", False),
        qk_norm=family.qk_norm,
        rope=read_rope(fields, context),
        windows=_windows(fields, family, layers),
        scales=(head_dim**-0.5,) * layers,
    )


def _head_dim(fields: Fields, family: _Family, width: int, heads: int) -> int:
    derived = family.head_dim or width // heads
    if not fields.has("head_dim") and family.head_dim is None and width % heads:
        raise fields.error("hidden_size", width, f"a multiple of num_attention_heads = {heads}")
    head_dim = fields.integer("head_dim", derived, most=_MAX_WIDTH)
    if head_dim % 2:
        raise fields.error("head_dim", head_dim, "even, for rotary positions")
    return head_dim


def _n_kv_head(fields: Fields, family: _Family, heads: int) -> int:
    absent = "num_key_value_heads" not in fields.values
    default = (family.n_kv_head or heads) if absent else heads
    groups = fields.integer("num_key_value_heads", default, most=_MAX_HEADS)
    if heads % groups:
        raise fields.error("num_key_value_heads", groups, f"a divisor of the {heads} heads")
    return groups


def _activation(fields: Fields, name: str, default: str) -> str:
    activation = fields.text(name, default)
    if activation not in ACTIVATIONS:
        raise UnsupportedError(
            f"{name} {activation!r:.60} is not one that the native decoder knows: "
            "use --engine transformers"
        )
    return activation


def _windows(fields: Fields, family: _Family, layers: int) -> tuple[int | None, ...]:
    if family.window == "all":
        return _mistral_windows(fields, layers)
    if family.window == "by layer":
        return _qwen_windows(fields, layers)
    return (None,) * layers


def _mistral_windows(fields: Fields, layers: int) -> tuple[int | None, ...]:
    if "sliding_window" in fields.values and not fields.has("sliding_window"):
        return (None,) * layers
    if "full_attention" in (fields.values.get("layer_types") or ()):
        raise UnsupportedError(
            "a Mistral whose layer_types mix full and sliding attention: use --engine transformers"
        )
    return (fields.integer("sliding_window", 4096, most=MAX_CONTEXT),) * layers


def _qwen_windows(fields: Fields, layers: int) -> tuple[int | None, ...]:
    window = None
    if fields.flag("use_sliding_window", False) and (
        fields.has("sliding_window") or "sliding_window" not in fields.values
    ):
        window = fields.integer("sliding_window", 4096, most=MAX_CONTEXT)
    if fields.has("layer_types"):
        return _windows_by_type(fields, layers, window)
    first = fields.integer("max_window_layers", 28, least=0, most=MAX_CONTEXT)
    return tuple(window if layer >= first else None for layer in range(layers))


def _windows_by_type(fields: Fields, layers: int, window: int | None) -> tuple[int | None, ...]:
    types = fields.values["layer_types"]
    if not isinstance(types, list) or len(types) != layers:
        raise fields.error("layer_types", types, f"a list of {layers} names")
    for name in types:
        if name not in ("full_attention", "sliding_attention"):
            raise UnsupportedError(
                f"layer type {name!r:.60} is not one that the native decoder knows: "
                "use --engine transformers"
            )
    if window is None and "sliding_attention" in types:
        raise CheckpointError(
            "config.json: layer_types has sliding_attention but no sliding_window is in use"
        )
    return tuple(window if name == "sliding_attention" else None for name in types)
