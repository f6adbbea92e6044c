"""The native decoder: GPT-2, Llama, Mistral, Qwen2 and Qwen3 from safetensors to logits.

Runs on torch and safetensors alone. Other architectures are left to the adapter.
"""

from __future__ import annotations

from chatcli.model.native.config import NativeConfig, native_supports
from chatcli.model.native.model import NativeModel, load_native

__all__ = ["NativeConfig", "NativeModel", "load_native", "native_supports"]
