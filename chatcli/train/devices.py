"""Where a run trains: accelerate's view of the device, the processes and the precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chatcli.errors import TrainingError
from chatcli.model.device import pick_device

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["open_accelerator"]


def open_accelerator(name: str) -> Accelerator:
    """The accelerator of this process: bfloat16 on cards that compute it, else float32.

    Under `accelerate launch` or torchrun each process gets its own device; `name` then only
    says of what kind. Raises TrainingError where accelerate isn't installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError as error:
        raise TrainingError(
            "training needs the package accelerate: pip install 'chatcli[train]'"
        ) from error
    device = pick_device(name)
    half = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cuda" and name.startswith("cuda:"):
        torch.cuda.set_device(device)
    if half:
        torch.set_float32_matmul_precision("high")
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision="bf16" if half else "no", cpu=device.type == "cpu")
