"""Which class of machine the figures come from: what a reader needs to compare them."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import torch

from chatcli.bench.types import Machine

__all__ = ["this_machine"]


def this_machine() -> Machine:
    """The machine this process runs on, with the threads torch uses."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        vector=torch.backends.cpu.get_cpu_capability(),
        memory=_memory(),
        python=platform.python_version(),
        torch=str(torch.__version__),
        threads=torch.get_num_threads(),
    )


def _processor(path: Path = Path("/proc/cpuinfo")) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown"


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
