"""Peak anonymous memory of a real `complete`, beyond the weights that it must hold.

Linux alone tells a process's anonymous memory, in /proc; pages of mapped files don't count.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import Workshop
from chatcli.model.files import read_config
from chatcli.model.resolve import resolve
from chatcli.model.sizes import read_weight_sizes

__all__ = ["memory"]

_PERIOD = 0.005
# 840 bytes, each a token of the random checkpoints: keys and values count as well.
_PROMPT = "世界上最高的山" * 40
_CASES = ((None, "float32"), ("110M", "float32"), ("600M", "bfloat16"), ("600M", "float32"))
_WIDTH = {"float32": 4, "bfloat16": 2}


def memory(shop: Workshop) -> Iterator[Figure]:
    """Megabytes beyond the weights, for each size: a prompt of up to 840 tokens, 16 new."""
    if not Path("/proc/self/status").exists():
        shop.say("memory: left out, for this system doesn't tell")
        return
    for shape, dtype in _CASES:
        name = shop.name(shape)
        folder = resolve(name).folder
        parameters = read_weight_sizes(folder, read_config(folder)).parameters
        command = shop.command(
            *("complete", _PROMPT, "-m", name, "--dtype", dtype), *("-n", "16", "--no-live")
        )
        peak = _peak(command) / 1e6
        weights = parameters * _WIDTH[dtype] / 1e6
        yield Figure(
            part="memory",
            what=f"{parameters / 1e6:,.0f}M parameters, {dtype}, beyond the weights",
            value=Spread.of([peak - weights]),
            unit="MB",
            bar=Bar(400),
            detail=f"peak {peak:,.0f} MB, weights {weights:,.0f} MB",
        )


def _peak(command: list[str]) -> int:
    """The most anonymous bytes that a process held at any look."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _anonymous(process.pid))
            time.sleep(_PERIOD)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def _anonymous(pid: int) -> int:
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) * 1024 if found else 0
