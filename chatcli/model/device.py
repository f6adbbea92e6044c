"""Where a model runs and in which precision, and whether there is memory for it.

The rules are fixed (nothing is timed at load), so the same machine always makes the same
choice. Moving the weights there is left to the engines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from chatcli.errors import DeviceError, UsageError

__all__ = ["Demand", "check_memory", "free_memory", "memory_errors", "pick_device", "pick_dtype"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STORED = {"BF16": torch.bfloat16, "F16": torch.float16}

# Half precision reads half the bytes for one row, but is many times slower for a prompt on
# CPU; so weights that are this small in float32 run in float32.
SMALL_IN_FLOAT32 = 10**9


def pick_device(name: str = "auto") -> torch.device:
    """The device `name` stands for; "auto" is CUDA, then MPS, then CPU.

    Raises DeviceError for one that isn't there, UsageError for one that can't be.
    """
    present = _devices()
    if name == "auto":
        return torch.device(present[0])
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"device {name!r} is none of auto, cpu, cuda, cuda:N, mps")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise DeviceError(f"there is no device {name} here: use {' or '.join(present)}, or auto")
    return torch.device(wanted)


def _devices() -> list[str]:
    """Every device of this machine, the best first."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [f"cuda:{index}" for index in range(count)] + mps + ["cpu"]


def pick_dtype(name: str, stored: str, device: torch.device, parameters: int) -> torch.dtype:
    """The dtype to compute in; "auto" is the fastest that keeps the files' own precision.

    `stored` is the dtype of the files as safetensors spells it. Files in half precision run
    as they are, but on CPU in float32 where that takes less than 1 GB; all others run in
    float32. Raises UsageError for a name that is no dtype.
    """
    if name != "auto":
        if name not in DTYPES:
            raise UsageError(f"dtype {name!r} is none of auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    half = STORED.get(stored, torch.float32)
    if device.type == "cpu" and parameters * 4 < SMALL_IN_FLOAT32:
        return torch.float32
    if half is torch.bfloat16 and not _computes_bfloat16(device):
        return torch.float32
    return half


def _computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 in hardware; older CUDA cards only emulate it."""
    return device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model needs: parameters, KV values a token, and tokens of context to hold."""

    parameters: int
    kv_per_token: int
    context: int

    def weights(self, dtype: torch.dtype) -> int:
        """Bytes of the weights."""
        return self.parameters * dtype.itemsize

    def total(self, dtype: torch.dtype) -> int:
        """Bytes of the weights and of a full KV cache."""
        return self.weights(dtype) + self.context * self.kv_per_token * dtype.itemsize


def check_memory(name: str, demand: Demand, dtype: torch.dtype, device: torch.device) -> None:
    """Raise DeviceError, with what would fit, where `device` has too little memory free."""
    free = free_memory(device)
    if free is None or demand.total(dtype) <= free:
        return
    raise DeviceError(
        f"{name} takes {_size(demand.weights(dtype))} of weights in {_spelt(dtype)} and "
        f"{_size(demand.total(dtype) - demand.weights(dtype))} for {demand.context:,} tokens, "
        f"and {device} has {_size(free)} free: {_what_fits(demand, dtype, free)}"
    )


def _what_fits(demand: Demand, dtype: torch.dtype, free: int) -> str:
    if dtype.itemsize > 2 and demand.total(torch.bfloat16) <= free:
        return f"--dtype bfloat16 takes {_size(demand.total(torch.bfloat16))}"
    left = free - demand.weights(dtype)
    fits = left // (demand.kv_per_token * dtype.itemsize) if demand.kv_per_token else 0
    if fits >= 1:
        return f"--context {fits} fits"
    return "free some memory, or take a smaller model"


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken on `device`; None where the system doesn't tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(filter(None, (_available(), _left_in_group())), default=None)


def _available(path: Path = Path("/proc/meminfo")) -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _left_in_group(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container's limit leaves; its file cache can be dropped and counts as free."""
    try:
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        cached = re.search(r"^file (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return max(limit - used + (int(cached[1]) if cached else 0), 1)


@contextmanager
def memory_errors(doing: str, device: torch.device) -> Iterator[None]:
    """Turn the ways in which torch says "out of memory" into one DeviceError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        free = free_memory(device)
        left = "" if free is None else f" ({_size(free)} free)"
        raise DeviceError(
            f"not enough memory on {device}{left} {doing}: "
            "try --dtype bfloat16, a smaller --context, or another --device"
        ) from error


def _is_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return bool(re.search(r"can't allocate memory|out of memory|not enough memory", str(error)))


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 10**8 else f"{count / 1e6:,.1f} MB"


def _spelt(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
