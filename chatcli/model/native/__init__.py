"""The native decoder: GPT-2, Llama, Mistral, Qwen2 and Qwen3 from safetensors to logits.

Runs on torch and safetensors alone. Other architectures are left to the adapter; what no
engine can run is refused before, in `support`.
"""
