"""Where a run trains: accelerate's view of the device, the processes and the precision.

What only one of several processes may do (read, write, decide) goes through here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch

from chatcli.errors import ChatcliError, DeviceError, TrainingError
from chatcli.model.device import memory_errors, pick_device

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["first_alone", "from_first", "open_accelerator", "step_memory"]


def open_accelerator(name: str) -> Accelerator:
    """The accelerator of this process: bfloat16 on cards that compute it, else float32.

    Under `accelerate launch` or torchrun each process gets its own device; `name` then only
    says of what kind. Raises TrainingError where accelerate isn't installed.
    """
    try:
        from accelerate import Accelerator, InitProcessGroupKwargs
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
    patient = InitProcessGroupKwargs(timeout=timedelta(days=1))  # while one reads the corpus
    return Accelerator(
        mixed_precision="bf16" if half else "no",
        cpu=device.type == "cpu",
        kwargs_handlers=[patient],
    )


def first_alone(accelerator: Accelerator, work: Callable[[], None]) -> None:
    """Do `work` in the first process while the others wait for it.

    Where it raises, they raise TrainingError with the same line, so that none waits forever.
    """
    failure: Exception | None = None
    if accelerator.is_main_process:
        try:
            work()
        except (ChatcliError, OSError) as error:
            failure = error
    told = from_first(accelerator, None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if told is not None:
        raise TrainingError(told)


def from_first(accelerator: Accelerator, value: Any) -> Any:
    """What the first process calls `value`; every process must ask at the same point."""
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


@contextmanager
def step_memory(device: torch.device) -> Iterator[None]:
    """Turn memory that ends during a step into one DeviceError that says what to lower."""
    try:
        with memory_errors("training", device):
            yield
    except DeviceError as error:
        raise DeviceError(
            f"not enough memory on {device} for a step: lower the rows of a batch, or their "
            "length, or raise --accumulate"
        ) from error
