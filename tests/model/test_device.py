"""Device and dtype by fixed rules; too little memory is one line with what would fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chatcli.errors import DeviceError, UsageError
from chatcli.model import device as module
from chatcli.model.device import Demand, check_memory, memory_errors, pick_device, pick_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
SMALL, LARGE = 10**6, 10**9


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_takes_cuda_then_mps_then_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=2, mps=True)
    assert pick_device() == torch.device("cuda:0") == pick_device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert pick_device("cpu") == CPU
    machine(monkeypatch, mps=True)
    assert pick_device() == torch.device("mps")
    machine(monkeypatch)
    assert pick_device() == CPU


def test_a_device_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(DeviceError, match="no device cuda here: use cpu, or auto"):
        pick_device("cuda")
    machine(monkeypatch, cuda=2)
    with pytest.raises(DeviceError, match="no device cuda:7 here: use cuda:0 or cuda:1 or cpu"):
        pick_device("cuda:7")


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "", "meta"])
def test_a_device_of_no_such_name_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError, match="none of auto, cpu, cuda"):
        pick_device(name)


@pytest.mark.parametrize(
    ("stored", "device", "parameters", "expected"),
    [
        ("F32", CPU, LARGE, torch.float32),
        ("F32", CUDA, SMALL, torch.float32),
        ("F64", CPU, SMALL, torch.float32),
        ("BF16", CPU, SMALL, torch.float32),
        ("BF16", CPU, LARGE, torch.bfloat16),
        ("F16", CPU, SMALL, torch.float32),
        ("F16", CPU, LARGE, torch.float16),
        ("F16", CUDA, SMALL, torch.float16),
        ("BF16", CUDA, SMALL, torch.bfloat16),
    ],
)
def test_auto_dtype_keeps_the_files_precision(
    monkeypatch: pytest.MonkeyPatch,
    stored: str,
    device: torch.device,
    parameters: int,
    expected: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert pick_dtype("auto", stored, device, parameters) == expected


def test_a_card_without_bfloat16_runs_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert pick_dtype("auto", "BF16", CUDA, LARGE) == torch.float32
    assert pick_dtype("bfloat16", "BF16", CUDA, LARGE) == torch.bfloat16


def test_a_dtype_of_no_such_name_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="'int8' is none of auto, float32, bfloat16, float16"):
        pick_dtype("int8", "F32", CPU, SMALL)


@pytest.mark.parametrize(
    ("free", "dtype", "remedy"),
    [
        (3_000_000_000, torch.float32, "--dtype bfloat16 takes 2.2 GB"),
        (2_100_000_000, torch.bfloat16, "--context 2500 fits"),
        (1_000_000_000, torch.bfloat16, "free some memory, or take a smaller model"),
    ],
)
def test_too_little_memory_says_what_would_fit(
    monkeypatch: pytest.MonkeyPatch, free: int, dtype: torch.dtype, remedy: str
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda _: free)
    demand = Demand(parameters=10**9, kv_per_token=20_000, context=5_000)
    with pytest.raises(DeviceError) as caught:
        check_memory("mine", demand, dtype, CPU)
    message = str(caught.value)
    assert message.endswith(remedy)
    assert message.startswith("mine takes ") and f"{free / 1e9:.1f} GB free" in message


@pytest.mark.parametrize("free", [None, 2_200_000_000])
def test_enough_or_unknown_memory_passes(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    monkeypatch.setattr(module, "free_memory", lambda _: free)
    check_memory("mine", Demand(10**9, 20_000, 5_000), torch.bfloat16, CPU)


def test_free_memory_is_read_from_the_system_and_the_containers_limit(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    assert module._available(meminfo) == 7 * 1024
    assert module._available(tmp_path / "none") is None
    for name, content in [("max", "900"), ("current", "600"), ("stat", "anon 1\nfile 50\n")]:
        (tmp_path / f"memory.{name}").write_text(content)
    assert module._left_in_group(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert module._left_in_group(tmp_path) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
)
def test_each_way_of_running_out_of_memory_is_one_device_error(error: Exception) -> None:
    with pytest.raises(DeviceError, match=r"not enough memory on cpu .* feeding 9 tokens: try"):
        with memory_errors("feeding 9 tokens", CPU):
            raise error


def test_a_real_allocation_failure_is_recognised() -> None:
    with pytest.raises(DeviceError), memory_errors("asking for 4 EB", CPU):
        torch.empty(2**60)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors("feeding", CPU):
        raise RuntimeError("shapes differ")
